"""History played as if it happened now, at any speed."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from brokers.market import Bar
from core.market.series import BarSeries

# A wait is cut into slices, so that a change of speed is felt within this time (seconds).
_SLICE = 0.1


@dataclass(frozen=True, slots=True)
class BarBatch:
    """The bars of every symbol that end at `at`; `index` counts the moments of the whole history from 0."""

    at: datetime
    index: int
    bars: Mapping[str, Bar]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: `done` of `total` moments since its start, the last at `at` (None: none yet)."""

    done: int
    total: int
    at: datetime | None

    @property
    def fraction(self) -> float:
        """From 0 to 1; an empty replay is complete."""
        return self.done / self.total if self.total else 1.0


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class ReplayFeed:
    """Delivers the bars of several series in order of time, all that end at one moment together.

    It begins with the first bar at or after `start` (None: the first of all). `cursor` is the moment of the
    last batch that was fully handled before a restart: delivery resumes after it. `speed` is in batches a
    second, 0 meaning as fast as the reader reads; it may be set at any time. One reader at a time.
    """

    def __init__(
        self,
        series: Iterable[BarSeries],
        *,
        start: datetime | None = None,
        cursor: datetime | None = None,
        speed: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = _loop_time,
    ) -> None:
        self._series = {one.symbol: one for one in series}
        self._times, self._bars = _merge(self._series.values())
        self._first = 0 if start is None else bisect_left(self._times, start)
        self._next = self._first if cursor is None else max(self._first, bisect_right(self._times, cursor))
        self._sleep = sleep
        self._monotonic = monotonic
        self._running = asyncio.Event()
        self._running.set()
        self.speed = speed

    @property
    def speed(self) -> float:
        """Batches a second; 0 is as fast as possible."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        if not math.isfinite(speed) or speed < 0:
            raise ValueError(f"the speed is a number of bars a second, zero or more, not {speed}")
        self._speed = float(speed)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols replayed, in the order in which they were given."""
        return tuple(self._series)

    @property
    def is_paused(self) -> bool:
        """Whether delivery waits for `resume`."""
        return not self._running.is_set()

    def pause(self) -> None:
        """Deliver nothing more until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._running.set()

    @property
    def at_end(self) -> bool:
        """Whether every batch has been delivered."""
        return self._next >= len(self._times)

    @property
    def position(self) -> datetime | None:
        """The moment of the newest bar that is known: delivered, or before the start. None: no bar yet."""
        return self._times[self._next - 1] if self._next else None

    @property
    def progress(self) -> Progress:
        """How far the replay is since its start."""
        done = self._next - self._first
        return Progress(done, len(self._times) - self._first, self.position if done else None)

    def history_until(self, at: datetime | None, count: int) -> Mapping[str, tuple[Bar, ...]]:
        """The last `count` bars of each symbol that had ended by `at` (None: no bar), oldest first.

        `history_until(feed.position, n)` warms strategies up, at first and after a restart.
        """
        if at is None:
            return dict.fromkeys(self._series, ())
        return {symbol: tuple(one.known_at(at, count)) for symbol, one in self._series.items()}

    async def batches(self) -> AsyncIterator[BarBatch]:
        """Every batch from the position on, each at its time; ends after the last."""
        delivered_at: float | None = None
        while not self.at_end:
            await self._wait(delivered_at)
            delivered_at = self._monotonic()
            index = self._next
            self._next += 1
            yield BarBatch(self._times[index], index, self._bars[index])

    async def _wait(self, since: float | None) -> None:
        """Return when the next batch is due: one period after `since`, and not while paused."""
        await self._sleep(0)
        await self._running.wait()
        while (left := self._left(since)) > 0:
            await self._sleep(min(left, _SLICE))
            await self._running.wait()

    def _left(self, since: float | None) -> float:
        if since is None or self._speed == 0:
            return 0.0
        return since + 1 / self._speed - self._monotonic()


def _merge(series: Iterable[BarSeries]) -> tuple[list[datetime], list[Mapping[str, Bar]]]:
    moments: dict[datetime, dict[str, Bar]] = {}
    for one in series:
        for bar in one:
            moments.setdefault(bar.at, {})[one.symbol] = bar
    times = sorted(moments)
    return times, [moments[at] for at in times]
