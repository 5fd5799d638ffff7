"""How soon something that failed is tried again: later and later, and at once after a success."""

from __future__ import annotations

from datetime import datetime, timedelta


class Attempts:
    """Failures by key, each with its next moment."""

    def __init__(self, first: timedelta, most: timedelta) -> None:
        self._first = first
        self._most = most
        self._failures: dict[object, tuple[int, datetime]] = {}

    def may(self, key: object, now: datetime) -> bool:
        """Whether it is time."""
        return key not in self._failures or now >= self._failures[key][1]

    def failed(self, key: object, now: datetime) -> int:
        """Note a failure; how many there are in a row."""
        count = self._failures.get(key, (0, now))[0] + 1
        pause = min(self._first * 2 ** min(count - 1, 20), self._most)
        self._failures[key] = count, now + pause
        return count

    def forget(self, key: object) -> bool:
        """It works, or is no longer wanted; whether it had failed before."""
        return self._failures.pop(key, None) is not None
