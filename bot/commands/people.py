"""Who may use the bot: the list, invitations, roles, removal."""

from __future__ import annotations

from collections.abc import Sequence

from bot import html
from bot.arguments import name
from bot.command import Call, Question, command
from bot.figures import when
from bot.framing import entries, framed, grid
from bot.html import Html
from bot.outcomes import outcome
from bot.picking import pick_person
from bot.screen import Act, Button, Nav, Screen
from core.access.roles import Permission, Role
from core.errors import UserError
from core.views import InvitationView, PersonView

_ROLES = tuple(role.label for role in Role)
_USERS = Nav("👤 People", "users")
_MOST_BUTTONS = 20


@command("users", "Who may use the bot", permission=Permission.ADMINISTER, changes=False)
async def users(call: Call) -> Screen:
    """Everyone, and the ways to change that."""
    people = await call.service.people()
    buttons = [
        (Act(f"✏️ {each.name}", "role", (str(each.id),)), Act(f"🗑 {each.name}", "remove", (str(each.id),)))
        for each in people
    ]
    return framed(call, ("People",), render_users(people, call), here=("users",), buttons=buttons[:_MOST_BUTTONS])


def render_users(people: Sequence[PersonView], call: Call) -> Html:
    """Each with number, role, and who gave it."""
    hint = html.italic("/invite NAME ROLE lets somebody in; roles are ", ", ".join(_ROLES), ".")
    return html.lines(entries([_person(each, call) for each in people]), "", hint)


def _person(each: PersonView, call: Call) -> Html:
    source = (
        f"changed by {each.changed_by}, {when(each.changed_at, call.now, call.time_zone)}"
        if each.changed_by
        else "from the settings"
    )
    return html.lines(
        html.text(html.bold(each.name), ": ", each.trust),
        html.italic(f"{each.id} · {each.time_zone} · {source}"),
    )


async def _names_role(call: Call) -> bool:
    """Whether it would change something; without a role it only offers them."""
    return bool(_who_and_role(call)[1])


async def _names(call: Call) -> bool:
    return bool(name(call))


async def _ask_invite(call: Call) -> Question | None:
    person, role, account = _who_and_role(call)
    if not person or not role:
        return None
    trust = call.service.check_invitation(person, role, account)
    text = html.lines(
        html.text("👤 ", html.bold(f"Invite {person}?")),
        f"As {trust}. You get a code that lets in whoever sends it first, within 10 minutes.",
    )
    return Question(text, "👤 Yes, make the code")


@command(
    "invite",
    "Let somebody use the bot",
    permission=Permission.ADMINISTER,
    usage="NAME ROLE [ACCOUNT]",
    takes=None,
    ask=_ask_invite,
    trace=("invited",),
    step_up=_names_role,
    approval="users",
)
async def invite(call: Call) -> Screen:
    """Show a one-time code, or offer the roles."""
    person, role, account = _who_and_role(call)
    if not person:
        raise call.wrong("Say whom you invite, and as what.")
    if not role:
        return _offer(call, f"Invite {person} as what?", "invite", person)
    made = await call.service.invite(person, role, call.actor, account)
    return Screen(render_invitation(made, call), ((_USERS,),), toast="Invitation made")


def render_invitation(made: InvitationView, call: Call) -> Html:
    """What to pass on, and how."""
    until = f"{made.until.astimezone(call.time_zone):%H:%M}"
    return html.lines(
        html.text("👤 ", html.bold(f"{made.name} is invited as {made.trust}")),
        f"Pass this on by a way that nobody else reads. It works once, until {until}:",
        html.code(f"/start {made.code}"),
        "They open this bot and send exactly that line, from their own account. You are told when they have joined.",
    )


async def _ask_role(call: Call) -> Question | None:
    person, role, account = _who_and_role(call)
    if not person or not role:
        return None
    user, before, after = call.service.trust_after(person, role, account)
    text = html.lines(
        html.text("✏️ ", html.bold(f"Change what {user.name} may do?")), f"Now: {before}", f"Then: {after}"
    )
    return None if before == after else Question(text, "✏️ Yes, change it")


@command(
    "role",
    "Change what somebody may do",
    permission=Permission.ADMINISTER,
    usage="NAME ROLE [ACCOUNT]",
    takes=None,
    ask=_ask_role,
    trace=("set role",),
    step_up=_names_role,
    approval="users",
)
async def role(call: Call) -> Screen:
    """Give somebody another role, or offer the roles."""
    person, wanted, account = _who_and_role(call)
    if not person:
        return pick_person(call, await call.service.people(), "Whose role?")
    if not wanted:
        return _offer(call, f"What may {person} do?", "role", person)
    return outcome(await call.service.set_role(person, wanted, call.actor, account), _USERS)


async def _ask_remove(call: Call) -> Question | None:
    if not call.args:
        return None
    user, trust, _ = call.service.trust_after(call.text, Role.VIEWER.label)
    text = html.lines(
        html.text("🗑 ", html.bold(f"Remove {user.name}?")),
        f"They are {trust} now, and the bot will not answer them any more.",
    )
    return Question(text, "🗑 Yes, remove")


@command(
    "remove",
    "Let somebody use the bot no more",
    permission=Permission.ADMINISTER,
    usage="NAME",
    takes=None,
    ask=_ask_remove,
    trace=("removed",),
    step_up=_names,
    approval="users",
)
async def remove(call: Call) -> Screen:
    """Take somebody off the list."""
    if not name(call):
        return pick_person(call, await call.service.people(), "Remove whom?")
    return outcome(await call.service.remove_person(call.text, call.actor), _USERS)


_ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Chicago", "America/Los_Angeles",
    "America/Sao_Paulo", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip


@command(
    "timezone",
    "The time zone that you read times in",
    permission=Permission.VIEW,
    usage="[NAME]",
    takes=1,
    changes=True,
    aliases=("tz",),
    trace=("time zone",),
)
async def timezone(call: Call) -> Screen:
    """Choose a zone, for oneself alone."""
    if not call.actor.id.isdigit():
        raise UserError("The console has no time zone of its own: it shows UTC.")
    if not name(call):
        rows: list[Button] = [Act(zone.rpartition("/")[2].replace("_", " "), "timezone", (zone,)) for zone in _ZONES]
        text = html.text(
            "Times are shown in ",
            html.bold(call.time_zone.key),
            f": it is {call.now.astimezone(call.time_zone):%H:%M}.",
        )
        hint = html.italic("Press one, or type /timezone Europe/Zurich")
        return framed(call, ("Time zone",), text, hint, here=("menu",), buttons=grid(rows, 3))
    return outcome(await call.service.set_time_zone(name(call), int(call.actor.id), call.actor))


def _who_and_role(call: Call) -> tuple[str, str, str]:
    """`Ada Lovelace risk fund` as name, role and account: the last role word divides them."""
    words = [*_ROLES, "none"]
    places = [place for place, word in enumerate(call.args) if word.lower() in words and place > 0]
    if not places:
        return call.text.strip(), "", ""
    at = places[-1]
    if len(call.args) > at + 2:
        raise call.wrong("After the role there is at most an account.")
    return " ".join(call.args[:at]), call.args[at].lower(), " ".join(call.args[at + 1 :])


def _offer(call: Call, asked: str, wanted: str, person: str) -> Screen:
    """The roles as buttons. A word that was meant as a role may have become part of the name: it is shown."""
    rows: list[tuple[Button, ...]] = [(Act(label, wanted, (*person.split(), label)),) for label in _ROLES]
    return framed(call, ("People",), html.text(html.bold(asked)), here=("users",), buttons=rows, back=_USERS)
