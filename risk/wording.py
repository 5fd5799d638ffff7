"""Numbers as a trader reads them on a phone, with their unit.

Measured values are rounded away from zero, so that a value over its limit never reads like the limit.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal

_CENT = Decimal("0.01")


def plain(number: Decimal) -> str:
    """All digits that matter, grouped: `1,250.5`."""
    whole = number == number.to_integral_value()
    return f"{number.to_integral_value() if whole else number.normalize():,f}"


def money(amount: Decimal, currency: str) -> str:
    """A measured amount: `2,008.25 USD`."""
    return f"{amount.quantize(_CENT, rounding=ROUND_UP):,} {currency}"


def baseline(amount: Decimal) -> str:
    """An amount that something is measured from, rounded to the nearest cent: `100,412.20`."""
    return f"{amount.quantize(_CENT, rounding=ROUND_HALF_EVEN):,}"


def percent(value: Decimal) -> str:
    """A measured percentage: `5.01 %`, `7.8 %`."""
    return f"{plain(value.quantize(_CENT, rounding=ROUND_UP))} %"


def units(quantity: Decimal, symbol: str) -> str:
    """A quantity: `120 AAPL`."""
    return f"{plain(quantity)} {symbol}"
