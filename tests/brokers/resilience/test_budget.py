"""The budget of requests and bans, under a clock that is moved by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.resilience.ban import Ban
from brokers.resilience.budget import Budget
from tests.brokers.resilience.by_hand import HandClock

STEPS = st.lists(
    st.tuples(st.floats(min_value=0, max_value=7), st.integers(min_value=0, max_value=40), st.booleans()), max_size=80
)


@given(STEPS, st.sampled_from([0.0, 0.2, 0.5]))
def test_no_window_ever_sees_more_than_it_allows(steps: list[tuple[float, int, bool]], reserve: float) -> None:
    """Wherever a venue's window begins; and what is not urgent leaves the reserve alone."""
    clock = HandClock()
    budget = Budget(30, 10, reserve, clock)
    spent: list[tuple[float, float, bool]] = []
    for seconds, cost, urgent in steps:
        clock.pass_(seconds)
        if cost <= 15 and budget.wait(cost, urgent=urgent) == 0:
            budget.spend(cost)
            spent.append((clock(), cost, urgent))
    for began, _, _ in spent:
        inside = [(cost, urgent) for at, cost, urgent in spent if began <= at < began + 10]
        assert sum(cost for cost, _ in inside) <= 30
        if not any(urgent for _, urgent in inside):
            assert sum(cost for cost, _ in inside) <= 30 * (1 - reserve)


def test_what_is_dearer_than_the_whole_budget_goes_alone_and_counts_for_longer() -> None:
    """Three windows' worth keeps everybody else waiting for three windows."""
    clock = HandClock()
    budget = Budget(30, 10, 0, clock)
    budget.spend(1)
    assert budget.wait(90) > 9
    clock.pass_(10.02)
    assert budget.wait(90) == 0
    budget.spend(90)
    assert budget.wait(1) == pytest.approx(30, abs=0.02)
    clock.pass_(29)
    assert budget.wait(1) > 0
    clock.pass_(1.02)
    assert budget.wait(30) == 0


@given(STEPS, st.booleans())
def test_after_the_told_wait_there_is_room(steps: list[tuple[float, int, bool]], urgent: bool) -> None:
    """Nobody sleeps twice for nothing, or for ever."""
    clock = HandClock()
    budget = Budget(30, 10, 0.2, clock)
    for seconds, cost, _ in steps:
        clock.pass_(seconds)
        wait = budget.wait(cost, urgent=urgent)
        assert 0 <= wait <= 10 * max(1, 40 / 30) + 0.03
        clock.pass_(wait)
        assert budget.wait(cost, urgent=urgent) == pytest.approx(0, abs=1e-6)
        budget.spend(cost)


def test_only_cancels_get_the_reserve() -> None:
    """24 of 30 are for everybody."""
    clock = HandClock()
    budget = Budget(30, 10, 0.2, clock)
    for _ in range(24):
        assert budget.wait(1) == 0
        budget.spend(1)
    assert budget.wait(1) == pytest.approx(10, abs=0.02)
    assert budget.wait(6, urgent=True) == 0
    assert budget.used == pytest.approx(0.8)


def test_the_venue_is_believed_when_it_counts_more() -> None:
    """Another program uses the same address; when it counts less, ours stands."""
    clock = HandClock()
    budget = Budget(30, 10, 0, clock)
    budget.spend(5)
    budget.heard(28)
    assert budget.wait(3) > 0
    budget.heard(1)
    assert budget.used == pytest.approx(28 / 30)
    clock.pass_(10.02)
    assert budget.used == 0


@pytest.mark.parametrize("seconds", [3.0, 10.0, 40_000.0])
def test_the_venue_is_believed_when_it_says_that_nothing_is_left(seconds: float) -> None:
    """For as long as it says, and what was spent just now counts on behind that."""
    clock = HandClock()
    budget = Budget(30, 10, 0, clock)
    budget.spend(5)
    clock.pass_(4)
    budget.spend(10)
    budget.full(seconds)
    assert budget.used == pytest.approx(1)
    assert budget.wait(1) == pytest.approx(seconds, abs=0.02)
    clock.pass_(seconds + 0.02)
    assert budget.used == pytest.approx(15 / 30 if seconds < 10 else 0)
    assert budget.wait(15) == 0


def test_a_day_of_orders_takes_no_more_room_than_a_minute() -> None:
    """A thousand entries at most."""
    clock = HandClock()
    budget = Budget(1_000_000, 86_400, 0, clock)
    for _ in range(5000):
        clock.pass_(17)
        budget.spend(1)
    assert len(budget._spent) <= 1001


def test_the_longest_demand_counts() -> None:
    """And is over to the second."""
    clock = HandClock()
    ban = Ban(clock)
    assert ban.seconds_left == 0
    ban.demanded(60)
    ban.demanded(5)
    clock.pass_(59)
    assert ban.seconds_left == pytest.approx(1)
    clock.pass_(1)
    assert ban.seconds_left == 0
    ban.demanded(-5)
    assert ban.seconds_left == 0


def test_too_fast_without_a_time_pauses_for_longer_each_time() -> None:
    """Until the venue is content."""
    clock = HandClock()
    ban = Ban(clock)
    pauses = []
    for _ in range(8):
        ban.too_fast()
        pauses.append(ban.seconds_left)
        clock.pass_(ban.seconds_left)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    ban.content()
    ban.too_fast()
    assert ban.seconds_left == 1
