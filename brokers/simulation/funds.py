"""Equity, exposure and what they still allow.

::

    equity       = cash + Σ quantity x mark x multiplier
    exposure     = Σ per symbol of the larger of what we hold if all working buys fill, or all sells
    buying power = equity x leverage - exposure

Orders count at their reserve price (the limit, else the stop, else the touch with slippage) and with the
higher of the two fees; reduce-only orders do not count. With leverage 1 and no shorting, buying power is
the cash that open buys leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Side
from brokers.simulation.fees import Fees
from brokers.simulation.matching import Match
from brokers.simulation.state import BookOrder, Draft, Holding
from brokers.simulation.terms import Terms


def equity(draft: Draft) -> Decimal:
    """Cash and the marked value of all holdings."""
    return draft.cash + sum((_value(h, draft.mark(h)) for h in draft.all_holdings().values()), ZERO)


def held_exposure(draft: Draft) -> Decimal:
    """Gross value of all holdings, without orders."""
    return sum((abs(_value(h, draft.mark(h))) for h in draft.all_holdings().values()), ZERO)


def exposure(draft: Draft, fees: Fees, orders: Iterable[BookOrder]) -> Decimal:
    """Gross value that the account comes to if `orders` fill in the worst way."""
    by_instrument: dict[str, list[BookOrder]] = {symbol: [] for symbol in draft.all_holdings()}
    for order in orders:
        if not order.request.reduce_only:
            by_instrument.setdefault(order.symbol, []).append(order)
    return sum((_worst(draft, fees, symbol, group) for symbol, group in by_instrument.items()), ZERO)


def locked(terms: Terms, orders: Iterable[BookOrder]) -> Decimal:
    """Cash that open buys hold back."""
    buys = (o for o in orders if o.request.side is Side.BUY and not o.request.reduce_only)
    return sum((_cost(terms.fees, order) for order in buys), ZERO) / terms.leverage


def affordable(draft: Draft, terms: Terms, order: BookOrder, found: Match) -> Decimal:
    """The most units of `order` that may fill as `found`: all that close, and what the equity carries.

    This holds at every fill, so that an account without leverage never has negative cash, however far the
    price moved between the order and its fill.
    """
    instrument, fees = order.request.instrument, terms.fees
    holding = draft.holding(instrument)
    mark, closing = draft.mark(holding), closable(draft, instrument, order.request.side)
    loss = order.request.side.sign * (found.price - mark)
    room = equity(draft) * terms.leverage - held_exposure(draft)
    room += closing * (mark - loss * terms.leverage) * instrument.multiplier
    unit = (mark + loss * terms.leverage) * instrument.multiplier
    fee = max(fees.due(instrument.notional(Decimal(1), found.price), found.liquidity), ZERO) * terms.leverage
    if unit <= 0:
        return order.remaining
    by_minimum = (room - max(fees.minimum - order.fees, ZERO) * terms.leverage) / unit
    by_rate = (room - closing * fee) / (unit + fee)
    opening = instrument.floor_quantity(max(min(by_minimum, by_rate), ZERO))
    due = order.fees_due + fees.due(instrument.notional(closing + opening, found.price), found.liquidity)
    if opening * unit + fees.charge(due, order.fees) * terms.leverage > room:  # the fee was rounded up
        opening = max(opening - instrument.lot, ZERO)
    return closing + opening


def _value(holding: Holding, price: Decimal) -> Decimal:
    return holding.quantity * price * holding.instrument.multiplier


def _cost(fees: Fees, order: BookOrder) -> Decimal:
    notional = order.request.instrument.notional(order.remaining, order.reserve)
    return notional + max(notional * fees.highest, fees.minimum - order.fees)


def _worst(draft: Draft, fees: Fees, symbol: str, orders: list[BookOrder]) -> Decimal:
    holding = draft.all_holdings().get(symbol) or Holding(orders[0].request.instrument)
    held, mark = holding.quantity, abs(_value(holding, draft.mark(holding)))
    buys = [order for order in orders if order.request.side is Side.BUY]
    sells = [order for order in orders if order.request.side is Side.SELL]
    long = (mark if held > 0 else ZERO) + _opening(fees, buys, closing=max(-held, ZERO))
    short = (mark if held < 0 else ZERO) + _opening(fees, sells, closing=max(held, ZERO))
    return max(long, short)


def _opening(fees: Fees, orders: list[BookOrder], *, closing: Decimal) -> Decimal:
    """The cost of the part of `orders` that goes beyond closing `closing` units."""
    quantity = sum((order.remaining for order in orders), ZERO)
    if quantity <= closing:
        return ZERO
    cost = sum((_cost(fees, order) for order in orders), ZERO)
    return cost * (quantity - closing) / quantity


def closable(draft: Draft, instrument: Instrument, side: Side) -> Decimal:
    """How many units an order of `side` can close of the holding."""
    return max(-draft.holding(instrument).quantity * side.sign, ZERO)
