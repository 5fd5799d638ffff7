"""The venue's clock: how far it is from ours is measured, and what we sign carries its time.

A venue refuses what is dated a second ahead of it or some seconds ago. Correcting our own clock is the machine's
business; here only what goes to this venue is dated right. Between two measurements the venue's time goes on with time
that cannot be set: a machine whose clock is put right, or wrong, changes nothing of what is over there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from brokers.resilience.ticks import Ticks, ticks

Ask = Callable[[], Awaitable[int | None]]
"""One question for the venue's time, in milliseconds."""

_TRIES = 3
_GOOD_FOR = 1800.0
_GOOD_ENOUGH = 0.1  # seconds there and back: a better try would not be much better
_PARTED = 1000.0  # milliseconds: our clock was set, or the machine has slept, which stops the time that cannot be set


class VenueClock:
    """What time it is at the venue, as well as the best of a few round trips tells."""

    def __init__(self, exchange: Any, given: Ticks | None = None) -> None:
        self._ours: Callable[[], int] = exchange.milliseconds
        self._ticks = given or ticks
        self._found: _Found | None = None
        self._is_contradicted = False
        exchange.milliseconds = self.milliseconds
        exchange.microseconds = lambda: self.milliseconds() * 1000
        exchange.seconds = lambda: self.milliseconds() // 1000

    @property
    def offset(self) -> timedelta | None:
        """How far the venue's clock is ahead of ours now; None before it was measured."""
        return None if self._found is None else timedelta(milliseconds=self.milliseconds() - self._ours())

    def milliseconds(self) -> int:
        """The time there; before it was measured, ours."""
        return self._ours() if self._found is None else round(self._found.zero + self._ticks() * 1000)

    @property
    def is_trusted(self) -> bool:
        """Whether it was measured, nobody has contradicted since, and our clock goes on as it did."""
        return self._found is not None and not self._is_contradicted and not self._has_parted(self._found)

    @property
    def is_due(self) -> bool:
        """Whether it should be measured: it never was, or long ago, or is not trusted."""
        return self._found is None or self._ticks() - self._found.at > _GOOD_FOR or not self.is_trusted

    def distrust(self) -> None:
        """The venue has refused a time of ours: it is measured anew at the next occasion."""
        self._is_contradicted = True

    async def tend(self, ask: Ask) -> None:
        """Measure, if it was long ago or is not trusted any more."""
        if self.is_due:
            await self.measure(ask)

    async def measure(self, ask: Ask) -> None:
        """Ask a few times; the shortest way there and back tells it best."""
        best: _Found | None = None
        for _ in range(_TRIES):
            found = await self._try(ask)
            best = found if best is None else min(best, found, key=lambda each: each.took)
            if best.took <= _GOOD_ENOUGH:
                break
        self._found, self._is_contradicted = best, False

    async def _try(self, ask: Ask) -> _Found:
        sent = self._ticks()
        theirs = await ask()
        came = self._ticks()
        if theirs is None:
            raise ValueError("the venue did not tell its time")
        zero = theirs - (sent + came) / 2 * 1000
        return _Found(came - sent, came, zero, zero + came * 1000 - self._ours())

    def _has_parted(self, found: _Found) -> bool:
        return abs(found.zero + self._ticks() * 1000 - self._ours() - found.ahead) > _PARTED


@dataclass(frozen=True, slots=True)
class _Found:
    """One measurement: how long the way was and when it ended (seconds of `Ticks`); and in milliseconds the venue's
    time when those were zero, and how far ahead of ours it was.
    """

    took: float
    at: float
    zero: float
    ahead: float
