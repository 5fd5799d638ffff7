"""The venue's clock, measured over a way whose length is moved by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ccxt.clock import VenueClock
from brokers.ccxt.loading import load_exchange_class
from tests.brokers.resilience.by_hand import HandClock


class Venue:
    """An exchange object whose machine's clock is `ahead` ms behind the venue's, and a way to it."""

    def __init__(self, ahead: int, ways: list[tuple[float, float]]) -> None:
        self.ticks = HandClock()
        self.ahead = ahead
        self.ways = list(ways)
        self.asked = 0
        self.clock = VenueClock(self, self.ticks)

    def milliseconds(self) -> int:
        return self.ours()

    def ours(self) -> int:
        return int(self.ticks() * 1000)

    async def ask(self) -> int | None:
        there, back = self.ways[min(self.asked, len(self.ways) - 1)]
        self.asked += 1
        self.ticks.pass_(there)
        theirs = self.ours() + self.ahead
        self.ticks.pass_(back)
        return theirs


WAYS = st.lists(st.tuples(st.floats(0.001, 2), st.floats(0.001, 2)), min_size=3, max_size=3)


@given(st.integers(-100_000, 100_000), WAYS)
async def test_the_error_is_at_most_half_of_the_shortest_way(ahead: int, ways: list[tuple[float, float]]) -> None:
    """However lopsided the ways are."""
    venue = Venue(ahead, ways)
    await venue.clock.measure(venue.ask)
    shortest = min(there + back for there, back in ways[: venue.asked]) * 1000
    assert venue.clock.offset is not None
    assert abs(venue.clock.offset / timedelta(milliseconds=1) - ahead) <= shortest / 2 + 2
    assert abs(venue.clock.milliseconds() - (venue.ours() + ahead)) <= shortest / 2 + 2


async def test_a_quick_answer_is_enough_and_a_slow_one_is_tried_again() -> None:
    """Three times at most."""
    quick, slow = Venue(500, [(0.01, 0.01)]), Venue(500, [(1, 0.2)])
    await quick.clock.measure(quick.ask)
    await slow.clock.measure(slow.ask)
    assert (quick.asked, slow.asked) == (1, 3)


async def test_it_is_measured_anew_every_half_hour_and_when_it_was_refused() -> None:
    """And not more often."""
    venue = Venue(0, [(0.01, 0.01)])
    assert venue.clock.offset is None
    for seconds, asked in ((0, 1), (60, 1), (1800, 2), (1, 2)):
        venue.ticks.pass_(seconds)
        await venue.clock.tend(venue.ask)
        assert venue.asked == asked
    venue.ahead = 9000
    venue.clock.distrust()
    await venue.clock.tend(venue.ask)
    assert venue.clock.offset == timedelta(seconds=9)


async def test_a_failed_measurement_changes_nothing() -> None:
    """Nor is it taken for one."""
    venue = Venue(300, [(0.01, 0.01)])
    await venue.clock.measure(venue.ask)
    venue.clock.distrust()

    async def none() -> int | None:
        return None

    with pytest.raises(ValueError, match="did not tell"):
        await venue.clock.tend(none)
    assert venue.clock.offset == timedelta(milliseconds=300)
    await venue.clock.tend(venue.ask)
    assert venue.asked == 2


async def test_a_clock_that_is_set_changes_nothing_of_what_is_over_there() -> None:
    """The venue's time goes on; what was found is doubted, and measured anew at the next occasion."""
    venue = Venue(500, [(0.01, 0.01)])
    await venue.clock.measure(venue.ask)
    venue.ticks.pass_(60)
    there = venue.ours() + 500
    assert (venue.clock.milliseconds(), venue.clock.is_due) == (there, False)
    venue.clock._ours = lambda: venue.ours() + 5_000
    assert (venue.clock.milliseconds(), venue.clock.is_due) == (there, True)
    assert venue.clock.offset == timedelta(milliseconds=-4_500)
    await venue.clock.tend(venue.ask)
    assert (venue.asked, venue.clock.is_due, venue.clock.milliseconds()) == (2, False, venue.ours() + 500)


async def seven_past() -> int:
    """What a venue may tell."""
    return 1_700_000_007_000


@pytest.mark.parametrize("ccxt_id", ["binance", "binanceusdm", "kraken", "bybit", "kucoin", "okx", "coinbase"])
def test_what_ccxt_signs_carries_the_venues_time(ccxt_id: str) -> None:
    """The real library dates every request by what we have given it, whatever the venue."""
    exchange: Any = load_exchange_class(ccxt_id)({"apiKey": "k", "secret": "c2VjcmV0", "password": "p"})
    clock = VenueClock(exchange, HandClock())
    asyncio.run(clock.measure(seven_past))
    assert exchange.milliseconds() == 1_700_000_007_000
    assert exchange.nonce() == 1_700_000_007_000
    assert exchange.seconds() == 1_700_000_007
    assert exchange.microseconds() == 1_700_000_007_000_000
