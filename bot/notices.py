"""What the dispatcher itself says: refused, expired, unknown, broken, asked again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot import html
from bot.command import Command, Question
from bot.figures import span
from bot.framing import HOME, notice
from bot.screen import Act, Nav, Screen
from core.access.roles import Actor, needed_role
from core.views import AuditRow

CONFIRM_SECONDS = 60
_NOT_KNOWN = "I do not know whether it was done. Check /status and /audit, then repeat it if needed."
_MOST_EXPIRED = 15
_MOST_BUTTONS = 6


def denied(actor: Actor, command: Command) -> Screen:
    """The role is not enough."""
    need = needed_role(command.permission).label
    said = f"⛔ /{command.name} needs the role {need}; yours is {actor.role.label}. Ask an admin."
    return notice(said, toast=f"Not allowed: needs the role {need}")


def unknown(name: str, near: Sequence[str]) -> Screen:
    """No such command."""
    hint = f"Did you mean {' or '.join('/' + other for other in near)}?" if near else "See /help for all of them."
    return notice(f"I know no command /{name[:32]}. {hint}")


def no_command() -> Screen:
    """Plain text."""
    return notice("I act on commands only: try /menu, or /help for all of them.")


def too_long(characters: int) -> Screen:
    """Far more than any command needs."""
    return notice(f"That message has {characters:,} characters; commands are short. Nothing was done. See /help.")


def wrong(problem: str) -> Screen:
    """A `UserError`: its text as it is."""
    first, _, rest = problem.partition("\n")
    return notice(html.lines(first, html.text(rest)) if rest else html.text(first), toast=first[:180])


def expired(command: Command, args: Sequence[str], age: timedelta) -> Screen:
    """Written too long ago: not run, but a press away."""
    run = Act("▶️ Run it now", command.name, tuple(args), urgent=command.urgent)
    said = html.text("⌛ ", html.bold("Expired, not run: "), html.code(_typed(command, args)))
    return Screen(
        html.lines(said, f"It was sent {span(age)} ago. Tap to run it now."),
        ((run,), (HOME,)),
        toast="Expired, not run",
    )


def expired_together(lines: Sequence[tuple[Command, Sequence[str], timedelta]]) -> Screen:
    """Several that were written too long ago: one message, each a press away."""
    latest = {(command.name, *args): (command, args, age) for command, args, age in lines}
    shown = [
        html.text("• Expired, not run: ", html.code(_typed(command, args)), f" ({span(age)} ago)")
        for command, args, age in list(latest.values())[-_MOST_EXPIRED:]
    ]
    more = len(latest) - len(shown)
    buttons = [
        (Act(f"▶️ Run {_typed(command, args)[:40]}", command.name, tuple(args)),)
        for command, args, _ in list(latest.values())[-_MOST_BUTTONS:]
    ]
    return Screen(
        html.lines(
            html.text("⌛ ", html.bold(f"{len(lines)} commands reached me too late; none was run.")),
            *shown,
            html.text(f"… and {more} earlier ones") if more else html.EMPTY,
        ),
        (*buttons, (HOME,)),
        toast="Expired, not run",
    )


def _typed(command: Command, args: Sequence[str]) -> str:
    return f"/{command.name} {' '.join(args)}".strip()[:200]


def once(screen: Screen, times: int) -> Screen:
    """One answer for a question that was asked several times in a row."""
    return replace(screen, text=html.lines(screen.text, html.italic(f"Asked {times} times, answered once.")))


def for_another(addressee: str, own: str) -> Screen:
    """Addressed to a bot that is not us."""
    return notice(f"That is for @{addressee[:40]}; I am @{own}. I did nothing.")


def late_press() -> Screen:
    """A press that Telegram kept for too long."""
    said = "⌛ That press reached me too late, so I did not act on it. Open the screen again and press."
    return notice(said, toast="Too late: nothing was done")


def interrupted(command: Command, found: Sequence[AuditRow]) -> Screen:
    """A command that had begun when the program died, and what the audit trail has of it."""
    head = html.bold(f"⚠️ /{command.name} was interrupted by a restart.")
    if found:
        traces = (
            f"• {line.at:%H:%M:%S} UTC {line.action}: {line.detail[:200]} → {line.outcome}" for line in found[-5:]
        )
        said = html.lines(head, "The audit trail says what became of it:", *traces, "It is not repeated.")
    else:
        said = html.lines(head, _NOT_KNOWN)
    return notice(said, (Nav("📊 Status", "status"), Nav("📜 Audit", "audit")), toast="Interrupted by a restart")


def broken(incident: str) -> Screen:
    """A fault of ours."""
    said = (
        f"💥 Something went wrong (incident {incident}). Nothing was changed by this command as far "
        "as I know. Try again, or see /health."
    )
    return notice(said, toast=f"Something went wrong (incident {incident})")


def question(asked: Question, command: Command, args: Sequence[str]) -> Screen:
    """A dangerous command asks first; the yes button carries its exact parameters."""
    yes = Act(asked.yes, command.name, tuple(args), confirms=True)
    hint = html.italic(f"This question is good for {CONFIRM_SECONDS} seconds and one press.")
    return Screen(html.lines(asked.text, "", hint), ((yes, Nav("✖ No, leave it", "menu")),))


def interrupted_press() -> Screen:
    """A press that had begun when the program died."""
    said = html.lines(
        html.bold("⚠️ Your last press was interrupted by a restart."),
        _NOT_KNOWN,
    )
    return notice(said, (Nav("📊 Status", "status"), Nav("📜 Audit", "audit")))


def interrupted_before() -> Screen:
    """A press that the program died on before it had done anything."""
    return notice(
        "⚠️ Your last press was cut short by a restart before anything was done. Ask again if you still want it."
    )


def question_expired() -> Screen:
    """Takes the place of a question that was not answered in time."""
    return notice("⌛ That question has expired. Nothing was done.")
