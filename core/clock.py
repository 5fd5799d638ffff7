"""Time and ids enter the program here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

# What a market's clock shows before the first price of all.
BEFORE_MARKET = datetime.fromtimestamp(0, UTC)


class Clock(Protocol):
    """Says what time it is: aware datetimes in UTC."""

    def now(self) -> datetime:
        """The time now."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock moved by hand: for tests, simulations, and as the market's clock in a replay."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time it was last set to."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Move to `moment`; time never runs backwards, an earlier moment is ignored."""
        self._now = max(self._now, moment)

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._now += timedelta(seconds=seconds)


def entropy(count: int) -> bytes:
    """`count` random bytes that nobody can guess."""
    return os.urandom(count)


CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def crockford(number: int, length: int) -> str:
    """`number` in so many letters of five bits, without those that look alike."""
    return "".join([CROCKFORD[(number >> shift) & 31] for shift in range(5 * (length - 1), -1, -5)])


class Ids:
    """Makes ids that are unique for ever and sort by time (26 characters, the ULID layout).

    `entropy(n)` gives n random bytes; a simulation passes its own seeded source.
    """

    def __init__(self, clock: Clock, entropy: Callable[[int], bytes] = entropy) -> None:
        self._clock = clock
        self._entropy = entropy

    def new(self) -> str:
        """48 bits of milliseconds and 80 random bits, in Crockford's base 32."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return crockford(milliseconds, 10) + crockford(int.from_bytes(self._entropy(10)), 16)

    def order(self) -> str:
        """A client order id: `qd` and an id, 28 characters of A-Z 0-9."""
        return "qd" + self.new()

    def nonce(self) -> str:
        """128 random bits as 32 hex digits, for buttons that must not be guessed."""
        return self._entropy(16).hex()
