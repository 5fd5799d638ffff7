"""How a position is protected, shown and said by hand."""

from __future__ import annotations

from collections.abc import Collection

from bot import html
from bot.accounts import seen
from bot.command import Call, Question, command
from bot.figures import clip, price, quantity
from bot.framing import framed, grid
from bot.html import Html
from bot.order_help import EXIT_WORDS
from bot.outcomes import outcome
from bot.screen import Act, Nav, Screen
from core.access.roles import Permission
from core.errors import UserError
from core.views import ExitsView

_WORDS = {"stop", "target", "trail", "trailing", "bars", "hours", "none", "with", "sl", "tp", "stop-loss", "stoploss"}
_MOST = 20
_PRESETS = (
    ("🛡 Stop 2 %", ("stop", "2%")),
    ("🛡 Stop 5 %", ("stop", "5%")),
    ("🛡 2 % / 🎯 4 %", ("stop", "2%", "target", "4%")),
    ("🛡 Trail 3 %", ("trail", "3%")),
)


def _split(call: Call) -> tuple[str, str, tuple[str, ...]]:
    """Whose, which symbol, and the exits: `trend-aapl AAPL stop 95`. Raises `UserError`."""
    place = next((at for at, word in enumerate(call.args) if word.lower() in _WORDS), len(call.args))
    names, words = call.args[:place], call.args[place:]
    if not names or len(names) > 2:
        raise call.wrong("Whose position, and which symbol?")
    return (names[0] if len(names) == 2 else ""), names[-1], words[1:] if words[:1] == ("with",) else words


async def _account(call: Call) -> Collection[str] | None:
    try:
        strategy, symbol, _ = _split(call)
        return {(await call.service.exits_of(strategy, symbol, call.actor)).account}
    except UserError:
        return None


async def _ask(call: Call) -> Question | None:
    """Taking protection away asks first."""
    if not call.args or call.args[-1].lower() != "none":
        return None
    strategy, symbol, _ = _split(call)
    view = await call.service.exits_of(strategy, symbol, call.actor)
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
    strategy, symbol, words = _split(call)
    if not words:
        return _shown(call, await call.service.exits_of(strategy, symbol, call.actor))
    return outcome(await call.service.set_exits(strategy, symbol, words, call.actor), Nav("📦 Positions", "positions"))


async def _which(call: Call) -> Screen:
    """Every position, as buttons."""
    rows = await call.service.positions(accounts=seen(call))
    held = [(name, row.symbol) for row in rows for name in row.by_strategy]
    chosen = [Act(f"🛡 {clip(symbol, 12)} · {clip(name, 16)}", "exits", (name, symbol)) for name, symbol in held[:_MOST]]
    text = (
        html.bold("The exits of which position?")
        if held
        else html.text("Nothing is held: there is nothing to protect.")
    )
    trail, back = ("Positions", "Exits"), Nav("Positions", "positions")
    return framed(call, trail, text, here=("positions",), back=back, buttons=grid(chosen, 1))


def _shown(call: Call, view: ExitsView) -> Screen:
    own = (view.strategy, view.symbol)
    body = html.lines(
        html.text(
            html.bold(f"{quantity(view.quantity)} {view.symbol}"),
            f" of {view.strategy} @ {price(view.entry)}, now {price(view.price)}",
        ),
        _held(view),
        "In % of the entry price, or at a price of your own:",
        html.code(f"/exits {view.strategy} {view.symbol} stop 95 target 110"),
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
    return html.text("🛡 ", levels or view.exits.wanted, f" · held by {view.exits.holder}")
