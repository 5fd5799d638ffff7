"""Latencies and success of the newest calls, against what sorting them says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.resilience.latency import Latencies
from brokers.resilience.success import Success

DURATIONS = st.floats(min_value=0, max_value=500, allow_nan=False)


@given(st.lists(DURATIONS, min_size=1, max_size=40), st.floats(min_value=0, max_value=1))
def test_a_quantile_is_never_too_small_and_at_most_a_tenth_too_large(found: list[float], part: float) -> None:
    """Of the newest five, whatever came before them."""
    latencies = Latencies(keep=5)
    for each in found:
        latencies.add(each)
    newest = sorted(found[-5:])
    true = newest[max(1, math.ceil(part * len(newest))) - 1]
    told = latencies.quantile(part)
    assert told is not None
    assert true * (1 - 1e-6) <= told <= max(true, 0.0001) * 1.1001
    assert len(latencies) == len(newest)


def test_nothing_is_known_before_the_first() -> None:
    """And not zero."""
    assert Latencies().quantile(0.5) is None


def test_what_takes_for_ever_is_counted_too() -> None:
    """In the last bucket."""
    latencies = Latencies()
    latencies.add(100_000)
    assert latencies.quantile(1) == pytest.approx(600, rel=0.2)


@given(st.lists(st.booleans(), max_size=100))
def test_failures_of_the_newest_are_counted(outcomes: list[bool]) -> None:
    """As if they had been kept."""
    success = Success(keep=5)
    for each in outcomes:
        success.add(each)
    assert (len(success), success.failed) == (len(outcomes[-5:]), outcomes[-5:].count(False))
