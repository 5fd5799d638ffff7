"""What is refused before anything is sent: what the venue does not have, and what does not fit its steps.

Nothing is ever rounded here: an order that would have to grow, or to become another, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.errors import NotSupported, Rejected
from brokers.instrument import Instrument
from brokers.order import OrderReport, OrderRequest
from brokers.port import Capabilities, TrailBy


def listed(instruments: Mapping[str, Instrument], symbol: str) -> Instrument:
    """The instrument of `symbol`; `Rejected` if this account does not deal with it."""
    found = instruments.get(symbol)
    if found is None:
        raise Rejected("UNKNOWN_SYMBOL", f"this account has no {symbol}")
    return found


def check_order(order: OrderRequest, can: Capabilities, instruments: Mapping[str, Instrument]) -> None:
    """Raise `NotSupported` or `Rejected` for what must not be sent."""
    _check_features(order, can)
    instrument = listed(instruments, order.instrument.symbol)
    check_quantity(instrument, order.quantity)
    for price in (order.limit_price, order.stop_price):
        check_price(instrument, price)
    if order.limit_price is not None and not order.reduce_only:
        check_notional(instrument, order.quantity, order.limit_price)


def _check_features(order: OrderRequest, can: Capabilities) -> None:
    if order.type not in can.order_types:
        raise NotSupported(f"{order.type} orders")
    if order.type.is_trailing and (told := _told_by(order)) not in can.trails:
        others = " or ".join(f"in {each}" for each in sorted(can.trails))
        raise NotSupported(f"a trailing distance in {told}; give it {others}")
    if order.time_in_force not in can.times_in_force:
        raise NotSupported(f"{order.time_in_force} orders")
    if order.reduce_only and not can.reduce_only:
        raise NotSupported("reduce-only orders")
    if order.post_only and not can.post_only:
        raise NotSupported("post-only orders")
    if order.oco_group and not can.oco:
        raise NotSupported("orders that cancel each other")
    if order.post_only and order.limit_price is None:
        raise Rejected("INVALID_ORDER", "only an order with a limit price can be post-only")


def _told_by(order: OrderRequest) -> TrailBy:
    return TrailBy.PERCENT if order.trail is None else TrailBy.PRICE


def check_quantity(instrument: Instrument, quantity: Decimal) -> None:
    """A whole number of lots, and not too few."""
    if not instrument.is_whole_lots(quantity):
        raise Rejected("LOT_SIZE", f"{quantity} of {instrument.symbol} is not a multiple of {instrument.lot}")
    if quantity < instrument.min_quantity:
        raise Rejected("LOT_SIZE", f"{quantity} of {instrument.symbol} is below the least, {instrument.min_quantity}")


def check_price(instrument: Instrument, price: Decimal | None) -> None:
    """On the venue's ticks."""
    if price is not None and not instrument.is_on_tick(price):
        raise Rejected("PRICE_FILTER", f"{price} is not a multiple of {instrument.symbol}'s tick {instrument.tick}")


def check_notional(instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    """Worth enough."""
    worth = instrument.notional(quantity, price)
    if worth < instrument.min_notional:
        raise Rejected("MIN_NOTIONAL", f"{worth} {instrument.currency} is below the least, {instrument.min_notional}")


def same_order(order: OrderRequest, found: OrderReport) -> bool:
    """Whether what the venue has under our id is what we asked for."""
    return (found.symbol, found.side, found.type, found.quantity, found.limit_price) == (
        order.instrument.symbol,
        order.side,
        order.type,
        order.quantity,
        order.limit_price,
    )
