"""How a position is protected, shown and said by hand."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from bot import html
from bot.accounts import inside, seen
from bot.command import Call, Question, command
from bot.commands.trading import HOLDERS
from bot.figures import clip, price, quantity
from bot.framing import framed, grid
from bot.html import Html
from bot.order_help import EXIT_WORDS
from bot.outcomes import outcome
from bot.picking import pick_account
from bot.screen import Act, Nav, Screen
from core.access.roles import Permission
from core.errors import UserError
from core.trading.by_hand.intents import SeveralAccounts
from core.views import ExitsView, PositionRow

_WORDS = {"stop", "target", "trail", "trailing", "bars", "hours", "none", "with", "sl", "tp", "stop-loss", "stoploss"}
_MOST = 20
_PRESETS = (
    ("🛡 Stop 2 %", ("stop", "2%")),
    ("🛡 Stop 5 %", ("stop", "5%")),
    ("🛡 2 % / 🎯 4 %", ("stop", "2%", "target", "4%")),
    ("🛡 Trail 3 %", ("trail", "3%")),
)


class _Meant(NamedTuple):
    """Whose exits of which symbol, the words of new ones, and in which account; what is not said is empty."""

    strategy: str
    symbol: str
    words: tuple[str, ...]
    account: str


def _split(call: Call) -> _Meant:
    """`trend-aapl AAPL in main stop 95`, the account anywhere behind the symbol. Raises `UserError`."""
    args, account = _without_account(call)
    place = next((at for at, word in enumerate(args) if word.lower() in _WORDS), len(args))
    names, words = args[:place], args[place:]
    if not names or len(names) > 2:
        raise call.wrong("Whose position, and which symbol?")
    words = words[1:] if words[:1] == ("with",) else words
    return _Meant(names[0] if len(names) == 2 else "", names[-1], words, account)


def _without_account(call: Call) -> tuple[tuple[str, ...], str]:
    """The words besides `in ACCOUNT`, and the account."""
    place = next((at for at, word in enumerate(call.args) if at and word.lower() == "in"), None)
    if place is None:
        return call.args, ""
    if place + 1 == len(call.args):
        raise call.wrong("After “in” an account is missing.")
    return (*call.args[:place], *call.args[place + 2 :]), call.args[place + 1].lower()


async def _account(call: Call) -> Collection[str] | None:
    try:
        return {(await _now(call)).account}
    except UserError:
        return None


async def _ask(call: Call) -> Question | None:
    """Taking protection away asks first."""
    if not call.args or [word.lower() for word in _split(call).words] != ["none"]:
        return None
    view = await _now(call)
    text = html.lines(
        html.text("⚠️ ", html.bold(f"Take the exits of {view.strategy} in {view.symbol} away?")),
        f"{quantity(view.quantity)} {view.symbol} will have no stop and no target until it is flat.",
    )
    return Question(text, "Yes, no exits")


@command(
    "exits",
    "See or set the stop and target of a position",
    permission=Permission.TRADE,
    usage="[STRATEGY] SYMBOL [stop P] [target P] [trail D]",
    takes=None,
    ask=_ask,
    trace=("protect",),
    accounts=_account,
    details=EXIT_WORDS,
)
async def exits(call: Call) -> Screen:
    """Without exits: how it is protected now, and what can be said. `none` takes them away."""
    if not call.args:
        return await _which(call)
    try:
        meant = _split(call)
        if not meant.words:
            return _shown(call, await _now(call))
        done = await call.service.set_exits(meant.strategy, meant.symbol, meant.words, call.actor, meant.account)
    except SeveralAccounts as several:
        return pick_account(call, several.accounts, "Positions", "positions")
    return outcome(done, Nav("📦 Positions", "positions"))


async def _now(call: Call) -> ExitsView:
    """The position that is meant, and how it is protected."""
    meant = _split(call)
    return await call.service.exits_of(meant.strategy, meant.symbol, call.actor, meant.account)


async def _which(call: Call) -> Screen:
    """Every position, as buttons."""
    rows = await call.service.positions(accounts=seen(call))
    held = [(name, row) for row in rows for name in row.by_strategy]
    chosen = [
        Act(f"🛡 {' · '.join(_named(name, row))}", "exits", (name, row.symbol, *inside(row.account)))
        for name, row in held[:_MOST]
    ]
    text = (
        html.bold("The exits of which position?")
        if held
        else html.text("Nothing is held: there is nothing to protect.")
    )
    trail, back = ("Positions", "Exits"), Nav("Positions", "positions")
    return framed(call, trail, text, here=("positions",), back=back, buttons=grid(chosen, 1))


def _named(strategy: str, row: PositionRow) -> list[str]:
    return [each for each in (clip(row.symbol, 18), clip(strategy, 16), row.account) if each]


def _shown(call: Call, view: ExitsView) -> Screen:
    own = (view.strategy, view.symbol, *inside(view.account if call.service.visible(seen(call)) else ""))
    body = html.lines(
        html.text(
            html.bold(f"{quantity(view.quantity)} {view.symbol}"),
            f" of {view.strategy} @ {price(view.entry)}, now {price(view.price)}",
        ),
        _held(view),
        "In % of the entry price, or at a price of your own:",
        html.code(f"/exits {' '.join(own)} stop 95 target 110"),
    )
    buttons = [Act(label, "exits", (*own, *words)) for label, words in _PRESETS]
    none = (Act("No exits…", "exits", (*own, "none")),) if view.exits else ()
    trail, back = ("Positions", view.symbol, "Exits"), Nav("Positions", "positions")
    return framed(call, trail, body, here=("positions",), back=back, buttons=(*grid(buttons), none))


def _held(view: ExitsView) -> Html:
    """The levels and who holds them."""
    if view.exits is None:
        return html.text("⚠️ No exits: nothing protects it.")
    prices = (("stop", view.exits.stop), ("target", view.exits.target))
    levels = " · ".join(f"{label} {price(at)}" for label, at in prices if at is not None)
    return html.text("🛡 ", levels or view.exits.wanted, f" · {HOLDERS[view.exits.holder]}")
