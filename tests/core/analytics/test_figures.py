"""Returns, ratios and drawdowns: against an independent library, and where there is nothing to compute."""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analytics.drawdown import Drawdown, drawdown, underwater
from core.analytics.ratios import calmar, sharpe, sortino
from core.analytics.returns import annualised_return, floats, simple_returns, spread, total_return, volatility
from core.analytics.summary import Performance, performance

START = datetime(2024, 1, 1, 21, tzinfo=UTC)
RETURNS = st.lists(st.floats(-0.5, 0.5).map(lambda r: round(r, 4)), min_size=2, max_size=60)


def days(count: int) -> list[datetime]:
    return [START + timedelta(days=n) for n in range(count)]


def curve(returns: list[float]) -> np.ndarray:
    return 1000 * np.cumprod([1.0, *(1 + np.array(returns))])


def same(ours: float | None, theirs: float) -> bool:
    """Equal, or both without an answer (empyrical says NaN, infinite, or a number of no meaning)."""
    return not math.isfinite(theirs) if ours is None else ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)


@pytest.fixture(scope="module")
def empyrical() -> ModuleType:
    """Imported here only: it takes more than a second."""
    with warnings.catch_warnings():
        # It imports pandas_datareader if it is there, and says so if it is not.
        warnings.simplefilter("ignore")
        return importlib.import_module("empyrical")


@given(returns=RETURNS)
def test_against_empyrical(empyrical: ModuleType, returns: list[float]) -> None:
    """All figures that empyrical has agree with it."""
    equity = curve(returns)
    ours = simple_returns(equity)
    assert ours is not None
    series = np.array(ours)
    total = total_return(equity)
    assert same(total, empyrical.cum_returns_final(series))
    annual = annualised_return(total, len(returns) / 252)
    assert annual is None or same(annual, empyrical.annual_return(series))
    fall = drawdown(days(len(equity)), equity)
    assert fall is not None
    assert same(-fall.deepest, empyrical.max_drawdown(series))
    if spread(ours) is not None:
        assert same(volatility(ours), empyrical.annual_volatility(series))
        assert same(sharpe(ours), empyrical.sharpe_ratio(series))
        assert same(sharpe(ours, 0.001), empyrical.sharpe_ratio(series, risk_free=0.001))
    if (ours < -1e-9).any():
        assert same(sortino(ours, 0.001), empyrical.sortino_ratio(series, required_return=0.001))
        assert same(sortino(ours), empyrical.sortino_ratio(series))
        if annual is not None:
            assert same(calmar(annual, fall.deepest), empyrical.calmar_ratio(series))


@given(st.lists(st.floats(-1e308, 1e308), max_size=12), st.integers(0, 10**6))
def test_nothing_is_ever_nan_or_infinite(values: list[float], seconds: int) -> None:
    """Any finite equity, however absurd, gives finite figures or None, and no exception."""
    times = [START + timedelta(seconds=seconds * n) for n in range(len(values))]
    result = performance(times, values)
    numbers = [getattr(result, field.name) for field in fields(result)]
    assert all(math.isfinite(one) for one in numbers if isinstance(one, float))
    if result.drawdown:
        assert math.isfinite(result.drawdown.deepest)
        assert result.drawdown.deepest >= result.drawdown.current >= 0


def figures(equities: list[float]) -> Performance:
    return performance(days(len(equities)), equities)


def test_no_point_and_one_point() -> None:
    """Without two points there is no return, and one point is no drawdown."""
    empty, one = figures([]), figures([100])
    assert (empty.start, empty.end, empty.days, empty.points) == (None, None, 0, 0)
    for result in (empty, one):
        assert result.total_return is result.volatility is result.sharpe is result.sortino is result.calmar is None
    assert empty.max_drawdown is None
    assert (one.max_drawdown, one.current_drawdown) == (0, 0)


