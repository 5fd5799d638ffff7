"""When a simulated venue is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo


@dataclass(frozen=True, slots=True)
class Sessions:
    """Hours by weekday (0 is Monday) in the venue's own zone, both ends included; without any, always open.

    `holidays` are days without trading. A day's auctions, breaks and early closes can be written as hours.
    """

    zone: tzinfo = UTC
    hours: Mapping[int, tuple[tuple[time, time], ...]] = field(default_factory=dict)
    holidays: frozenset[date] = frozenset()

    def day(self, at: datetime) -> date:
        """The trading day that `at` belongs to."""
        return at.astimezone(self.zone).date()

    def is_open(self, at: datetime) -> bool:
        """Whether there is trading at `at`."""
        if not self.hours and not self.holidays:
            return True
        local = at.astimezone(self.zone)
        if local.date() in self.holidays:
            return False
        spans = self.hours.get(local.weekday(), ()) if self.hours else ((time.min, time.max),)
        return any(start <= local.time() <= end for start, end in spans)
