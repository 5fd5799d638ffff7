"""Indicators against plain loops that follow their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.market import indicators

Floats = NDArray[np.float64]
PRICES = st.lists(st.floats(0.01, 1e6), min_size=12, max_size=40).map(np.array)
PERIOD = st.integers(2, 10)


def wilder(values: list[float], period: int) -> float:
    mean = sum(values[:period]) / period
    for value in values[period:]:
        mean = (mean * (period - 1) + value) / period
    return mean


@given(PRICES, PERIOD)
def test_averages(close: Floats, period: int) -> None:
    """SMA is the mean of the last; EMA the recursion from the first."""
    assert indicators.sma(close, period) == pytest.approx(float(np.mean(close[-period:])))
    expected = close[0]
    for price in close[1:]:
        expected += 2 / (period + 1) * (price - expected)
    assert indicators.ema(close, period) == pytest.approx(expected)


@given(PRICES, PERIOD)
def test_rsi_follows_wilder(close: Floats, period: int) -> None:
    """RSI is 100 - 100 / (1 + RS) with Wilder's means."""
    changes = np.diff(close).tolist()
    up = wilder([max(c, 0) for c in changes], period)
    down = wilder([max(-c, 0) for c in changes], period)
    expected = 50 if up == down == 0 else 100 if down == 0 else 100 - 100 / (1 + up / down)
    assert indicators.rsi(close, period) == pytest.approx(expected, abs=1e-6)


@given(PRICES, PERIOD)
def test_atr_follows_wilder(close: Floats, period: int) -> None:
    """True range is the greatest of three distances."""
    high, low = close * 1.02, close * 0.97
    ranges = [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1])) for i in range(1, len(close))
    ]
    assert indicators.atr(high, low, close, period) == pytest.approx(wilder(ranges, period))


@given(PRICES, PERIOD)
def test_zscores(close: Floats, period: int) -> None:
    """Each is the distance from its own window's mean in population deviations; always finite."""
    scores = indicators.zscores(close, period)
    assert len(scores) == len(close) - period + 1
    assert np.isfinite(scores).all()
    for end, score in enumerate(scores.tolist(), start=period):
        window = close[end - period : end]
        if window.std() > 1e-3 * close.max():
            assert score == pytest.approx((window[-1] - window.mean()) / window.std(), rel=1e-6, abs=1e-6)


def test_a_flat_market() -> None:
    """Where nothing moves every indicator has a finite answer."""
    flat = np.full(30, 3.3)
    assert indicators.rsi(flat, 14) == 50
    assert indicators.atr(flat, flat, flat, 14) == 0
    assert indicators.zscore(flat, 20) == 0
    assert indicators.annualised_volatility(flat, 20) == 0
    assert indicators.donchian(flat, flat, 20) == (3.3, 3.3)


def test_known_values() -> None:
    """Values worked out by hand."""
    ramp = np.arange(1.0, 11.0)
    assert indicators.zscore(ramp, 5) == pytest.approx(2 / math.sqrt(2))
    assert indicators.donchian(ramp + 1, ramp - 1, 3) == (11, 7)
    assert indicators.rsi(ramp, 5) == 100
    doubling = np.array([1.0, 2.0, 1.0, 2.0, 1.0])
    assert indicators.annualised_volatility(doubling, 4, 365) == pytest.approx(
        math.log(2) * math.sqrt(4 / 3) * math.sqrt(365)
    )


def test_too_few_values_are_refused() -> None:
    """An indicator never guesses."""
    few = np.array([1.0, 2.0])
    for call in (
        lambda: indicators.sma(few, 3),
        lambda: indicators.sma(few, 0),
        lambda: indicators.ema(few[:0], 3),
        lambda: indicators.rsi(few, 2),
        lambda: indicators.atr(few, few, few, 2),
        lambda: indicators.zscore(few, 3),
        lambda: indicators.donchian(few, few, 3),
        lambda: indicators.annualised_volatility(few, 2),
        lambda: indicators.annualised_volatility(few, 1),
    ):
        with pytest.raises(ValueError, match="need"):
            call()
