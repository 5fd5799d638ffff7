"""How a connection to a venue is doing, and what an inspection of it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Breaker(StrEnum):
    """The circuit breaker of a venue: closed is normal; open lets nothing through but a trial now and then."""

    CLOSED = "closed"
    OPEN = "open"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class CallHealth:
    """The newest calls of one kind: how many, how many of them failed, and how long they took (seconds)."""

    count: int
    failed: int
    p50: float | None = None
    p99: float | None = None

    @property
    def success(self) -> float | None:
        """The part that went well, from 0 to 1; None before the first."""
        return (self.count - self.failed) / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """One stream: since when it is silent, and how often it had to be opened anew.

    `polled`: the venue pushes nothing here, or its stream cannot be opened now: it is asked every few seconds.
    """

    is_open: bool
    last_at: datetime | None
    restarts: int = 0
    polled: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """A connection at one moment. `calls` by kind (place, cancel, query …), `streams` by name (reports, quotes …).

    `breaker` is that of orders and of the account; questions about the market have `prices`, one of their own, so that
    prices which cannot be had keep nobody from trading. `used` is the part of the venue's rate limit that is used up
    (0 to 1), `banned_until` when it speaks to us again, `clock_offset` how far its clock is ahead of ours. None is
    unknown, or not a question there.
    """

    breaker: Breaker = Breaker.CLOSED
    prices: Breaker = Breaker.CLOSED
    calls: Mapping[str, CallHealth] = field(default_factory=dict)
    streams: Mapping[str, StreamHealth] = field(default_factory=dict)
    used: float | None = None
    banned_until: datetime | None = None
    clock_offset: timedelta | None = None
    reconnects: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None


class Grade(StrEnum):
    """How grave a finding is: good, worth a look, or in the way."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an inspection found: `text` says it in plain words, `remedy` what to do about it."""

    grade: Grade
    text: str
    remedy: str = ""