def test_two_points() -> None:
    """Two points give a total and nothing that needs a spread."""
    two = figures([100, 110])
    assert two.total_return == pytest.approx(0.1)
    assert two.annualised_return is two.volatility is two.sharpe is None


def test_flat() -> None:
    """A flat curve has no return, no volatility, and no ratio."""
    flat = figures([100.0] * 60)
    assert (flat.total_return, flat.annualised_return, flat.volatility, flat.max_drawdown) == (0, 0, 0, 0)
    assert flat.sharpe is flat.sortino is flat.calmar is None


def test_steady_growth_has_no_ratio() -> None:
    """The same return every day is volatility from rounding only, which is none."""
    steady = figures([1.01**n for n in range(60)])
    assert steady.volatility == 0
    assert steady.sharpe is steady.sortino is None


def test_equity_without_a_base() -> None:
    """A curve that begins at zero or below, as a strategy's P&L does, has no percentages."""
    for equities in ([0, 10, 20], [-5, -6, -7], [10, -1, 5]):
        result = figures(list(map(float, equities)))
        assert result.volatility is result.sharpe is None
    assert figures([0.0, 1.0]).max_drawdown is None
    assert figures([10.0, -5.0]).max_drawdown == 1.5
    assert annualised_return(-1.5, 1) == -1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    """NaN is refused, not carried along."""
    with pytest.raises(ValueError, match="finite"):
        figures([1.0, bad])


def test_times_that_do_not_fit_are_refused() -> None:
    """As many times as equities, never going back."""
    with pytest.raises(ValueError, match="1 times for 2"):
        performance(days(1), [1, 2])
    with pytest.raises(ValueError, match="go back"):
        performance(days(2)[::-1], [1, 2])


def test_a_year_that_doubles() -> None:
    """Doubling in a year is 100 % a year, from Decimals too; less than 30 days are not annualised."""
    times = [START, START + timedelta(days=365.25)]
    assert performance(times, [Decimal(50), Decimal(100)]).annualised_return == pytest.approx(1)
    assert performance([START, START + timedelta(days=29)], [50, 100]).annualised_return is None


def test_ratios_are_from_daily_values() -> None:
    """More points within the days change drawdowns, not volatility."""
    times = [START.replace(hour=1) + timedelta(hours=6 * n) for n in range(40)]
    values = [100.0 + (n * 37 % 11) for n in range(40)]
    result = performance(times, values)
    closes = [values[0], *(values[n] for n in range(40) if n == 39 or times[n + 1].date() > times[n].date())]
    assert result.volatility == pytest.approx(volatility(simple_returns(floats(closes))))
    assert result.points == 40


def test_drawdown_dates_and_durations() -> None:
    """The deepest and the longest fall are found, though they are not the same."""
    equity = floats([100, 110, 66, 110, 120, 115, 114, 113, 119, 120, 118])
    assert drawdown(days(11), equity) == Drawdown(
        deepest=pytest.approx(0.4),
        current=pytest.approx(1 - 118 / 120),
        peak_at=days(11)[1],
        trough_at=days(11)[2],
        longest_periods=5,
        longest_days=5.0,
    )


def test_a_drawdown_that_lasts() -> None:
    """A fall that has not recovered counts until the last point; a rise has none."""
    falling = drawdown(days(4), floats([100, 90, 80, 85]))
    assert falling is not None
    assert (falling.longest_periods, falling.peak_at) == (3, START)
    rising = drawdown(days(3), floats([1, 2, 3]))
    assert rising == Drawdown(0, 0, None, None, 0, 0)
    plateau = drawdown(days(4), floats([3, 3, 2, 3]))
    assert plateau is not None
    assert plateau.longest_periods == 2


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30))
def test_underwater_follows_its_definition(values: list[float]) -> None:
    """Every point is compared with the highest before it."""
    below = underwater(floats(values))
    assert below is not None
    assert below.tolist() == pytest.approx([value / max(values[: n + 1]) - 1 for n, value in enumerate(values)])
