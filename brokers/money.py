"""Exact numbers: money, prices and quantities are `Decimal`, and a float is refused at the door."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation

ZERO = Decimal(0)


def exact(value: Decimal | int | str, what: str = "number") -> Decimal:
    """Return `value` as a finite `Decimal`.

    Raises `TypeError` for a float or bool (they are not exact) and `ValueError` for text that is no number,
    for NaN and for infinities. `what` names the value in the error.
    """
    if type(value) is Decimal and value.is_finite():  # nearly always
        return value
    if isinstance(value, bool | float) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{what} must be a Decimal, an int or a string, not {type(value).__name__} {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{what} must be a number, not {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"{what} must be finite, not {number}")
    return number


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """`value` rounded towards zero to a multiple of `step` (> 0)."""
    return (value / step).to_integral_value(rounding=ROUND_DOWN) * step


def round_to(value: Decimal, step: Decimal) -> Decimal:
    """`value` rounded half-even to a multiple of `step` (> 0)."""
    return (value / step).to_integral_value(rounding=ROUND_HALF_EVEN) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a whole number of `step`s (> 0)."""
    return value % step == 0
