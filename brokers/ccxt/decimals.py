"""Keeps ccxt's rounding to ccxt.

`decimal_to_precision` changes the decimal context that it finds: from then on everybody in the process rounds halves
away from zero, and numbers that underflow raise. Here it finds one of its own, the same each time.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, DivisionByZero, InvalidOperation, Overflow, Underflow, localcontext
from typing import Any

_THEIRS = Context(prec=28, rounding=ROUND_HALF_UP, traps=[DivisionByZero, InvalidOperation, Overflow, Underflow])


def keep_to_itself(exchange: Any) -> None:
    """Have this exchange object leave the decimal context alone."""
    whole = exchange.decimal_to_precision

    def alone(*args: Any, **named: Any) -> Any:
        with localcontext(_THEIRS):
            return whole(*args, **named)

    exchange.decimal_to_precision = alone
