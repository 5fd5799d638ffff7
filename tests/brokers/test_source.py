"""Ticks, bars as ticks, and the source that hands them out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.errors import Unavailable
from brokers.instrument import Instrument
from brokers.market import Bar, Quote
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import Tick, TickSource, follow, ticks_of
from tests.brokers.rig import DAY, SECOND, START, STOCK

D = Decimal


def bar(low: object, open_: object, high: object, close: object, volume: object = 0) -> Bar:
    o, h, lo, c, v = (D(str(value)) for value in (open_, high, low, close, volume))
    return Bar("ACME", START, o, h, lo, c, v)


@pytest.mark.parametrize(
    ("candle", "path"),
    [
        (bar(99, 100, 105, 101), [100, 99, 105, 101]),
        (bar(90, 100, 102, 101), [100, 102, 90, 101]),
        (bar(98, 100, 102, 101), [100, 98, 102, 101]),
    ],
)
def test_a_bar_goes_to_the_extreme_nearer_to_its_open_first(candle: Bar, path: list[int]) -> None:
    ticks = ticks_of(candle, spread_bps=D(2), instrument=STOCK, period=DAY)
    assert [tick.last for tick in ticks] == path


levels = st.decimals(min_value="0.0001", max_value=100_000, places=4)


@given(
    st.lists(levels, min_size=4, max_size=4).map(sorted),
    st.sampled_from([D(0), D(2), D("33.3"), D(5000)]),
    st.sampled_from([D("0.01"), D("0.0001"), D("0.25")]),
    st.sampled_from([timedelta(seconds=1), timedelta(minutes=5), DAY, 7 * DAY]),
)
def test_ticks_lie_inside_the_bar_and_bracket_its_prices(
    sorted_prices: list[Decimal], spread: Decimal, step: Decimal, period: timedelta
) -> None:
    low, first, last, high = sorted_prices
    instrument = Instrument("ACME", "USD", tick=step)
    ticks = ticks_of(bar(low, first, high, last), spread_bps=spread, instrument=instrument, period=period)
    assert {tick.last for tick in ticks} == set(sorted_prices)
    assert START - period < ticks[0].at
    assert ticks[-1].at < START
    assert all(one.at < two.at for one, two in pairwise(ticks))
    for tick in ticks:
        assert tick.ask >= tick.bid + step
        assert tick.bid >= step
        assert instrument.is_on_tick(tick.bid)
        assert instrument.is_on_tick(tick.ask)
        assert tick.ask >= tick.last
        assert tick.bid <= max(tick.last, step)


def test_a_daily_bar_that_ends_at_midnight_has_its_ticks_on_one_day() -> None:
    """Else its close would belong to the next trading day."""
    midnight = Bar("ACME", START.replace(hour=0), D(1), D(1), D(1), D(1))
    dates = {tick.at.date() for tick in ticks_of(midnight, spread_bps=D(2), instrument=STOCK, period=DAY)}
    assert dates == {(START - DAY).date()}


def test_the_volume_is_shared_out_and_zero_means_unknown() -> None:
    for volume, expected in ((1001, D("250.25")), (0, None)):
        ticks = ticks_of(bar(1, 1, 1, 1, volume), spread_bps=D(2), instrument=STOCK, period=DAY)
        assert {tick.volume for tick in ticks} == {expected}


def test_a_float_spread_or_no_period_is_refused() -> None:
    with pytest.raises(TypeError, match="spread_bps"):
        ticks_of(bar(1, 1, 1, 1), spread_bps=2.0, instrument=STOCK, period=DAY)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="period"):
        ticks_of(bar(1, 1, 1, 1), spread_bps=D(2), instrument=STOCK, period=timedelta(0))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"last": D(0)}, ValueError),
        ({"last": 1.5}, TypeError),
        ({"bid": D("nan")}, ValueError),
        ({"ask": float("inf")}, TypeError),
        ({"volume": D(-1)}, ValueError),
        ({"volume": 3.0}, TypeError),
        ({"at": START.replace(tzinfo=None)}, ValueError),
    ],
)
def test_an_impossible_tick_is_refused(change: dict, error: type[Exception]) -> None:
    values = {"symbol": "ACME", "bid": D(1), "ask": D(2), "last": D(1), "at": START} | change
    with pytest.raises(error, match="ACME"):
        Tick(**values)


def quote(symbol: str = "ACME", price: int = 100, seconds: int = 0) -> Quote:
    return Quote(symbol, D(price), D(price + 1), D(price), START + seconds * SECOND)


def test_listeners_hear_every_tick_at_once_and_in_order() -> None:
    source, heard = TickSource([STOCK]), []
    stop = source.subscribe(lambda tick: heard.append(tick.last))
    source.push([quote(price=1), quote(price=2, seconds=1)])
    assert heard == [1, 2]
    stop()
    source.push([quote(price=3, seconds=2)])
    assert heard == [1, 2]


def test_the_latest_tick_is_the_newest_not_the_last_pushed() -> None:
    source = TickSource([STOCK])
    assert source.latest("ACME") is None
    source.push([quote(price=5, seconds=9), quote(price=1)])
    assert source.latest("ACME").last == 5


def test_an_unknown_symbol_or_a_poisoned_quote_is_refused() -> None:
    source = TickSource([STOCK])
    with pytest.raises(ValueError, match="'NOPE'"):
        source.push([quote("NOPE")])
    with pytest.raises(ValueError, match="last"):
        source.push([Quote("ACME", D(1), D(2), D("nan"), START)])
    assert source.latest("ACME") is None


async def test_following_a_broker_copies_its_quotes_until_it_is_unavailable(tmp_path: Path) -> None:
    origin, copy = TickSource([STOCK]), TickSource([STOCK])
    context = BrokerContext(tmp_path, lambda: START, origin)
    broker = BrokerFactory(context).build("origin", {"adapter": "paper"})
    await broker.connect()
    task = asyncio.create_task(follow(broker, copy, ["ACME"]))
    await asyncio.sleep(0)
    origin.push([quote(price=7)])
    await broker.disconnect()
    with pytest.raises(Unavailable):
        await task
    assert copy.latest("ACME").last == 7
