"""What was gained, and how unevenly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRADING_DAYS = 252

# A spread smaller than this part of the numbers themselves is rounding, not risk.
_ROUNDING = 1e-12


def floats(values: Iterable[Decimal | float]) -> Floats:
    """`values` as an array; NaN and infinities are a `ValueError`."""
    array = np.fromiter(map(float, values), dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("analytics need finite numbers: NaN or an infinity was given")
    return array


def finite(number: float) -> float | None:
    """`number`, or None where the arithmetic overflowed or was undefined."""
    return float(number) if math.isfinite(number) else None


def simple_returns(equity: Floats) -> Floats | None:
    """E[t] / E[t-1] - 1 for each period; None for fewer than two points, or if any but the last is 0 or less.

    Source: C. Bacon, Practical Portfolio Performance Measurement and Attribution, 2nd ed. (2008).
    """
    if len(equity) < 2 or (equity[:-1] <= 0).any():
        return None
    with np.errstate(all="ignore"):
        returns: Floats = equity[1:] / equity[:-1] - 1
    return returns if np.isfinite(returns).all() else None


def total_return(equity: Floats) -> float | None:
    """E[last] / E[first] - 1, a fraction; None for fewer than two points or a first equity of 0 or less."""
    if len(equity) < 2 or equity[0] <= 0:
        return None
    with np.errstate(all="ignore"):
        return finite(equity[-1] / equity[0] - 1)


def annualised_return(total: float | None, years: float) -> float | None:
    """Compound annual growth rate: (1 + total) ^ (1 / years) - 1, a fraction; -1 where all or more is lost.

    None without a total, or for no time. Source: Bacon (2008).
    """
    if total is None or not years > 0:
        return None
    if total <= -1:
        return -1.0
    try:
        return finite((1 + total) ** (1 / years) - 1)
    except OverflowError:
        return None


def spread(returns: Floats | None) -> float | None:
    """Sample standard deviation of returns, per period; None for fewer than two or where all are equal."""
    if returns is None or len(returns) < 2:
        return None
    with np.errstate(all="ignore"):
        deviation = finite(returns.std(ddof=1))
    if deviation is None or deviation <= _ROUNDING * max(1.0, float(np.abs(returns).max())):
        return None
    return deviation


def volatility(returns: Floats | None, periods_per_year: float = TRADING_DAYS) -> float | None:
    """Annualised volatility: sample standard deviation x sqrt(`periods_per_year`), a fraction a year.

    0 where returns do not differ; None for fewer than two of them. Source: Bacon (2008).
    """
    if returns is None or len(returns) < 2:
        return None
    return finite((spread(returns) or 0.0) * math.sqrt(periods_per_year))
