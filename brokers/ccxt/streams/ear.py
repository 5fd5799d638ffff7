"""Whether a stream of reports is deaf: open, and silent about what happens.

Silence is normal there, so it is compared with answers to questions: what an answer has told must have been told by the
stream, too; a little earlier, since answers may lag behind, or a little later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from brokers.ccxt.streams.tracker import Key
from brokers.resilience.ticks import ticks


class Ear:
    """Remembers what the stream was heard to tell of, and what it ought to tell. `grace` in seconds."""

    def __init__(self, grace: float, ticks: Callable[[], float] = ticks) -> None:
        self._grace = grace
        self._ticks = ticks
        self._heard: dict[Key, float] = {}
        self._expected: dict[Key, float] = {}

    def heard(self, key: Key) -> None:
        """The stream has told something of an order."""
        self._heard[key] = self._ticks()
        self._expected.pop(key, None)

    def expect(self, keys: Iterable[Key]) -> None:
        """An answer has told something new of these: the stream has just told it, too, or is about to."""
        now = self._ticks()
        self._heard = {key: at for key, at in self._heard.items() if at >= now - self._grace}
        for key in keys:
            if key not in self._heard:
                self._expected.setdefault(key, now + self._grace)

    def overdue(self) -> list[Key]:
        """What should have been heard by now; said once."""
        late = [key for key, until in self._expected.items() if until < self._ticks()]
        for key in late:
            del self._expected[key]
        return late
