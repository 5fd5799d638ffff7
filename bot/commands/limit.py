"""Changing a limit."""

from __future__ import annotations

from collections.abc import Collection

from bot import html
from bot.command import Call, Question, command
from bot.outcomes import outcome
from bot.screen import Nav, Screen
from core.access.roles import Permission
from core.views import LimitEdit

_BOUND = "="  # begins what the question adds: the value that was shown


def _words(call: Call) -> tuple[str, str, str]:
    """The limit, its new value, and the account, if one is said."""
    words = [each for each in call.args if not each.startswith(_BOUND)]
    if len(words) < 2:
        raise call.wrong("Which limit, and what shall it be? /limits lists them; the settings have their full names.")
    return words[0].lower(), words[1], words[2] if len(words) > 2 else ""


def _change(call: Call) -> LimitEdit:
    name, value, account = _words(call)
    return call.service.limit_change(name, value, call.actor, account)


async def _its_account(call: Call) -> Collection[str] | None:
    return (_change(call).account,) if call.args else None


async def _loosens(call: Call) -> bool:
    """Tightening is the cheap direction: nothing but a yes is needed."""
    return bool(call.args) and _change(call).loosens


async def _ask(call: Call) -> Question | None:
    if not call.args:
        return None
    change = _change(call)
    text = html.lines(
        html.text("📏 ", html.bold(f"Change a limit of {change.account}?")),
        html.text(f"{change.title}: {change.before} → ", html.bold(change.after)),
        html.text("🔓 This lets more risk through.")
        if change.loosens
        else html.text("🔒 This is stricter or the same."),
        "It counts at once, and after a restart.",
    )
    token = _BOUND + change.token
    return Question(text, "📏 Yes, change it", args=(*_given(call), token))


def _given(call: Call) -> tuple[str, ...]:
    return tuple(each for each in call.args if not each.startswith(_BOUND))


@command(
    "limit",
    "Change a limit",
    permission=Permission.LIMITS,
    usage="NAME VALUE [ACCOUNT]",
    takes=4,
    ask=_ask,
    trace=("limit",),
    accounts=_its_account,
    step_up=_loosens,
    approval="limits",
)
async def limit(call: Call) -> Screen:
    """Set it to what was asked, if it still is what was shown."""
    name, value, account = _words(call)
    seen = next((each for each in call.args if each.startswith(_BOUND)), "").removeprefix(_BOUND)
    result = await call.service.set_limit(name, value, call.actor, account, seen)
    return outcome(result, Nav("📏 Limits", "limits"))
