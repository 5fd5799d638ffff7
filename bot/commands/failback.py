"""The way back from the account that stands by for another."""

from __future__ import annotations

from collections.abc import Collection

from bot import html
from bot.bound import bound, token_of, typed
from bot.command import Call, Question, command
from bot.figures import age
from bot.framing import notice
from bot.outcomes import outcome
from bot.screen import Nav, Screen
from core.access.roles import Permission
from core.errors import UserError
from core.views import AwayRow

_AFTER = (Nav("🩺 Brokers", "brokers"), Nav("🧠 Strategies", "strategies"))
_MOST = 8


async def _its_accounts(call: Call) -> Collection[str] | None:
    try:
        rows = call.service.failback_preview(call.actor, _strategy(call)).rows
    except UserError:
        return None
    return sorted({account for row in rows for account in (row.home, row.account)}) or None


async def _ask(call: Call) -> Question | None:
    view = call.service.failback_preview(call.actor, _strategy(call))
    if not view.rows:
        return None
    more = len(view.rows) - _MOST
    text = html.lines(
        html.text("↩️ ", html.bold("Bring strategies back to their own accounts?")),
        *(html.text(_line(row, call)) for row in view.rows[:_MOST]),
        f"and {more} more" if more > 0 else "",
        "Both accounts are compared with their venues first. Who is not flat in both stays where it is.",
    )
    args = (*typed(call.args), bound(view.token))
    return Question(text, "↩️ Yes, bring them back", fingerprint=view.token, args=args)


@command(
    "failback",
    "Bring strategies back from a standby account",
    permission=Permission.ADMINISTER,
    usage="[STRATEGY]",
    takes=2,
    ask=_ask,
    trace=("failback",),
    accounts=_its_accounts,
)
async def failback(call: Call) -> Screen:
    """Bring back exactly who was shown."""
    token = token_of(call.args)
    if not token:
        return notice(html.text("Every strategy trades in its own account."), _AFTER, toast="Nothing to bring back")
    return outcome(await call.service.fail_back(call.actor, _strategy(call), token), *_AFTER)


def _strategy(call: Call) -> str:
    return next(iter(typed(call.args)), "")


def _line(row: AwayRow, call: Call) -> str:
    return f"{row.strategy[:40]}: from {row.account[:40]} to {row.home[:40]}, moved {age(row.at, call.now)}"
