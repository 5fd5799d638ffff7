"""A budget of requests: no more in any window than a venue allows, and a part of it kept for what is urgent."""

from __future__ import annotations

import math
from collections import deque

from brokers.resilience.ticks import Ticks

# What comes to a sum of fractions is not quite what it comes to on paper.
_HAIR = 1e-9
# Expenses of about the same moment are counted as one, so a day's budget is no longer to look through than a second's.
_GRAINS = 1000


class Budget:
    """At most `count` in any `seconds`, whoever spends it. What is not urgent leaves `reserve` (0 to 1) of it alone.

    A venue's windows lie somewhere in ours, so a sliding one keeps to every fixed one. What costs more than the
    whole budget passes when nothing else has been spent, and then counts for as many windows.
    """

    def __init__(self, count: float, seconds: float, reserve: float, ticks: Ticks) -> None:
        self.count = count
        self.seconds = seconds
        self._reserve = reserve
        self._ticks = ticks
        self._spent: deque[tuple[float, float]] = deque()  # until when, how much; in the order of time
        self._sum = 0.0

    @property
    def used(self) -> float:
        """The part of the budget that is spent, 0 to 1 (more if a venue says so)."""
        self._forget()
        return self._sum / self.count

    def wait(self, cost: float, *, urgent: bool = False) -> float:
        """How many seconds until `cost` may be spent; zero is now."""
        self._forget()
        room = self.count if urgent else self.count * (1 - self._reserve)
        excess = self._sum + min(cost, room) - room
        if excess <= _HAIR:
            return 0.0
        for until, part in self._spent:
            excess -= part
            if excess <= _HAIR:
                return max(0.0, until - self._ticks())
        raise AssertionError("more is to be freed than was spent")

    def spend(self, cost: float) -> None:
        """Count `cost`, from now on for one window (or several, if it is more than a window allows)."""
        self._add(cost, self.seconds * max(1.0, cost / self.count))

    def heard(self, used: float) -> None:
        """The venue's own count, which is believed when it is more than ours: others may share what it counts."""
        self._forget()
        if used > self._sum:
            self._add(used - self._sum, self.seconds)

    def full(self, seconds: float) -> None:
        """The venue says that nothing is left of it for so long."""
        end = self._forget() + seconds
        while self._spent and self._spent[0][0] <= end:
            self._sum -= self._spent.popleft()[1]
        if (rest := self.count - self._sum) > 0:
            self._spent.appendleft((end, rest))
            self._sum += rest

    def _add(self, cost: float, seconds: float) -> None:
        now, grain = self._forget(), self.seconds / _GRAINS
        until = math.ceil((now + seconds) / grain) * grain
        if self._spent and self._spent[-1][0] >= until:  # of the same moment, or behind something that counts for long
            until, before = self._spent.pop()
            self._spent.append((until, before + cost))
        else:
            self._spent.append((until, cost))
        self._sum += cost

    def _forget(self) -> float:
        """Let go of what counts no more; what time it is."""
        now = self._ticks()
        while self._spent and self._spent[0][0] <= now:
            self._sum -= self._spent.popleft()[1]
        if not self._spent:
            self._sum = 0.0
        return now
