"""When a venue wants to hear nothing from us: obeyed to the second, for everything."""

from __future__ import annotations

from brokers.resilience.ticks import Ticks

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Ban:
    """Silence that a venue has demanded, and pauses of our own where it only said "too fast"."""

    def __init__(self, ticks: Ticks) -> None:
        self._ticks = ticks
        self._until = 0.0
        self._pause = 0.0

    @property
    def seconds_left(self) -> float:
        """How long nothing may be sent; zero is not at all."""
        return max(0.0, self._until - self._ticks()) if self._until else 0.0

    def demanded(self, seconds: float) -> None:
        """The venue has said how long; the longest demand counts."""
        self._until = max(self._until, self._ticks() + max(0.0, seconds))

    def too_fast(self) -> None:
        """The venue has not said how long: a second, and twice as long each time until it is content."""
        self._pause = min(max(_FIRST_PAUSE, 2 * self._pause), _LONGEST_PAUSE)
        self.demanded(self._pause)

    def content(self) -> None:
        """The venue has answered as usual."""
        self._pause = 0.0
