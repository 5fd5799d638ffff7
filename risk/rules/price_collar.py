"""Prices that the order names lie near the market: no typing error trades (RTS 6, 15.1a; FIX PriceCheck)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import OrderType
from risk.case import Case
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import percent, plain

CODE = "PRICE_COLLAR"


@rule(CODE, "Prices near the market", order=60)
def price_collar(case: Case) -> Denied | None:
    """Limit and stop lie within the collar around the market, both ways.

    A protective stop may lie anywhere, and so may a target that waits on the winning side: a far exit is no typing
    error. The limit of a protective stop-limit is measured from its stop.
    """
    if case.intent.limit_price is None and case.intent.stop_price is None:
        return None
    reducing = case.only_reduces
    outside = _first_outside(case, reducing=reducing)
    if outside is None:
        return None
    name, distance = outside
    would_pass = not reducing and _first_outside(case, reducing=True) is None
    part = case.reducing_part if would_pass else ZERO
    limit, value = f"{plain(case.limits.price_collar_percent)} %", percent(distance)
    return Denied(CODE, f"The {name} price is {value} away from the market", limit, value, part)


def _first_outside(case: Case, *, reducing: bool) -> tuple[str, Decimal] | None:
    for name, price, anchor in _named_prices(case, reducing=reducing):
        distance = abs(price - anchor) / anchor * 100
        if distance > case.limits.price_collar_percent:
            return name, distance
    return None


def _named_prices(case: Case, *, reducing: bool) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Each price to check, with its name and what it is measured from."""
    limit, stop = case.intent.limit_price, case.intent.stop_price
    if stop is not None and not reducing:
        yield "stop", stop, case.market
    if limit is not None and not (reducing and _is_target(case)):
        protective = stop if reducing else None
        yield "limit", limit, protective or case.market


def _is_target(case: Case) -> bool:
    """Whether a resting exit waits for a better price than the market's."""
    intent = case.intent
    if not intent.is_resting_exit or intent.type is not OrderType.LIMIT or intent.limit_price is None:
        return False
    return (intent.limit_price - case.market) * intent.side.sign <= 0
