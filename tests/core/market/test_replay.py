"""A replay delivers each moment once, in order, at its speed, and goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.replay import BarBatch, ReplayFeed
from tests.core.market.bars import MONDAY, series


class Time:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep = lambda: None

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()
        await asyncio.sleep(0)


def day(number: int) -> object:
    return MONDAY + timedelta(days=number)


def feed(*many: object, **options: object) -> ReplayFeed:
    time = Time()
    return ReplayFeed(many, **{"sleep": time.sleep, "monotonic": lambda: time.now, **options})  # type: ignore[arg-type]


async def take(batches: AsyncIterator[BarBatch], count: int) -> list[BarBatch]:
    return [await anext(batches) for _ in range(count)]


TWO = (series("A", [1, 2, 3, 4]), series("B", [10, 20, 30, 40], first_day=2))


async def test_symbols_with_different_spans_are_merged() -> None:
    """All bars that end at one moment come together; a symbol that has none is not there."""
    batches = [batch async for batch in feed(*TWO).batches()]
    assert [batch.at for batch in batches] == [day(n) for n in range(6)]
    assert [batch.index for batch in batches] == list(range(6))
    assert [sorted(batch.bars) for batch in batches] == [["A"]] * 2 + [["A", "B"]] * 2 + [["B"]] * 2


async def test_start_cursor_and_history() -> None:
    """It begins at the start, resumes after the cursor, and history ends where delivery begins."""
    started = feed(*TWO, start=day(2))
    assert started.position == day(1)
    warm = started.history_until(started.position, 5)
    assert [bar.close for bar in warm["A"]] == [1, 2]
    assert warm["B"] == ()
    resumed = feed(*TWO, start=day(2), cursor=day(3))
    (batch,) = await take(resumed.batches(), 1)
    assert (batch.at, batch.index) == (day(4), 4)
    assert [bar.close for bar in resumed.history_until(day(3), 1)["A"]] == [4]
    assert feed(*TWO, start=day(2), cursor=day(0)).position == day(1)
    assert feed(*TWO).position is None
    assert feed(*TWO).history_until(None, 3) == {"A": (), "B": ()}


@given(stop=st.integers(0, 6))
def test_a_restart_loses_and_repeats_nothing(stop: int) -> None:
    """Stopping after any batch and resuming with its time as the cursor gives the rest."""

    async def run() -> None:
        first = feed(*TWO)
        seen = await take(first.batches(), stop)
        second = feed(*TWO, cursor=first.position)
        seen += [batch async for batch in second.batches()]
        assert [batch.index for batch in seen] == list(range(6))

    asyncio.run(run())


async def test_progress_and_end() -> None:
    """Progress counts from the start; at the end there is nothing more."""
    replay = feed(*TWO, start=day(1))
    assert (replay.progress.done, replay.progress.total, replay.progress.at) == (0, 5, None)
    batches = replay.batches()
    await take(batches, 2)
    assert (replay.progress.done, replay.progress.at, replay.progress.fraction) == (2, day(2), 0.4)
    assert not replay.at_end
    await take(batches, 3)
    assert replay.at_end
    assert [batch async for batch in replay.batches()] == []
    assert feed().at_end
    assert feed().progress.fraction == 1


async def test_reading_again_goes_on() -> None:
    """A second reader continues where the first one stopped."""
    replay = feed(*TWO)
    await take(replay.batches(), 2)
    assert [batch.index for batch in await take(replay.batches(), 1)] == [2]


async def test_speed_sets_the_pace() -> None:
    """At 4 a second, batches are a quarter of a second apart, whatever the reader needs for each."""
    time, moments = Time(), []
    replay = ReplayFeed(TWO, speed=4, sleep=time.sleep, monotonic=lambda: time.now)
    async for _ in replay.batches():
        moments.append(time.now)
        time.now += 0.125
    assert moments == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1.25])


async def test_speed_changes_at_once() -> None:
    """A reader waiting for a minute is freed when the speed becomes unlimited."""
    time = Time()
    replay = ReplayFeed(TWO, speed=1 / 60, sleep=time.sleep, monotonic=lambda: time.now)
    batches = replay.batches()
    await take(batches, 1)
    time.on_sleep = lambda: setattr(replay, "speed", 0) if time.now > 1 else None
    await take(batches, 5)
    assert time.now == pytest.approx(1.1)


async def test_pause_and_resume() -> None:
    """Nothing comes while paused; everything comes after."""
    replay = feed(*TWO)
    replay.pause()
    waiting = asyncio.ensure_future(anext(replay.batches()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert replay.is_paused
    assert not waiting.done()
    assert replay.progress.done == 0
    replay.resume()
    assert (await waiting).index == 0


async def test_pause_during_a_wait() -> None:
    """A pause while a batch is awaited holds it back though its time comes."""
    time = Time()
    replay = ReplayFeed(TWO, speed=1, sleep=time.sleep, monotonic=lambda: time.now)
    batches = replay.batches()
    await take(batches, 1)
    time.on_sleep = lambda: replay.pause() if time.now > 0.5 else None
    waiting = asyncio.ensure_future(anext(batches))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert replay.is_paused
    time.on_sleep = lambda: None
    replay.resume()
    assert (await waiting).index == 1


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_impossible_speeds_are_refused(speed: float) -> None:
    """A speed is a finite number, zero or more."""
    with pytest.raises(ValueError, match="speed"):
        feed(speed=speed)


async def test_other_tasks_run_at_full_speed() -> None:
    """As fast as possible still lets the event loop breathe between batches."""
    ran = []
    asyncio.get_running_loop().call_soon(ran.append, 1)
    await take(ReplayFeed(TWO).batches(), 1)
    assert ran
