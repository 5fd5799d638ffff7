"""What is paid in is no gain, and what is paid out no loss, in every figure of an equity curve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.analytics.paid_in import without_flows
from core.analytics.summary import performance

START = datetime(2026, 1, 1, tzinfo=UTC)
D = Decimal


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def test_a_deposit_is_no_gain_and_a_withdrawal_no_drawdown() -> None:
    """5 % are lost of 1,000; 9,050 come, 9,500 go, half of what is left is gained."""
    times = [at(hour) for hour in range(5)]
    values = [D(1000), D(950), D(10_000), D(500), D(750)]
    found = without_flows(times, values, [(at(1.5), D(9050)), (at(2.5), D(-9500))])
    figures = performance(times, found)
    assert figures.total_return is not None
    assert abs(figures.total_return - (0.95 * 1.5 - 1)) < 1e-12
    assert figures.max_drawdown is not None
    assert abs(figures.max_drawdown - 0.05) < 1e-12
    assert found[-1] == 750


def test_what_came_before_or_after_the_curve_changes_nothing() -> None:
    """And nothing is left of nothing."""
    times, values = [at(1), at(2)], [D(100), D(110)]
    assert without_flows(times, values, [(at(0), D(50)), (at(1), D(7)), (at(3), D(50))]) == values
    assert without_flows([], [], [(at(0), D(50))]) == []
    assert without_flows(times, [D(0), D(110)], [(at(1.5), D(110))]) == [D(0), D(110)]


@given(
    st.lists(st.tuples(st.decimals("0.9", "1.1", places=2), st.decimals(-50, 1000, places=2)), min_size=1, max_size=9)
)
def test_whatever_is_paid_the_return_is_that_of_each_period(steps: list[tuple[Decimal, Decimal]]) -> None:
    """Each hour gains its share; half-way through money comes or goes."""
    times, values, flows = [START], [D(1000)], []
    for hour, (gain, paid) in enumerate(steps, 1):
        values.append(values[-1] * gain + paid)
        times.append(at(hour))
        flows.append((at(hour), paid))
    found = without_flows(times, values, [(when, paid) for when, paid in flows if paid])
    # what comes with a value counts from the value before it: the gain of that hour is taken on both
    growth = [later / (earlier + paid) for earlier, later, (_, paid) in zip(values, values[1:], steps, strict=False)]
    linked = D(1)
    for each in growth:
        linked *= each
    assert abs(found[-1] / found[0] - linked) < D("1e-15") * linked
