"""What the dispatcher itself says: refused, expired, unknown, broken, asked again. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import TypeVar

from bot import html
from bot.bound import typed
from bot.command import Command, Question
from bot.figures import number_of, span
from bot.framing import HOME, notice
from bot.html import Html
from bot.screen import Act, Nav, Rows, Screen
from core.access.approvals import Approval
from core.access.roles import Actor, told_roles
from core.access.totp import Judged, Verdict
from core.views import AuditRow

T = TypeVar("T")
CONFIRM_SECONDS = 60
TOO_FAST = "Too fast: wait a little"
_NOT_KNOWN = "I do not know whether it was done. Check /status and /audit, then repeat it if needed."
_MOST_EXPIRED = 15
_MOST_BUTTONS = 6


def denied(actor: Actor, command: Command) -> Screen:
    """The role is not enough."""
    need = told_roles(command.permission)
    said = f"⛔ /{command.name} needs the role {need}; yours is {actor.role.label}. Ask an admin."
    return notice(said, toast=f"Not allowed: needs the role {need}")


def denied_in(account: str, command: Command) -> Screen:
    """The role in one account is not enough."""
    need = told_roles(command.permission)
    said = f"⛔ /{command.name} needs the role {need} in the account {account}; yours there is another. Ask an admin."
    return notice(said, toast=f"Not allowed in {account}")


def denied_in_the_house(command: Command) -> Screen:
    """It would reach accounts in which the role is not enough."""
    said = f"⛔ /{command.name} would reach every account, and in some of them your role is not enough. Name one."
    return notice(said, toast="Not allowed in every account")


def unknown(name: str, near: Sequence[str], buttons: Rows = ()) -> Screen:
    """No such command; `buttons` are those that may have been meant."""
    hint = f"Did you mean {' or '.join('/' + other for other in near)}?" if near else "See /help for all of them."
    return notice(f"I know no command /{name[:32]}. {hint}", *buttons)


def no_command() -> Screen:
    """Plain text."""
    return notice("I act on commands only: try /menu, or /help for all of them.")


def too_long(characters: int) -> Screen:
    """Far more than any command needs."""
    return notice(f"That message has {characters:,} characters; commands are short. Nothing was done. See /help.")


def wrong(problem: str, buttons: Rows = ()) -> Screen:
    """A `UserError`: its text as it is, and `buttons` for what may have been meant."""
    first, _, rest = problem.partition("\n")
    return notice(html.lines(first, html.text(rest)) if rest else html.text(first), *buttons, toast=first[:180])


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
    grave_first = sorted(latest.values(), key=lambda one: not one[0].urgent)
    shown = [
        html.text("• Expired, not run: ", html.code(_typed(command, args)), f" ({span(age)} ago)")
        for command, args, age in _ends(grave_first, _MOST_EXPIRED)
    ]
    more = len(latest) - len(shown)
    buttons = [
        (Act(f"▶️ Run {_typed(command, args)[:40]}", command.name, tuple(args), urgent=command.urgent),)
        for command, args, _ in _ends(grave_first, _MOST_BUTTONS)
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


def _ends(lines: Sequence[T], most: int) -> Sequence[T]:
    """The first, which is the gravest, and the newest."""
    return lines if len(lines) <= most else (lines[0], *lines[1 - most :])


def _typed(command: Command, args: Sequence[str]) -> str:
    return words_of(command.name, args)


def words_of(name: str, args: Sequence[str]) -> str:
    """A command as it would be typed, without what a question has bound its yes to."""
    return " ".join((f"/{name}", *typed(args)))[:200]


def once(screen: Screen, times: int) -> Screen:
    """One answer for a question that was asked several times in a row."""
    return replace(screen, text=html.lines(screen.text, html.italic(f"Asked {times} times, answered once.")))


def for_another(addressee: str, own: str) -> Screen:
    """Addressed to a bot that is not us."""
    return notice(f"That is for @{addressee[:40]}; I am @{own}. I did nothing.")


def overtaken(command: Command, args: Sequence[str]) -> Screen:
    """Not run: something that makes safer was written after it, and has been run before it."""
    run = Act("▶️ Run it all the same", command.name, tuple(args))
    said = html.text("⏪ ", html.bold("Not run: "), html.code(_typed(command, args)))
    why = "You or somebody else halted or reduced after it was written, and that came first. Tap if you still want it."
    return Screen(html.lines(said, why), ((run,), (HOME,)), toast="Not run: a halt came first")


def overtaken_press() -> Screen:
    """The same for a press."""
    said = "⏪ Not done: a halt or a reduction was sent after that press, and came first. Ask again if you want it."
    return notice(said, toast="Not done: a halt came first")


def read_only(command: Command) -> Screen:
    """A group in which nothing is changed."""
    said = f"👀 This group only looks: /{command.name} changes something. Send it to me in private."
    return notice(said, toast="This group only looks")


def flooded(count: int) -> Screen:
    """More commands waited than anybody can have meant."""
    return notice(f"⌛ {count:,} commands more than I keep waiting came in here; I did not run them. Ask again.")


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
    yes = Act(asked.yes, command.name, tuple(args) if asked.args is None else asked.args, confirms=True)
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


def gone() -> Screen:
    """Somebody who has been removed while their message was on its way."""
    return notice("You may no longer use this bot. Nothing was done.")


def slow_down(seconds: int) -> Screen:
    """More than one person may ask in a while."""
    wait = number_of(seconds, "second")
    said = f"🐢 That was a lot at once. Try again in {wait}; nothing was done. /halt always works."
    return notice(said, toast=f"Too fast: try again in {wait}")


def no_factor(command: Command, name: str) -> Screen:
    """A code is needed from somebody who has nothing to make codes with."""
    how = html.code(f"quarterdeck totp {shlex.quote(name)}")
    return notice(
        html.lines(
            html.text(f"🔐 /{command.name} needs a 6-digit code, and you have no second factor yet."),
            html.text("Whoever runs the machine sets one up there with ", how, ", and you scan what it shows."),
        ),
        toast="You have no second factor yet",
    )


def send_code(command: Command, args: Sequence[str]) -> Screen:
    """A code is asked for, for exactly this."""
    return notice(
        html.lines(
            html.text("🔐 ", html.bold("Send the 6-digit code"), " of your authenticator app."),
            html.text("It runs ", html.code(_typed(command, args)), ", once."),
            html.italic(f"Good for {CONFIRM_SECONDS} seconds. Your message is deleted afterwards."),
        ),
        toast="Send the 6-digit code",
    )


def code_in_private(command: Command) -> Screen:
    """A code must not be sent where others read it."""
    return notice(
        f"🔐 /{command.name} needs a code. Continue in our private chat: I have asked for it there.",
        toast="Continue in our private chat",
    )


def no_way_in_private() -> Screen:
    """Somebody who has never written to us in private cannot be written to."""
    return notice("🔐 I cannot write to you in private: open our private chat, press Start, and ask there.")


def no_code_awaited() -> Screen:
    """Six digits out of the blue."""
    return notice("Nothing awaits a code now, or it came too late. Nothing was done; ask for it again.")


def overtaken_code() -> Screen:
    """A halt has overtaken the code."""
    return notice("🛑 A halt or a reduction came after that code, so it ran nothing. Ask again if you still want it.")


def code_wrong(judged: Judged, now: datetime) -> Screen:
    """Why a code was not taken."""
    if judged.locks:
        return notice(html.text("🔒 Wrong code. ", _locked(judged, now)), toast="Locked")
    if judged.verdict is Verdict.USED:
        return notice("That code has been used. Each counts once: wait for the next one and send that.")
    if judged.verdict is Verdict.WRONG:
        return notice(f"❌ Wrong code. {number_of(judged.left, 'try', 'tries')} left. Send the code that is shown now.")
    return notice(html.text("🔒 ", _locked(judged, now)), toast="Locked")


def _up(length: timedelta) -> timedelta:
    """A minute more rather than one too few: nobody should come back in vain."""
    return timedelta(minutes=ceil(length / timedelta(minutes=1)))


def _locked(judged: Judged, now: datetime) -> str:
    if judged.until is None:
        return "Too many wrong codes within a day: an admin must /unlock you. /halt works all the same."
    return f"Too many wrong codes: no code is looked at for {span(_up(judged.until - now))}. /halt works all the same."


def waits_for_approval(number: int, others: Sequence[str], *, new: bool) -> Screen:
    """What was asked for waits for a second person."""
    who = ", ".join(others) or "nobody else, so only the console can"
    head = "Waits for a second person" if new else "Waits already for a second person"
    return notice(
        html.lines(
            html.text("👥 ", html.bold(f"{head} (request {number}).")),
            html.text("Who may approve it: ", who, "."),
            "It is good for 5 minutes. You are told what comes of it.",
        ),
        (Nav("👥 Approvals", "approvals"),),
        toast="Waits for a second person",
    )


def nobody_can_approve(command: Command) -> Screen:
    """The rule of two without a second one."""
    return notice(f"👥 /{command.name} needs a second person, and there is none with that permission.")


def approval_asked(approval: Approval) -> Screen:
    """Asks one of those who may: what exactly, by whom, until when."""
    number = str(approval.id)
    return notice(
        approval_text(approval),
        (Act("✅ Approve", "approve", (number,)), Act("✖ Decline", "decline", (number,))),
    )


def approval_text(approval: Approval) -> Html:
    """A request in full."""
    wanted = approval.wanted
    return html.lines(
        html.text("👥 ", html.bold(approval.requester), f" asks for your approval (request {approval.id})."),
        html.code(words_of(wanted.command, wanted.args)),
        html.fold(html.text(wanted.effect[:2_500])) if wanted.effect else html.EMPTY,
        html.italic(f"Until {approval.expires_at:%H:%M:%S} UTC. If what it would do changes, it is void."),
    )


def approval_decided(approval: Approval, said: str) -> Screen:
    """Takes the place of a request at everybody who was asked, without its buttons."""
    return notice(html.lines(approval_text(approval), html.bold(f"It is {said}")))


def approval_over(approval: Approval, said: str) -> Screen:
    """Tells the requester what became of their request."""
    return notice(html.text("👥 ", html.bold(f"Request {approval.id}, /{approval.wanted.command}: "), said))
