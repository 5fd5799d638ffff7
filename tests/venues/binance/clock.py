"""The venue's clock: the world's time, and how far the venue is ahead of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from tests.venues.binance.errors import Refusal

MOST_RECV_WINDOW = 60_000
USUAL_RECV_WINDOW = 5_000
AHEAD_MS = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def world_ms() -> int:
    """Milliseconds of the world's clock."""
    return time.time_ns() // 1_000_000


class VenueClock:
    """`offset_ms` is how far the venue is ahead of us; tests change it."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self._last = _EPOCH

    def now_ms(self) -> int:
        """The venue's time in milliseconds."""
        return world_ms() + self.offset_ms

    def moment(self) -> datetime:
        """The venue's time, later than every moment before: the matching engine needs an order of things."""
        now = _EPOCH + timedelta(microseconds=time.time_ns() // 1000 + self.offset_ms * 1000)
        self._last = max(now, self._last + timedelta(microseconds=1))
        return self._last

    def check(self, timestamp: str | None, recv_window: str | None) -> None:
        """Raise -1021 for a request from too long ago or from the future."""
        if timestamp is None or not timestamp.isdigit():
            raise Refusal(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        window = float(recv_window) if recv_window else USUAL_RECV_WINDOW
        if window > MOST_RECV_WINDOW:
            raise Refusal(-1131, "recvWindow must be less than 60000")
        now, then = self.now_ms(), int(timestamp)
        if then >= now + AHEAD_MS:
            raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now - then > window:
            raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
