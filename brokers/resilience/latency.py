"""How long calls take: a histogram of fixed size whose quantiles are never too small, and at most a tenth too large."""

from __future__ import annotations

import math
from collections import deque

_SMALLEST = 0.0001
_GROWTH = 1.1
_BUCKETS = math.ceil(math.log(600 / _SMALLEST, _GROWTH)) + 1  # 0.1 ms to ten minutes


class Latencies:
    """The newest `keep` durations in seconds, counted in buckets that grow by a tenth.

    Quantiles take one pass over the buckets, however many calls there were.
    """

    def __init__(self, keep: int = 1000) -> None:
        self._newest: deque[int] = deque(maxlen=keep)
        self._counts = [0] * _BUCKETS

    def __len__(self) -> int:
        return len(self._newest)

    def add(self, seconds: float) -> None:
        """Count one more; the oldest falls out when there are too many."""
        if len(self._newest) == self._newest.maxlen:
            self._counts[self._newest[0]] -= 1
        bucket = _bucket(seconds)
        self._newest.append(bucket)
        self._counts[bucket] += 1

    def quantile(self, part: float) -> float | None:
        """A duration that `part` (0 to 1) of the newest did not exceed; None before the first."""
        if not self._newest:
            return None
        wanted, seen = max(1, math.ceil(part * len(self._newest))), 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return _SMALLEST * _GROWTH**bucket
        raise AssertionError("the counts do not add up")


def _bucket(seconds: float) -> int:
    """The first bucket whose upper edge is not below `seconds`."""
    if seconds <= _SMALLEST:
        return 0
    place = math.ceil(math.log(seconds / _SMALLEST, _GROWTH) - 1e-9)
    return min(place, _BUCKETS - 1)
