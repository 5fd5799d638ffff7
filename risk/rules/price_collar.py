"""Prices that the order names lie near the market: no typing error trades (RTS 6, 15.1a; FIX PriceCheck)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import OrderType
from risk.boundary import reducing_part
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import Unknown, quote_price
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import percent, plain

CODE = "PRICE_COLLAR"


@rule(CODE, "Prices near the market", order=60)
def price_collar(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """Limit and stop lie within the collar around the market, both ways.

    A protective stop may lie anywhere, and so may a target that waits on the winning side: a far exit is no typing
    error. The limit of a protective stop-limit is measured from its stop.
    """
    reducing = only_reduces(intent, view)
    outside = _first_outside(intent, view, limits, reducing=reducing)
    if outside is None:
        return None
    name, distance = outside
    would_pass = not reducing and _first_outside(intent, view, limits, reducing=True) is None
    part = reducing_part(intent, view) if would_pass else ZERO
    limit, value = f"{plain(limits.price_collar_percent)} %", percent(distance)
    return Denied(CODE, f"The {name} price is {value} away from the market", limit, value, part)


def _first_outside(
    intent: OrderIntent, view: PortfolioView, limits: RiskLimits, *, reducing: bool
) -> tuple[str, Decimal] | None:
    for name, price, anchor in _named_prices(intent, view, reducing=reducing):
        distance = abs(price - anchor) / anchor * 100
        if distance > limits.price_collar_percent:
            return name, distance
    return None


def _named_prices(
    intent: OrderIntent, view: PortfolioView, *, reducing: bool
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Each price to check, with its name and what it is measured from."""
    limit, stop = intent.limit_price, intent.stop_price
    if stop is not None and not reducing:
        yield "stop", stop, _market(view, intent.instrument.symbol)
    if limit is not None and not (reducing and _is_target(intent, view)):
        protective = stop if reducing else None
        yield "limit", limit, protective or _market(view, intent.instrument.symbol)


def _is_target(intent: OrderIntent, view: PortfolioView) -> bool:
    """Whether a resting exit waits for a better price than the market's."""
    if not intent.is_resting_exit or intent.type is not OrderType.LIMIT or intent.limit_price is None:
        return False
    return (intent.limit_price - _market(view, intent.instrument.symbol)) * intent.side.sign <= 0


def _market(view: PortfolioView, symbol: str) -> Decimal:
    quote = view.quotes.get(symbol)
    price = quote_price(quote) if quote else None
    if price is None:
        raise Unknown(f"{symbol} has no quote")
    return price
