"""A circuit breaker: what does not answer is left alone for a while, and tried again by one call at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from brokers.health import Breaker
from brokers.resilience.ticks import Ticks


@dataclass(frozen=True, slots=True)
class Patience:
    """When a breaker opens, and for how long.

    It opens after `in_a_row` failures without a success between them, or when `part` of the newest `newest` calls
    have failed. It stays open for `first` seconds, twice as long after each trial that failed, at most `longest`.
    """

    in_a_row: int = 5
    newest: int = 20
    part: float = 0.5
    first: float = 2.0
    longest: float = 60.0


class CircuitBreaker:
    """Closed: every call may pass. Open: none but urgent ones, and now and then one trial; a success closes it.

    Whoever was permitted owes exactly one of `succeeded`, `failed` and `withdrawn`. A trial that nobody hears of
    again does not block the next for ever.
    """

    def __init__(self, ticks: Ticks, patience: Patience | None = None) -> None:
        self._ticks = ticks
        self._patience = patience or Patience()
        self._newest: deque[bool] = deque(maxlen=self._patience.newest)
        self._in_a_row = 0
        self._wait = 0.0
        self._next_at: float | None = None  # when the next trial may go; None is closed
        self._trying = False
        self.opened = 0

    @property
    def state(self) -> Breaker:
        """How it stands now."""
        if self._next_at is None:
            return Breaker.CLOSED
        return Breaker.TRIAL if self._trying else Breaker.OPEN

    @property
    def seconds_left(self) -> float:
        """Until the next trial may go; zero when a call may go now."""
        if self._next_at is None:
            return 0.0
        return max(0.0, min(self._next_at - self._ticks(), self._wait))  # the sum of two floats may be a shade too long

    def permit(self, *, urgent: bool = False) -> bool:
        """Whether a call may go now. An urgent one always may, and is a trial while the breaker is open."""
        if self._next_at is None:
            return True
        if not urgent and self.seconds_left > 0:
            return False
        self._trying = True
        self._next_at = self._ticks() + self._wait
        return True

    def succeeded(self) -> None:
        """A permitted call was answered."""
        if self._next_at is not None:
            self._newest.clear()
        self._newest.append(True)
        self._in_a_row, self._wait, self._next_at, self._trying = 0, 0.0, None, False

    def failed(self) -> None:
        """A permitted call was not answered."""
        self._newest.append(False)
        self._in_a_row += 1
        if self._next_at is not None:
            self._stay_open()
        elif self._is_enough():
            self.opened += 1
            self._wait = self._patience.first
            self._next_at = self._ticks() + self._wait

    def withdrawn(self) -> None:
        """A permitted call was never made: nothing is known, and the next may try."""
        if self._trying:
            self._trying = False
            self._next_at = self._ticks()

    def _stay_open(self) -> None:
        """A failed trial doubles the wait; what was on its way when the breaker opened does not."""
        if self._trying:
            self._wait = min(2 * self._wait, self._patience.longest)
            self._trying = False
            self._next_at = self._ticks() + self._wait

    def _is_enough(self) -> bool:
        whole = len(self._newest) == self._patience.newest
        failed = self._newest.count(False)
        return self._in_a_row >= self._patience.in_a_row or (
            whole and failed >= self._patience.part * len(self._newest)
        )
