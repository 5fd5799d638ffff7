"""Indicators: the newest value of each, from plain arrays of prices with the oldest first.

All are finite for finite prices. Those with an endless memory (EMA, RSI, ATR) are computed on exactly the
values given, as a weighted sum: give the same window and get the same number, whatever came before. Too few
values are a `ValueError`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRADING_DAYS = 252


class Channel(NamedTuple):
    """The highest high and the lowest low of a stretch of bars."""

    upper: float
    lower: float


def sma(values: Floats, period: int) -> float:
    """Simple moving average: the mean of the last `period` values."""
    _need(values, period)
    return float(values[-period:].sum() / period)


def ema(values: Floats, period: int) -> float:
    """Exponential moving average, e = e + a (x - e) with a = 2 / (period + 1), begun at the first value.

    Source: J. M. Hutson, "Good Trix", Technical Analysis of Stocks & Commodities 1:5 (1983).
    """
    _need(values, 1)
    return float(values @ _weights(len(values), 1, 2 / (period + 1)))


def rsi(close: Floats, period: int) -> float:
    """Relative strength index, 0 to 100: 100 x mean rise / (mean rise + mean fall), Wilder's means.

    50 where the price never moved. Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978).
    """
    _need(close, period + 1)
    change = close[1:] - close[:-1]
    weights = _weights(len(change), period, 1 / period)
    rise, fall = float(np.maximum(change, 0) @ weights), float(np.maximum(-change, 0) @ weights)
    return 100 * rise / (rise + fall) if rise + fall > 0 else 50.0


def atr(high: Floats, low: Floats, close: Floats, period: int) -> float:
    """Average true range in price units: Wilder's mean of max(high, close before) - min(low, close before).

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978).
    """
    _need(close, period + 1)
    before = close[:-1]
    true_range = np.maximum(high[1:], before) - np.minimum(low[1:], before)
    return float(true_range @ _weights(len(true_range), period, 1 / period))


def zscores(values: Floats, period: int) -> Floats:
    """(x - mean) / standard deviation of the `period` values that end with x, for each x that has so many.

    The deviation is the population's, as in Bollinger bands; 0 where the values do not differ by more than
    rounding (a ten-millionth). Source: J. Bollinger, Bollinger on Bollinger Bands (2001).
    """
    _need(values, period)
    centre = values.sum() / len(values)
    centred = values - centre  # so that little is lost in the subtraction of squares below
    equal = np.full(period, 1 / period)
    mean = np.convolve(centred, equal, "valid")
    variance = np.convolve(centred * centred, equal, "valid") - mean * mean
    least = 1e-14 * max(float((centred * centred).max()), centre * centre)
    differs = variance > least
    return np.where(differs, (centred[period - 1 :] - mean) / np.sqrt(np.where(differs, variance, 1.0)), 0.0)


def zscore(values: Floats, period: int) -> float:
    """The newest of `zscores`."""
    _need(values, period)
    return float(zscores(values[-period:], period)[-1])


def donchian(high: Floats, low: Floats, period: int) -> Channel:
    """The Donchian channel: highest high and lowest low of the last `period` bars given.

    Source: R. Donchian's four-week rule, in C. Faith, Way of the Turtle (2007).
    """
    _need(high, period)
    return Channel(float(high[-period:].max()), float(low[-period:].min()))


def annualised_volatility(close: Floats, period: int, periods_per_year: int = TRADING_DAYS) -> float:
    """Sample standard deviation of the last `period` log returns x sqrt(`periods_per_year`); 0.2 is 20 %.

    Source: J. C. Hull, Options, Futures, and Other Derivatives, on volatility from historical data.
    """
    if period < 2:
        raise ValueError(f"a volatility needs a period of 2 or more, not {period}")
    _need(close, period + 1)
    returns = np.diff(np.log(close[-period - 1 :]))
    return float(returns.std(ddof=1) * math.sqrt(periods_per_year))


def _need(values: Floats, count: int) -> None:
    if len(values) < count or count < 1:
        raise ValueError(f"this indicator needs {count} values (1 or more), and has {len(values)}")


@lru_cache(maxsize=256)
def _weights(count: int, seed: int, alpha: float) -> Floats:
    """Weights of e = e + alpha (x - e) over `count` values, begun at the mean of the first `seed` of them."""
    later = count - seed
    decay = (1 - alpha) ** np.arange(later, -1, -1, dtype=np.float64)
    weights = np.concatenate((np.full(seed, decay[0] / seed), alpha * decay[1:]))
    weights.flags.writeable = False
    return weights
