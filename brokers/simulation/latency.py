"""How long a message is on its way to a simulated venue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Latency:
    """A fixed time for each kind of message, and up to `jitter` more.

    The jitter is drawn by hashing the seed and the message, not from a stream of random numbers: the same
    message takes the same time in every run and after every restart.
    """

    place: timedelta = timedelta(0)
    cancel: timedelta = timedelta(0)
    modify: timedelta = timedelta(0)
    jitter: timedelta = timedelta(0)
    seed: int = 0

    def of_place(self, order: str) -> timedelta:
        """How long a new order is on its way."""
        return self.place + self._drawn("place", order, 0)

    def of_cancel(self, order: str, number: int) -> timedelta:
        """How long the cancel of an order is on its way; `number` tells several messages apart."""
        return self.cancel + self._drawn("cancel", order, number)

    def of_modify(self, order: str, number: int) -> timedelta:
        """How long a change of an order is on its way."""
        return self.modify + self._drawn("modify", order, number)

    def _drawn(self, kind: str, order: str, number: int) -> timedelta:
        span = self.jitter // _MICROSECOND
        if span == 0:
            return timedelta(0)
        digest = blake2b(f"{self.seed}/{kind}/{order}/{number}".encode(), digest_size=8).digest()
        return _MICROSECOND * (int.from_bytes(digest) % (span + 1))
