"""How an order by hand looks before it is sent: what it is, costs and does, and what the gate says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from bot import html, states
from bot.command import Call
from bot.figures import UNKNOWN, bar, clip, money, percent, price, quantity, ratio, span, table, until
from bot.html import Html
from bot.states import SIDES, money_word
from brokers.order import Side
from core.views import LimitChange, OrderPreview
from risk.view import TradingState

_BASIS = {
    "book": "Price from the order book.",
    "shallow": "Price from an order book that is too shallow.",
    "quote": "Price by the quote: no order book.",
    "own": "Fills at its own price, once that is reached.",
    "nothing": "No price is known.",
}
_TRIGGERED = "Goes to market once its trigger is reached: it may fill at a worse price."
_TRIGGERED_LIMIT = "A limit order once its trigger is reached: it may stay unfilled."
_TRAILS = "The trigger follows the market. Once reached, it goes to market: it may fill at a worse price."
_OLD_SECONDS = 10
_SHORT = 14  # figures that leave room for the names of the others in the same table
_MOST_NOTES = 6
_CELLS = 5  # of a bar: names of limits are whole beside it


def render_preview(view: OrderPreview, call: Call) -> Html:
    """The order first, then its cost, then what it changes, then the verdict."""
    return html.lines(
        html.text("🔁 ", html.bold("Look again: "), html.bold(view.changed)) if view.changed else html.EMPTY,
        html.text(f"{SIDES[view.side]} ", html.bold(f"{quantity(view.quantity)} {view.symbol}"), " ", terms_of(view)),
        html.text(_manner(view, call)),
        html.text("🛡 with ", view.exits) if view.exits else html.EMPTY,
        html.text(
            " ".join(money_word(simulated=view.simulated, mode=view.mode)), f" · {view.account} · for {view.owner}"
        ),
        "",
        table(_cost(view)),
        html.italic(" ".join(said for said in (_basis(view), _market(view)) if said)),
        table(_positions(view), head=("", "now", "after")),
        _limits(view),
        *(html.text("▫️ ", note) for note in view.notes[:_MOST_NOTES]),
        verdict_line(view),
    )


def terms_of(view: OrderPreview) -> str:
    """`at market`, `limit 98.50`, `stop 105.00 limit 106.00`, `trailing 2 %`."""
    parts: list[str] = []
    if view.stop_price is not None:
        parts.append(f"{'take profit' if view.type.takes_profit else 'stop'} {price(view.stop_price)}")
    if view.limit_price is not None:
        parts.append(f"limit {price(view.limit_price)}")
    if view.trail is not None:
        parts.append(f"trailing by {price(view.trail)}")
    if view.trail_percent is not None:
        parts.append(f"trailing by {quantity(view.trail_percent)} %")
    return " ".join(parts) or "at market"


def _basis(view: OrderPreview) -> str:
    """What the price rests on; of an order that waits for a trigger, what happens then."""
    if view.type.is_trailing:
        return _TRAILS
    if view.type.is_conditional:
        return _TRIGGERED_LIMIT if view.type.has_limit else _TRIGGERED
    return _BASIS[view.basis]


def _manner(view: OrderPreview, call: Call) -> str:
    ends = "" if view.expires_at is None else f" {until(view.expires_at, call.time_zone)}"
    flags = [word for word, on in (("post-only", view.post_only), ("reduce-only", view.reduce_only)) if on]
    how = {"day": "good for the day", "gtc": "good till cancelled", "gtd": "good", "ioc": "immediate or cancel"}
    return " · ".join([how.get(view.time_in_force, "fill or kill") + ends, *flags])


def _cost(view: OrderPreview) -> Iterator[tuple[str, str]]:
    if view.bid is not None and view.ask is not None:
        bid, ask = price(view.bid), price(view.ask)
        yield from (("Bid / ask", f"{bid} / {ask}"),) if len(bid + ask) <= _SHORT else (("Bid", bid), ("Ask", ask))
    yield from _prices(view)
    if view.worst_price is not None and view.worst_price != view.price:
        yield "Worst part", price(view.worst_price)
    if not (view.type.is_trailing and view.value is None):
        yield "Value", money(view.value, view.currency)
    if view.slippage_bps is not None:
        yield f"Slippage {view.slippage_bps:.1f} bp", money(view.slippage_cost, view.currency)
    yield "Fee", money(view.fee, view.currency) if view.fee is not None else "not told"


def _prices(view: OrderPreview) -> Iterator[tuple[str, str]]:
    """At what it trades: a price, or the trigger that it waits for, and the limit that holds then."""
    if view.type.is_trailing:
        yield "Trigger now", price(_trigger(view))
    elif view.type.is_conditional:
        yield "Trigger", price(view.stop_price)
        yield from (("Limit", price(view.limit_price)),) if view.type.has_limit else ()
    else:
        yield "Price", price(view.price)


def _trigger(view: OrderPreview) -> Decimal | None:
    """Where a trailing stop would begin at this moment."""
    market = view.bid if view.side is Side.SELL else view.ask
    if market is None:
        return None
    distance = view.trail if view.trail is not None else market * (view.trail_percent or Decimal(0)) / 100
    return (market + view.side.sign * distance).quantize(market)


def _market(view: OrderPreview) -> str:
    if view.quote_age is None:
        return "No quote."
    if view.simulated or view.quote_age <= _OLD_SECONDS:  # a replayed price is of its moment, however far that is apart
        return ""
    return f"The quote is {span(timedelta(seconds=view.quote_age))} old."


def _positions(view: OrderPreview) -> Iterator[tuple[str, str, str]]:
    yield clip(view.owner, 12), quantity(view.held), quantity(view.held_after)
    if (view.account_held, view.account_after) != (view.held, view.held_after):
        yield "Account", quantity(view.account_held), quantity(view.account_after)
    yield "Gross", _rounded(view.gross[0]), _rounded(view.gross[1])
    yield "Net", _rounded(view.net[0]), _rounded(view.net[1])
    yield "Leverage", _times(view.leverage[0]), _times(view.leverage[1])


def _rounded(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else f"{amount:,.0f}"


def _times(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{ratio(float(value))}x"


def _limits(view: OrderPreview) -> Html:
    """The fullest limits after it, as bars."""
    rows = [f"{bar(row.fraction_after, _CELLS)} {_from_to(row)} {clip(row.title, 16)}" for row in view.limits]
    return html.pre(rows) if rows else html.EMPTY


def _from_to(row: LimitChange) -> str:
    return f"{percent(row.fraction_before, 0):>4} → {percent(row.fraction_after, 0):>4}"


def verdict_line(view: OrderPreview) -> Html:
    """What the gate would say now."""
    if view.state is TradingState.HALTED and "confirmation" in view.objection:  # no flatten trades there either
        sign = states.TRADING[view.state]
        return html.text(f"{sign} ", html.bold(view.objection), f": an admin sends /golive {view.account}.")
    if view.state is TradingState.HALTED:
        return html.text(
            states.TRADING[view.state], " ", html.bold("Trading is halted: "), "only a flatten closes anything."
        )
    if not view.code:
        return html.text("✅ ", html.bold("The gate would let it pass."))
    largest = f" Largest that passes: {quantity(view.largest)}." if view.largest > 0 else ""
    return html.lines(
        html.text("⛔ ", html.bold(f"The gate says no: {view.code}")), html.text(view.objection, ".", largest)
    )
