"""What a simulated venue refuses, in the words of the real ones.

::

    UNKNOWN_SYMBOL         no such instrument
    CURRENCY_MISMATCH      priced in a currency that the account does not hold
    NOT_SUPPORTED          order type or time in force not offered
    LOT_SIZE               quantity off the lot, too small or too large
    PRICE_FILTER           price off the tick
    PERCENT_PRICE          price too far from the market
    MIN_NOTIONAL           worth too little
    MAX_NOTIONAL           worth too much
    MAX_NUM_ORDERS         too many orders are open
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
from datetime import datetime
from decimal import Decimal

from brokers.errors import NotSupported, Rejected
from brokers.instrument import Instrument, Settlement
from brokers.market import Quote
from brokers.money import ZERO, exact
from brokers.order import OrderRequest, Side, TimeInForce
from brokers.simulation import funds
from brokers.simulation.state import VENUES_OWN, BookOrder, Draft
from brokers.simulation.terms import Terms, VenueLimits


def listed(instruments: Mapping[str, Instrument], symbol: str) -> Instrument:
    """The venue's own instrument of that symbol. Raises `Rejected("UNKNOWN_SYMBOL")`."""
    instrument = instruments.get(symbol)
    if instrument is None:
        raise Rejected("UNKNOWN_SYMBOL", f"this venue does not trade {symbol!r}")
    return instrument


def check_offered(terms: Terms, request: OrderRequest, at: datetime) -> None:
    """Refuse what this venue does not offer, or what makes no sense at any venue."""
    if request.type not in terms.order_types:
        raise NotSupported(f"{request.type} orders")
    if request.time_in_force not in terms.times_in_force:
        raise NotSupported(f"time in force {request.time_in_force}")
    if not terms.trades(request.instrument.currency):
        pair = f"{request.instrument.currency}, the account in {terms.currency}"
        raise Rejected("CURRENCY_MISMATCH", f"{request.instrument.symbol} is priced in {pair}")
    immediate = request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if request.post_only and (immediate or not request.type.has_limit):
        raise Rejected("INVALID_ORDER", "only a resting limit order can be post-only")
    if request.expires_at is not None and request.expires_at <= at:
        raise Rejected("INVALID_ORDER", f"it is past {request.expires_at} already")
    if request.client_order_id.startswith(VENUES_OWN):
        raise Rejected("INVALID_ORDER", f"ids that begin with {VENUES_OWN} are the venue's own")


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


def check_limits(limits: VenueLimits, request: OrderRequest, reserve: Decimal, tick: Quote | None) -> None:
    """Refuse orders too large for this venue, and prices too far from its market.

    A reduce-only order may be worth any amount.
    """
    if limits.max_quantity is not None and request.quantity > limits.max_quantity:
        raise Rejected("LOT_SIZE", f"quantity {request.quantity} is above {limits.max_quantity}")
    notional = request.instrument.notional(request.quantity, reserve)
    if limits.max_notional is not None and notional > limits.max_notional and not request.reduce_only:
        raise Rejected("MAX_NOTIONAL", f"a value of {notional} is above {limits.max_notional}")
    for name, price in (("limit", request.limit_price), ("stop", request.stop_price)):
        if price is not None and tick is not None and limits.price_band is not None:
            _check_band(name, price, tick.last, limits.price_band)


def check_room(limits: VenueLimits, draft: Draft, request: OrderRequest) -> None:
    """Refuse one order too many, and a group that would trade more than one instrument."""
    orders = draft.open_orders()
    if limits.max_open_orders is not None and len(orders) >= limits.max_open_orders:
        raise Rejected("MAX_NUM_ORDERS", f"{len(orders)} orders are open")
    group = request.oco_group
    if group and any(o.request.oco_group == group and o.symbol != request.instrument.symbol for o in orders):
        raise Rejected("INVALID_ORDER", f"the orders of group {group} must trade one instrument")


def _check_band(name: str, price: Decimal, last: Decimal, band: Decimal) -> None:
    if abs(price - last) > last * band:
        raise Rejected("PERCENT_PRICE", f"{name} price {price} is more than {band * 100} % from {last}")


def check_post_only(request: OrderRequest, quote: Quote | None) -> None:
    """Refuse a post-only limit order that would meet the market as it stands."""
    if request.post_only and not request.type.is_conditional and quote is not None and _meets(request, quote):
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
    before = funds.exposure(draft, terms, others)
    after = funds.exposure(draft, terms, [*others, order])
    limit = funds.equity(draft, terms) * terms.leverage
    if after > before and after > limit:
        raise Rejected("INSUFFICIENT_FUNDS", f"needs {after - before}, has {max(limit - before, ZERO)}")
    return _check_currency(draft, terms, order, others)


def _check_currency(draft: Draft, terms: Terms, order: BookOrder, others: list[BookOrder]) -> None:
    """Buying what is paid in full in another currency needs that currency."""
    currency = order.request.instrument.currency
    if currency == terms.currency or not _pays_in_full(order):
        return
    buys = [o for o in (*others, order) if o.request.instrument.currency == currency and _pays_in_full(o)]
    needed = sum((funds.cost_in_full(terms, each) for each in funds.dearest(terms, buys)), ZERO)
    has = draft.cash.get(currency, ZERO)
    if needed > has:
        raise Rejected("INSUFFICIENT_FUNDS", f"all buys need {needed} {currency}, the balance is {has}")


def _pays_in_full(order: BookOrder) -> bool:
    return order.request.side is Side.BUY and order.request.instrument.settlement is Settlement.FULL


def _check_reduce_only(draft: Draft, order: BookOrder) -> None:
    if funds.closable(draft, order.request.instrument, order.request.side) == 0:
        raise Rejected("REDUCE_ONLY", f"there is no {order.symbol} holding that this order would reduce")


def _check_position(draft: Draft, order: BookOrder, others: list[BookOrder]) -> None:
    group = order.request.oco_group
    rivals = [o for o in others if _sells(o, order.symbol) and not (group and o.request.oco_group == group)]
    selling = sum(_most_of_each_group(rivals), ZERO)
    free = funds.closable(draft, order.request.instrument, Side.SELL) - selling
    if order.remaining > free:
        what = f"sells {order.remaining} {order.symbol}, free to sell is {max(free, ZERO)}"
        raise Rejected("INSUFFICIENT_POSITION", f"{what}; this account cannot go short")


def _most_of_each_group(orders: list[BookOrder]) -> list[Decimal]:
    """What orders may sell, counting of each group only the largest."""
    most: dict[str, Decimal] = {}
    for order in orders:
        key = f"group {order.request.oco_group}" if order.request.oco_group else f"order {order.id}"
        most[key] = max(most.get(key, ZERO), order.remaining)
    return list(most.values())


def _sells(order: BookOrder, symbol: str) -> bool:
    return order.symbol == symbol and order.request.side is Side.SELL and not order.request.reduce_only
