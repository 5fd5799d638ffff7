"""Trading by hand: buy, sell and close, in one line or step by step, always with a preview."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bot import html
from bot.arguments import page_number
from bot.command import Call, Question, command
from bot.commands.orders import order_screen
from bot.figures import quantity
from bot.framing import framed, grid
from bot.notices import CONFIRM_SECONDS
from bot.order_help import CLOSE_WORDS, ORDER_WORDS
from bot.order_steps import (
    choose_exits,
    choose_position,
    choose_price,
    choose_side,
    choose_size,
    choose_symbol,
    choose_time,
    choose_type,
)
from bot.picking import pick_account
from bot.preview import render_preview
from bot.screen import Act, Button, Nav, Screen
from brokers.order import OrderType, TimeInForce
from core.access.roles import Permission
from core.errors import UnknownName, UserError
from core.trading.by_hand.grammar import Missing, read_slip, slip_words
from core.trading.by_hand.intents import Several, SeveralAccounts
from core.trading.by_hand.slip import Slip, Verb
from core.trading.spelling import spelt
from core.views import OrderPreview, Tradable
from risk.view import TradingState

_FORM = "SYMBOL SIZE [limit P] [stop P] [take P] [trail D] [gtc|ioc|fok] [with EXITS]"
_VERBS = {each.value: each for each in Verb}


# --- where: for the check of the role --------------------------------------------------------------


async def _account(call: Call) -> Collection[str] | None:
    """The account of the order that is previewed; None while it is not known which."""
    return _found(call, Verb(call.command.name), call.args)


async def _account_to_place(call: Call) -> Collection[str] | None:
    """The same for an order that is confirmed."""
    return _found(call, _verb(call), call.args[2:])


def _found(call: Call, verb: Verb, words: tuple[str, ...]) -> Collection[str] | None:
    try:
        return {call.service.account_to_trade(verb, words, call.actor)}
    except UserError:
        return None  # the answer will say what is missing; nothing is touched


async def _nothing_yet(_call: Call) -> Collection[str] | None:
    """Only lists to pick from."""
    return None


# --- commands --------------------------------------------------------------------------------------


@command(
    "trade",
    "Buy or sell by hand, step by step",
    permission=Permission.TRADE,
    usage="[buy|sell] [PAGE]",
    takes=2,
    changes=False,
    accounts=_nothing_yet,
)
async def trade(call: Call) -> Screen:
    """Side, then symbol; `/buy` and `/sell` go on from there."""
    if not call.args:
        return choose_side(call)
    verb = _VERBS.get(call.args[0].lower())
    if verb is None:
        raise call.wrong(f"“{call.args[0][:20]}” is neither buy nor sell.")
    rows = await call.service.tradables(call.actor)
    return choose_position(call, rows) if verb is Verb.CLOSE else choose_symbol(call, verb, rows, page_number(call, 1))


@command(
    "buy", "Buy by hand, with a preview", permission=Permission.TRADE, usage=_FORM, takes=None, changes=False,
    accounts=_account,
    details=ORDER_WORDS,
)  # fmt: skip
async def buy(call: Call) -> Screen:
    """What it would cost and do; the button places just that."""
    return await _previewed(call, Verb.BUY)


@command(
    "sell", "Sell by hand, with a preview", permission=Permission.TRADE, usage=_FORM, takes=None, changes=False,
    accounts=_account,
    details=ORDER_WORDS,
)  # fmt: skip
async def sell(call: Call) -> Screen:
    """The same on the other side."""
    return await _previewed(call, Verb.SELL)


@command(
    "close", "Close a position by hand, or a part", permission=Permission.TRADE,
    usage="[SYMBOL] [STRATEGY] [half|25%|UNITS]", takes=None, changes=False, accounts=_account,
    details=CLOSE_WORDS,
)  # fmt: skip
async def close(call: Call) -> Screen:
    """One's own position or a strategy's."""
    if not call.args:
        return choose_position(call, await call.service.tradables(call.actor))
    return await _previewed(call, Verb.CLOSE)


@command(
    "step", "Change one thing of an order that is being made", permission=Permission.TRADE,
    usage="type|price|exits|time …", takes=None, changes=False, hidden=True, accounts=_nothing_yet,
)  # fmt: skip
async def step(call: Call) -> Screen:
    """A question of the guided way: only its buttons lead here."""
    what, *rest = call.args or ("",)
    kind = rest.pop(0) if what == "price" and rest else ""
    verb = _VERBS.get(rest[0] if rest else "")
    if verb is None or what not in ("type", "price", "exits", "time"):
        raise UserError("That step is not known. Begin with /trade.")
    words = tuple(rest[1:])
    slip = read_slip(verb, words)
    if what == "type":
        return choose_type(call, verb, words, slip_words(_without_price(slip)))
    if what == "price":
        return choose_price(call, verb, words, kind, await _tradable(call, slip.symbol))
    if what == "exits":
        return choose_exits(call, verb, words, slip_words(replace(slip, exits=None)))
    bare = replace(slip, time_in_force=TimeInForce.DAY, expires_at=None)
    return choose_time(call, verb, words, slip_words(bare))


def _without_price(slip: Slip) -> Slip:
    return replace(
        slip, type=OrderType.MARKET, limit_price=None, stop_price=None, trail=None, trail_percent=None, post_only=False
    )


async def _ask_place(call: Call) -> Question | None:
    """Whoever types it sees the preview first: only its button confirms."""
    verb = _verb(call)
    view = await call.service.preview_order(verb, call.args[2:], call.actor)
    return Question(render_preview(view, call), _yes(view), args=(verb.value, view.seen, *view.words))


@command(
    "place", "Place an order that was previewed", permission=Permission.TRADE, usage="buy|sell|close SEEN ORDER",
    takes=None, hidden=True, ask=_ask_place, trace=("manual order",), accounts=_account_to_place,
)  # fmt: skip
async def place(call: Call) -> Screen:
    """Just what was shown, if it is still so; else it is shown anew."""
    placed = await call.service.place_order(_verb(call), call.args[2:], call.args[1], call.actor)
    if placed.preview is not None:
        screen = preview_screen(call, placed.preview)
        return replace(screen, toast=f"Not sent: {placed.preview.changed}"[:180], alert=True)
    told = placed.told or "✅ The order is on its way"
    return replace(await order_screen(call, placed.order), toast=told[:180], alert=told.startswith("🔴"))


def _verb(call: Call) -> Verb:
    if len(call.args) < 3 or call.args[0] not in _VERBS:
        raise UserError("Orders are placed from a preview: /trade, /buy or /sell.")
    return _VERBS[call.args[0]]


# --- screens ---------------------------------------------------------------------------------------


async def _previewed(call: Call, verb: Verb) -> Screen:
    """The preview, or the question for what is missing."""
    try:
        return preview_screen(call, await call.service.preview_order(verb, call.args, call.actor))
    except Missing as missing:
        if missing.what == "symbol":
            return choose_symbol(call, verb, await call.service.tradables(call.actor), 1)
        return choose_size(call, verb, await _tradable(call, call.args[0]), call.args[1:])
    except Several as several:
        return _whose(call, several)
    except SeveralAccounts as several:
        return pick_account(call, several.accounts, "Trade", "trade")
    except UnknownName as unknown:
        return _did_you_mean(call, unknown)
    except UserError as error:
        raise call.wrong(str(error)) from error


async def _tradable(call: Call, symbol: str) -> Tradable:
    rows = await call.service.tradables(call.actor)
    by_symbol = {row.symbol: row for row in rows}
    if (meant := spelt(symbol, by_symbol)) is None:
        raise UnknownName("symbol", symbol, by_symbol)
    return by_symbol[meant]


def _whose(call: Call, several: Several) -> Screen:
    rest = call.args[1:]
    buttons = [
        Nav(f"{name}: {quantity(units)}", "close", (several.symbol, name, *rest))
        for name, units in several.holders.items()
    ]
    trail = ("Trade", "✖ Close", several.symbol)
    text = "Whose position? Several hold some."
    return framed(call, trail, text, here=("close", *call.args), buttons=grid(buttons))


def _did_you_mean(call: Call, unknown: UnknownName) -> Screen:
    """The same words with another symbol, a press away."""
    if unknown.kind != "symbol" or not unknown.suggestions:
        raise call.wrong(str(unknown)) from unknown
    places = [place for place, word in enumerate(call.args) if word.upper() == unknown.name.upper()] or [0]
    buttons = [
        Nav(each, call.command.name, tuple(each if at in places[:1] else word for at, word in enumerate(call.args)))
        for each in unknown.suggestions
    ]
    return framed(call, ("Trade",), str(unknown), here=("trade",), buttons=grid(buttons))


def preview_screen(call: Call, view: OrderPreview) -> Screen:
    """The preview with its confirmation, and what can be changed of it."""
    hint = html.italic(f"The button is good for {CONFIRM_SECONDS} seconds, one press, and just this order.")
    here = (view.verb, *view.words)
    buttons = (_confirm(view), *_tuning(view), (Nav("✖ No, leave it", "menu"),))
    body = html.lines(render_preview(view, call), hint if not view.code else html.EMPTY)
    return framed(call, ("Trade", view.symbol), body, here=here, back=Nav("Trade", "trade"), buttons=buttons)


def _confirm(view: OrderPreview) -> tuple[Button, ...]:
    """Yes; or the largest size that passes; or nothing."""
    if not view.code:
        return (Act(_yes(view), "place", (view.verb, view.seen, *view.words), confirms=True),)
    if view.largest_words and view.state is not TradingState.HALTED:
        return (Nav(f"↘️ Use {quantity(view.largest)} instead", view.verb, view.largest_words),)
    return ()


def _yes(view: OrderPreview) -> str:
    return f"✅ {view.side.value.capitalize()} {quantity(view.quantity)} {view.symbol}"[:60]


def _tuning(view: OrderPreview) -> tuple[tuple[Button, ...], ...]:
    order = (view.verb, *view.words)
    if view.verb == Verb.CLOSE.value:
        own = (view.symbol, view.owner)
        parts = (("All", "all"), ("Half", "half"), ("Quarter", "25%"))
        return (tuple(Nav(label, "close", (*own, word)) for label, word in parts),)
    return (
        (Nav("🏷 Type", "step", ("type", *order)), Nav("⏳ How long", "step", ("time", *order))),
        (Nav("🛡 Exits", "step", ("exits", *order)), Nav("🔢 Size", view.verb, (view.symbol,))),
    )
