"""The venue's clock: how far it is from ours is measured, and what we sign carries its time.

A venue refuses what is dated a second ahead of it or some seconds ago. Correcting our own clock is the machine's
business; here only what goes to this venue is dated right.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from brokers.resilience.ticks import Ticks, ticks

Ask = Callable[[], Awaitable[int | None]]
"""One question for the venue's time, in milliseconds."""

_TRIES = 3
_GOOD_FOR = 1800.0
_GOOD_ENOUGH = 0.1  # seconds there and back: a better try would not be much better


class VenueClock:
    """What time it is at the venue, as well as the best of a few round trips tells."""

    def __init__(self, exchange: Any, ticks: Ticks = ticks) -> None:
        self._ours: Callable[[], int] = exchange.milliseconds
        self._ticks = ticks
        self._ahead = 0.0  # milliseconds
        self._measured_at: float | None = None
        self._is_trusted = False
        exchange.milliseconds = self.milliseconds
        exchange.microseconds = lambda: self.milliseconds() * 1000
        exchange.seconds = lambda: self.milliseconds() // 1000

    @property
    def offset(self) -> timedelta | None:
        """How far the venue's clock is ahead of ours; None before it was measured."""
        return None if self._measured_at is None else timedelta(milliseconds=round(self._ahead))

    def milliseconds(self) -> int:
        """The time there."""
        return self._ours() + round(self._ahead)

    @property
    def is_trusted(self) -> bool:
        """Whether it was measured, and the venue has not contradicted since."""
        return self._is_trusted

    @property
    def is_due(self) -> bool:
        """Whether it should be measured: it never was, or long ago, or is not trusted."""
        old = self._measured_at is None or self._ticks() - self._measured_at > _GOOD_FOR
        return old or not self._is_trusted

    def distrust(self) -> None:
        """The venue has refused a time of ours: it is measured anew at the next occasion."""
        self._is_trusted = False

    async def tend(self, ask: Ask) -> None:
        """Measure, if it was long ago or is not trusted any more."""
        if self.is_due:
            await self.measure(ask)

    async def measure(self, ask: Ask) -> None:
        """Ask a few times; the shortest way there and back tells it best."""
        best: tuple[float, float] | None = None
        for _ in range(_TRIES):
            found = await self._try(ask)
            best = found if best is None else min(best, found)
            if best[0] <= _GOOD_ENOUGH * 1000:
                break
        assert best is not None
        self._ahead, self._measured_at, self._is_trusted = best[1], self._ticks(), True

    async def _try(self, ask: Ask) -> tuple[float, float]:
        """How long one question took, and how far the venue was ahead in the middle of it; in milliseconds."""
        began, sent = self._ticks(), self._ours()
        theirs = await ask()
        took = (self._ticks() - began) * 1000
        if theirs is None:
            raise ValueError("the venue did not tell its time")
        return took, theirs - (sent + took / 2)
