"""The audit trail, health and help."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bot import html
from bot.accounts import seen
from bot.arguments import name, page_number
from bot.command import Call, Command, command
from bot.families import Family, by_family, called, family_of
from bot.figures import number_of
from bot.framing import entries, framed, grid, pager
from bot.html import Html
from bot.screen import Nav, Screen
from core.access.roles import Permission, Role, told_roles
from core.errors import UnknownName
from core.views import AuditRow, HealthRow, Page


@command("audit", "Who did what", permission=Permission.AUDIT, usage="[PAGE]", takes=1, changes=False)
async def audit(call: Call) -> Screen:
    """The audit trail by page, newest first."""
    page = await call.service.audit(page=page_number(call))
    buttons = pager("audit", page.number, page.pages)
    return framed(call, ("Audit",), render_audit(page, call), here=("audit", str(page.number)), buttons=buttons)


@command("health", "Is every part well", permission=Permission.VIEW, aliases=("ping",))
async def health(call: Call) -> Screen:
    """Each part of the program and how it is."""
    return framed(call, ("Health",), render_health(await call.service.health(seen(call))), here=("health",))


@command("help", "What you can do here", permission=Permission.VIEW, usage="[TOPIC]", takes=1, aliases=("h",))
async def help_(call: Call) -> Screen:
    """All commands of the reader's role by topic, one topic, or one command in detail."""
    wanted = name(call).lstrip("/").lower()
    allowed = call.registry.allowed(call.actor)
    if not wanted:
        topics = grid([Nav(family.title, "help", (family.word,)) for family, _ in by_family(allowed)])
        return framed(call, ("Help",), render_help(allowed, call.actor.role), here=("help",), buttons=topics)
    one, family = call.registry.find(wanted), called(wanted)
    if one is None and family is None:
        known = [each.word for each, _ in by_family(allowed)]
        names = [own for each in allowed for own in (each.name, *each.aliases)]
        raise UnknownName("command or topic", wanted, {*known, *names})
    family = family or family_of(one.name if one else "")
    body = html.lines(
        render_command(one) if one else html.EMPTY,
        "" if one and family else html.EMPTY,
        render_topic(family, allowed) if family else html.EMPTY,
    )
    return framed(call, ("Help", wanted), body, here=("help", wanted), back=Nav("Help", "help"))


def render_audit(page: Page[AuditRow], call: Call) -> Html:
    """One page of the audit trail."""
    if not page.total:
        return html.text("Nothing has been recorded yet.")
    if not page.rows:
        return html.text(f"There is no page {page.number}; the last one is {page.pages}.")
    alike = groupby(page.rows, lambda row: (row.actor, row.action, row.detail, row.outcome))
    return entries([_line(list(group), call) for _, group in alike], "\n")


def _line(rows: Sequence[AuditRow], call: Call) -> Html:
    """Lines that say the same, newest first, in one."""
    row, first = rows[0], rows[-1]
    when = f"{row.at.astimezone(call.time_zone):%m-%d %H:%M:%S}"
    detail = f": {row.detail[:150]}" if row.detail else ""
    repeated = f" x{len(rows)} since {first.at.astimezone(call.time_zone):%m-%d %H:%M:%S}" if len(rows) > 1 else ""
    return html.text(
        html.code(when), " ", html.bold(row.actor[:40]), " ", row.action, detail, " → ", row.outcome, repeated
    )


def render_health(rows: Sequence[HealthRow]) -> Html:
    """What is not well comes first."""
    ordered = sorted(rows, key=lambda row: row.ok)
    ill = sum(not row.ok for row in rows)
    head = html.bold("All parts are well" if not ill else f"{number_of(ill, 'part needs', 'parts need')} attention")
    return html.lines(
        head,
        *(html.text("🟢 " if row.ok else "🔴 ", html.bold(row.part), " ", row.detail[:200]) for row in ordered[:30]),
    )


def render_help(commands: Sequence[Command], role: Role) -> Html:
    """Generated from the registry: what is not allowed is not shown."""
    topics = (
        html.lines(html.bold(family.title), html.text(" ".join(f"/{one.name}" for one in own)))
        for family, own in by_family(commands)
    )
    head = html.text(
        "You are ", html.bold(role.label), ". A command alone offers what it can do; it asks before it acts."
    )
    return html.lines(head, "", html.join("\n\n", topics), "", "More: press a topic, or type /help buy")


def render_topic(family: Family, commands: Sequence[Command]) -> Html:
    """One topic: each command with what it does."""
    own = dict(by_family(commands)).get(family, [])
    lines = (html.text(f"/{one.name} · {one.title}") for one in own)
    return html.lines(html.bold(family.title), *(lines if own else ["Nothing of it is for your role."]))


def render_command(one: Command) -> Html:
    """One command in detail."""
    other = ", ".join(f"/{alias}" for alias in one.aliases)
    return html.lines(
        html.text(html.code(one.form)),
        html.text(one.title, "."),
        html.text("Asks before it acts.") if one.ask else html.EMPTY,
        html.text(one.details) if one.details else html.EMPTY,
        html.text("Also ", other) if other else html.EMPTY,
        html.italic(f"Needs the role {told_roles(one.permission)}."),
    )
