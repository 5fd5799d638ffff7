"""The yes to real money."""

from __future__ import annotations

from collections.abc import Collection

from bot import html
from bot.bound import bound, token_of, typed
from bot.command import Call, Question, command
from bot.figures import money
from bot.framing import notice
from bot.outcomes import outcome
from bot.screen import Nav, Screen
from core.access.roles import Permission
from core.errors import UserError
from core.views import LiveView

_AFTER = (Nav("📊 Status", "status"), Nav("🩺 Brokers", "brokers"))
_MOST = 8


async def _its_account(call: Call) -> Collection[str] | None:
    try:
        return (call.service.live_preview(call.actor, _account(call)).account,)
    except UserError:
        return None


async def _is_waiting(call: Call) -> bool:
    """Whether there is anything to confirm: only then a code is asked."""
    try:
        return call.service.live_preview(call.actor, _account(call)).waits
    except UserError:
        return False


def _view(call: Call) -> LiveView | None:
    """What a yes would let trade. To /golive alone "nothing" is an answer; an account that is named must be one."""
    try:
        return call.service.live_preview(call.actor, _account(call))
    except UserError:
        if _account(call):
            raise
        return None


async def _ask(call: Call) -> Question | None:
    view = _view(call)
    if view is None or not view.waits:
        return None
    text = html.lines(
        html.text("💰 ", html.bold(f"Let {view.account} trade REAL MONEY?")),
        html.text("Broker: ", html.bold(view.broker), f" ({view.identity})"),
        html.text(f"Equity: {money(view.equity, view.currency)} · positions: {view.positions}"),
        html.text("Strategies there: ", ", ".join(view.strategies[:_MOST]) or "none"),
        "Orders are real from then on. With another key or mode you are asked again.",
    )
    args = (view.account, bound(view.token))
    return Question(text, "💰 Yes, trade real money", fingerprint=view.token, args=args)


@command(
    "golive",
    "Let an account trade real money",
    permission=Permission.ADMINISTER,
    usage="[ACCOUNT]",
    takes=2,
    ask=_ask,
    trace=("golive",),
    accounts=_its_account,
    step_up=_is_waiting,
    approval="live",
)
async def golive(call: Call) -> Screen:
    """Confirm exactly what was shown."""
    token = token_of(call.args)
    if not token:
        try:
            return _confirmed(call.service.live_preview(call.actor, _account(call)))
        except UserError as error:
            return notice(html.text(str(error)), _AFTER, toast="Nothing to confirm")
    return outcome(await call.service.go_live(call.actor, _account(call), token), *_AFTER)


def _account(call: Call) -> str:
    return next(iter(typed(call.args)), "")


def _confirmed(view: LiveView) -> Screen:
    text = html.text(f"{view.account} is confirmed on {view.identity}: there is nothing to do.")
    return notice(text, _AFTER, toast="Confirmed already")
