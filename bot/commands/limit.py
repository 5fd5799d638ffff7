"""Changing a limit."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation

from bot import html
from bot.accounts import seen
from bot.bound import bound, token_of, typed
from bot.command import Call, Question, command
from bot.framing import framed, grid
from bot.outcomes import outcome
from bot.screen import Act, Nav, Screen
from core.access.roles import Permission
from core.errors import UnknownName
from core.rows import limit_title
from core.views import LimitEdit
from risk.limits import RiskLimits

_LIMITS = Nav("Limits", "limits")
_STEPS = (Decimal("0.5"), Decimal("0.75"), Decimal("0.9"), Decimal("1.1"), Decimal("1.5"), Decimal(2))


def _words(call: Call) -> tuple[str, str, str]:
    """The limit, its new value, and the account, if one is said."""
    words = typed(call.args)
    if len(words) < 2:
        raise call.wrong("Which limit, and what shall it be? /limits lists them; the settings have their full names.")
    return words[0].lower(), words[1], words[2] if len(words) > 2 else ""


def _is_whole(call: Call) -> bool:
    """Whether a limit and a value are named; before that only lists are offered."""
    return len(typed(call.args)) > 1


def _change(call: Call) -> LimitEdit:
    name, value, account = _words(call)
    return call.service.limit_change(name, value, call.actor, account)


async def _its_account(call: Call) -> Collection[str] | None:
    return (_change(call).account,) if _is_whole(call) else None


async def _loosens(call: Call) -> bool:
    """Tightening is the cheap direction: nothing but a yes is needed."""
    return _is_whole(call) and _change(call).loosens


async def _ask(call: Call) -> Question | None:
    if not _is_whole(call):
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
    return Question(text, "📏 Yes, change it", args=(*typed(call.args), bound(change.token)))


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
    if not _is_whole(call):
        return _values(call) if call.args else _limits(call)
    name, value, account = _words(call)
    result = await call.service.set_limit(name, value, call.actor, account, token_of(call.args))
    return outcome(result, Nav("📏 Limits", "limits"))


def _limits(call: Call) -> Screen:
    """Every limit, as buttons; what it is now is told with the next step."""
    chosen = [Act(limit_title(each)[:30], "limit", (each,)) for each in RiskLimits.model_fields]
    return framed(
        call, ("Risk", "Limits", "Change"), "Change which limit?", here=("limits",), back=_LIMITS, buttons=grid(chosen)
    )


def _values(call: Call) -> Screen:
    """Stricter and looser values of one limit, and how to write any other."""
    own = call.args[0].lower()
    if own not in RiskLimits.model_fields:
        raise UnknownName("limit", own, RiskLimits.model_fields)
    places = call.service.visible(seen(call)) or ("",)
    chosen = [
        Act(f"{account}: {value}" if account else value, "limit", (own, value, *_known(account)))
        for account in places[:6]
        for value in _near(_now(call, account)[own])
    ]
    body = html.lines(
        html.text(html.bold(limit_title(own)), f": {_told(own, call, places)}"),
        html.text("Another value: ", html.code(f"/limit {own} VALUE{' ACCOUNT' if places[0] else ''}")),
    )
    back = Nav("Limits", "limits")
    return framed(
        call, ("Risk", "Limits", limit_title(own)), body, here=("limits",), back=back, buttons=grid(chosen, 3)
    )


def _told(own: str, call: Call, places: Collection[str]) -> str:
    """`2`, or `main 2, fund 5`."""
    return ", ".join(f"{account} {_now(call, account)[own]}".strip() for account in places)


def _now(call: Call, account: str = "") -> dict[str, str]:
    return call.service.limits_now(call.actor, account)


def _known(account: str) -> tuple[str, ...]:
    return (account,) if account else ()


def _near(now: str) -> list[str]:
    """Some stricter and some looser values, rounded to two digits; none for what is not checked at all."""
    try:
        value = Decimal(now)
    except InvalidOperation:
        return []
    whole = "." not in now and value >= 2
    found = (value * step for step in _STEPS)
    rounded = (
        each.quantize(Decimal(1).scaleb(max(each.adjusted() - 1, 0) if whole else each.adjusted() - 1))
        for each in found
    )
    shown = (f"{each:f}" if "." not in f"{each:f}" else f"{each:f}".rstrip("0").rstrip(".") for each in rounded)
    return [each for each in dict.fromkeys(shown) if Decimal(each) not in (value, 0)]
