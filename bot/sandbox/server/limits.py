"""How fast a bot may speak, and how long things stay valid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.sandbox.server.errors import ApiError

_UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Telegram's documented rates; edits count like messages. All times are in seconds."""

    chat_burst: int = 20
    chat_per_second: float = 1.0
    group_per_minute: int = 20
    overall_burst: int = 30
    overall_per_second: float = 30.0
    callback_seconds: float = 15.0
    update_retention: float = 86_400.0

    @classmethod
    def relaxed(cls) -> Limits:
        """No rate limits: for tests and benchmarks of other things."""
        return cls(
            chat_burst=_UNLIMITED, group_per_minute=_UNLIMITED, overall_burst=_UNLIMITED,
        )  # fmt: skip


@dataclass(slots=True)
class _Bucket:
    capacity: float
    per_second: float
    level: float
    at: float

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + max(0.0, now - self.at) * self.per_second)
        self.at = now

    def wait(self, cost: int) -> float:
        return max(0.0, (cost - self.level) / self.per_second)


@dataclass(slots=True)
class RateMeter:
    """Counts what the bot sends and raises Telegram's 429 when it is too much."""

    limits: Limits
    clock: Callable[[], float]
    _buckets: dict[int | None, _Bucket] = field(default_factory=dict)

    def charge(self, chat_id: int, *, group: bool, cost: int = 1) -> None:
        """Count `cost` messages to a chat; raises `ApiError` 429 with `retry_after`."""
        now = self.clock()
        buckets = [self._overall(now), self._chat(chat_id, group, now)]
        for bucket in buckets:
            bucket.refill(now)
        wait = max(bucket.wait(min(cost, int(bucket.capacity))) for bucket in buckets)
        if wait > 0:
            seconds = max(1, math.ceil(wait))
            raise ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        for bucket in buckets:
            bucket.level -= cost

    def _overall(self, now: float) -> _Bucket:
        size = self.limits.overall_burst
        return self._buckets.setdefault(None, _Bucket(size, self.limits.overall_per_second, size, now))

    def _chat(self, chat_id: int, group: bool, now: float) -> _Bucket:
        size = self.limits.group_per_minute if group else self.limits.chat_burst
        rate = self.limits.group_per_minute / 60 if group else self.limits.chat_per_second
        return self._buckets.setdefault(chat_id, _Bucket(size, rate, size, now))
