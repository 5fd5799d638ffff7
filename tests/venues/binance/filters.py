"""What a spot order must fulfil before it is accepted, with Binance's codes and words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from brokers.order import Side
from tests.venues.binance import errors
from tests.venues.binance.errors import Refusal, filter_failure
from tests.venues.binance.listing import ORDER_TYPES, PREVENTIONS, Listing
from tests.venues.binance.orders import CONDITIONAL, LIMITED, Order
from tests.venues.binance.router import Call

CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}\Z")
FORCES = ("GTC", "IOC", "FOK")
PLACES = 8

_TIMED = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})


def check_parameters(call: Call) -> None:
    """Raise -1102, -1106, -1111, -1115 to -1117 unless an order has the parameters that its type needs, and no others."""
    kind, side = call.text("type"), call.text("side")
    if side not in {"BUY", "SELL"}:
        raise Refusal(-1117, "Invalid side.")
    if kind not in ORDER_TYPES:
        raise Refusal(-1116, "Invalid orderType.")
    if call.params.get("selfTradePreventionMode", "NONE") not in PREVENTIONS:
        raise Refusal(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    _check_force(call, kind)
    _check_amounts(call, kind)
    for name in ("quantity", "price", "stopPrice", "quoteOrderQty", "icebergQty"):
        check_precision(name, call.number(name))
    for name in ("newClientOrderId", "cancelNewClientOrderId"):
        check_client_id(name, call.params)


def check_client_id(name: str, params: Mapping[str, str]) -> None:
    """Raise -1100 unless a client id, if there is one, is well formed."""
    if params.get(name) and not CLIENT_ID.match(params[name]):
        raise Refusal(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'.",
        )


def check_precision(name: str, number: Decimal | None) -> None:
    """Raise -1111 for more decimals than the asset has."""
    exponent = 0 if number is None else number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        raise Refusal(-1111, f"Parameter '{name}' has too much precision.")


def _check_force(call: Call, kind: str) -> None:
    force = call.params.get("timeInForce")
    if kind in _TIMED:
        if call.text("timeInForce") not in FORCES:
            raise Refusal(-1115, "Invalid timeInForce.")
    elif force:
        raise _needless("timeInForce")


def _check_amounts(call: Call, kind: str) -> None:
    if kind == "MARKET":
        if call.number("quoteOrderQty") is None:
            call.needed("quantity")
        elif call.number("quantity") is not None:
            raise _needless("quoteOrderQty")
    else:
        call.needed("quantity")
        if call.params.get("quoteOrderQty"):
            raise _needless("quoteOrderQty")
    if kind in LIMITED:
        call.needed("price")
    elif call.params.get("price"):
        raise _needless("price")
    if kind in CONDITIONAL:
        if call.number("stopPrice") is None and call.integer("trailingDelta") is None:
            raise Refusal(-1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!")
    elif call.params.get("stopPrice"):
        raise _needless("stopPrice")


def _needless(name: str) -> Refusal:
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


# --- the symbol's filters ----------------------------------------------------------------------------


def check_filters(order: Order, last: Decimal, others: Iterable[Order]) -> None:
    """Raise -1013 unless an order fits its symbol's filters at the price `last`; `others` are the open ones there."""
    listing = order.listing
    for price in (order.price if order.has_limit else Decimal(0), order.stop_price):
        if price:
            _check_price(listing, price)
    _check_quantity(listing, order.quantity)
    if order.type == "MARKET" and order.quantity > listing.max_market_quantity:
        raise filter_failure("MARKET_LOT_SIZE")
    if order.has_limit:
        _check_percent(listing, order.side, order.price, last)
    if order.trailing is not None and not listing.min_trailing <= order.trailing <= listing.max_trailing:
        raise filter_failure("TRAILING_DELTA")
    _check_notional(order, last)
    _check_counts(order, list(others))


def _check_price(listing: Listing, price: Decimal) -> None:
    if not listing.min_price <= price <= listing.max_price or price % listing.tick:
        raise filter_failure("PRICE_FILTER")


def _check_quantity(listing: Listing, quantity: Decimal) -> None:
    if not listing.min_quantity <= quantity <= listing.max_quantity or quantity % listing.lot:
        raise filter_failure("LOT_SIZE")


def _check_percent(listing: Listing, side: Side, price: Decimal, last: Decimal) -> None:
    del side  # Binance has multipliers for each side; ours are the same
    if not last * listing.price_down <= price <= last * listing.price_up:
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def _check_notional(order: Order, last: Decimal) -> None:
    price = order.price or order.stop_price or last
    notional = order.quote_quantity or order.quantity * price
    if notional < order.listing.min_notional:
        raise filter_failure("NOTIONAL")
    if notional > order.listing.max_notional and order.type != "MARKET":
        raise filter_failure("NOTIONAL")


def _check_counts(order: Order, others: list[Order]) -> None:
    if len(others) >= order.listing.max_orders:
        raise filter_failure("MAX_NUM_ORDERS")
    algos = sum(1 for each in others if each.is_algo)
    if order.is_algo and algos >= order.listing.max_algo_orders:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")


def check_trigger(order: Order, last: Decimal) -> None:
    """Raise -2010 if the stop would wake at once."""
    trigger = order.trigger
    if trigger is not None and trigger.price is not None and trigger.is_reached(trigger.price, last):
        raise errors.rejected(errors.WOULD_TRIGGER)
