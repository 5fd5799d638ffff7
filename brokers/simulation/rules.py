"""What a simulated venue refuses, in the words of the real ones.

::

    UNKNOWN_SYMBOL         no such instrument
    CURRENCY_MISMATCH      priced in another currency than the account
    NOT_SUPPORTED          order type or time in force not offered
    LOT_SIZE               quantity off the lot, or too small
    PRICE_FILTER           price off the tick
    MIN_NOTIONAL           worth too little
    REDUCE_ONLY            would open or increase a holding
    POST_ONLY_WOULD_TAKE   would meet the market
    INVALID_ORDER          contradicts itself
    INSUFFICIENT_POSITION  sells more than is held, at a venue without shorting
    INSUFFICIENT_FUNDS     exceeds the buying power
    NO_PRICE               a market order before the first tick

The venue adds DUPLICATE_ORDER, ORDER_NOT_FOUND, ORDER_CLOSED and QUANTITY_BELOW_FILLED.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.errors import NotSupported, Rejected
from brokers.instrument import Instrument
from brokers.market import Quote
from brokers.money import ZERO, exact
from brokers.order import OrderRequest, Side, TimeInForce
from brokers.simulation import funds
from brokers.simulation.state import BookOrder, Draft
from brokers.simulation.terms import Terms


def listed(instruments: Mapping[str, Instrument], symbol: str) -> Instrument:
    """The venue's own instrument of that symbol. Raises `Rejected("UNKNOWN_SYMBOL")`."""
    instrument = instruments.get(symbol)
    if instrument is None:
        raise Rejected("UNKNOWN_SYMBOL", f"this venue does not trade {symbol!r}")
    return instrument


def check_offered(terms: Terms, request: OrderRequest) -> None:
    """Refuse what this venue does not offer, or what makes no sense at any venue."""
    if request.type not in terms.order_types:
        raise NotSupported(f"{request.type} orders")
    if request.time_in_force not in terms.times_in_force:
        raise NotSupported(f"time in force {request.time_in_force}")
    if request.instrument.currency != terms.currency:
        pair = f"{request.instrument.currency}, the account in {terms.currency}"
        raise Rejected("CURRENCY_MISMATCH", f"{request.instrument.symbol} is priced in {pair}")
    immediate = request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if request.post_only and (immediate or not request.type.has_limit):
        raise Rejected("INVALID_ORDER", "only a resting limit order can be post-only")


def check_filters(request: OrderRequest, reserve: Decimal) -> None:
    """Refuse quantities and prices off the instrument's steps, and orders too small to trade.

    A reduce-only order may be worth less than the minimum, so that every holding can be closed.
    """
    instrument = request.instrument
    if not instrument.is_whole_lots(exact(request.quantity, "quantity")):
        raise Rejected("LOT_SIZE", f"quantity {request.quantity} is not a multiple of {instrument.lot}")
    if request.quantity < instrument.min_quantity:
        raise Rejected("LOT_SIZE", f"quantity {request.quantity} is below {instrument.min_quantity}")
    for name, price in (("limit", request.limit_price), ("stop", request.stop_price)):
        if price is not None and not instrument.is_on_tick(price):
            raise Rejected("PRICE_FILTER", f"{name} price {price} is not a multiple of {instrument.tick}")
    notional = instrument.notional(request.quantity, reserve)
    if notional < instrument.min_notional and not request.reduce_only:
        raise Rejected("MIN_NOTIONAL", f"a value of {notional} is below {instrument.min_notional}")


def check_post_only(request: OrderRequest, quote: Quote | None) -> None:
    """Refuse a post-only limit order that would meet the market as it stands."""
    if request.post_only and not request.type.has_stop and quote is not None and _meets(request, quote):
        raise Rejected("POST_ONLY_WOULD_TAKE", f"limit {request.limit_price} meets the market")


def _meets(request: OrderRequest, quote: Quote) -> bool:
    limit = request.limit_price
    assert limit is not None
    return limit >= quote.ask if request.side is Side.BUY else limit <= quote.bid


def check_funds(draft: Draft, terms: Terms, order: BookOrder) -> None:
    """Refuse an order that the holding (reduce-only, no shorting) or the buying power does not cover.

    An order that does not raise the worst exposure passes whatever the buying power is.
    """
    others = [other for other in draft.open_orders() if other.id != order.id]
    if order.request.reduce_only:
        return _check_reduce_only(draft, order)
    if order.request.side is Side.SELL and not terms.shorting:
        return _check_position(draft, order, others)
    before = funds.exposure(draft, terms.fees, others)
    after = funds.exposure(draft, terms.fees, [*others, order])
    limit = funds.equity(draft) * terms.leverage
    if after > before and after > limit:
        raise Rejected("INSUFFICIENT_FUNDS", f"needs {after - before}, has {max(limit - before, ZERO)}")
    return None


def _check_reduce_only(draft: Draft, order: BookOrder) -> None:
    if funds.closable(draft, order.request.instrument, order.request.side) == 0:
        raise Rejected("REDUCE_ONLY", f"there is no {order.symbol} holding that this order would reduce")


def _check_position(draft: Draft, order: BookOrder, others: list[BookOrder]) -> None:
    selling = sum((o.remaining for o in others if _sells(o, order.symbol)), ZERO)
    free = funds.closable(draft, order.request.instrument, Side.SELL) - selling
    if order.remaining > free:
        what = f"sells {order.remaining} {order.symbol}, free to sell is {max(free, ZERO)}"
        raise Rejected("INSUFFICIENT_POSITION", f"{what}; this account cannot go short")


def _sells(order: BookOrder, symbol: str) -> bool:
    return order.symbol == symbol and order.request.side is Side.SELL and not order.request.reduce_only
