"""How a connection is doing: every call and stream leaves a trace here, and here the circuit breaker decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from brokers.ccxt.limits import URGENT, Limits
from brokers.errors import Unavailable
from brokers.health import CallHealth, Health, StreamHealth
from brokers.resilience.breaker import CircuitBreaker
from brokers.resilience.latency import Latencies
from brokers.resilience.success import Success
from brokers.resilience.ticks import Ticks, ticks
from brokers.urgency import is_urgent

if TYPE_CHECKING:
    from brokers.ccxt.clock import VenueClock

_TOLD = 200  # characters of an error that are kept
_SHUT = "the venue does not answer"
MARKET = "market"  # the kind of every question about prices


class _Calls:
    """The newest calls of one kind."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self.success = Success()

    @property
    def health(self) -> CallHealth:
        p50, p99 = self.latencies.quantile(0.5), self.latencies.quantile(0.99)
        return CallHealth(len(self.success), self.success.failed, p50, p99)


class StreamPulse:
    """One stream: whether it is open, and when it was last heard."""

    def __init__(self, now: Callable[[], datetime], tell: Callable[[str], None]) -> None:
        self._now = now
        self._tell = tell
        self._is_open = False
        self._was_open = False
        self._polled = False
        self._last_at: datetime | None = None
        self._restarts = 0
        self.is_wanted = False

    @property
    def health(self) -> StreamHealth:
        """How it stands."""
        return StreamHealth(self._is_open, self._last_at, self._restarts, self._polled)

    def wanted(self) -> None:
        """Somebody reads it: it is to be open."""
        self.is_wanted = True

    def opened(self, *, another: bool = False) -> None:
        """It is subscribed; every time but the first is a restart, unless it is `another` part of it."""
        self._restarts += self._was_open and not another
        self._is_open = self._was_open = self.is_wanted = True
        self._polled = False
        self._last_at = self._now()

    def answered(self) -> None:
        """There is no stream: the venue was asked, and has answered."""
        self._is_open = self._polled = self.is_wanted = True
        self._last_at = self._now()

    def heard(self) -> None:
        """Something came, a heartbeat too."""
        self._last_at = self._now()

    def lost(self, error: str = "") -> None:
        """It has ended; without an error because nobody wants it any more: then it is no part of the health."""
        self._is_open = False
        self.is_wanted = bool(error)
        if error:
            self._tell(error)
        else:
            self._was_open = False


class Pulse:
    """One connection. Whoever is permitted a call owes exactly one of `note` and `withdraw`."""

    def __init__(self, now: Callable[[], datetime], ticks: Ticks = ticks) -> None:
        self._now = now
        self._calls: dict[str, _Calls] = {}
        self._streams: dict[str, StreamPulse] = {}
        self._breaker = CircuitBreaker(ticks)
        self._prices = CircuitBreaker(ticks)
        self._connections = 0
        self._last_error = ""
        self._last_error_at: datetime | None = None

    def permit(self, kind: str) -> None:
        """Raises `Unavailable` while the breaker is open. Cancels always pass, the dead man's timer, what is urgent."""
        breaker = self._breaker_of(kind)
        if not breaker.permit(urgent=kind in URGENT or is_urgent()):
            raise Unavailable(f"{_SHUT}; it is tried again in {breaker.seconds_left:.0f} s ({self._last_error})")

    def note(self, kind: str, seconds: float, ok: bool, error: str = "") -> None:
        """A call has ended: `ok` if the venue answered, a refusal too."""
        calls = self._calls.setdefault(kind, _Calls())
        calls.latencies.add(seconds)
        calls.success.add(ok)
        if ok:
            self._breaker_of(kind).succeeded()
        else:
            self._breaker_of(kind).failed()
        if error:
            self._told(error)

    def withdraw(self, kind: str) -> None:
        """A permitted call was never made."""
        self._breaker_of(kind).withdrawn()

    def stream(self, name: str) -> StreamPulse:
        """The pulse of one stream (reports, quotes …)."""
        return self._streams.setdefault(name, StreamPulse(self._now, self._told))

    def connected(self) -> None:
        """The connection was made; every time but the first it was made anew."""
        self._connections += 1

    def health(self, limits: Limits | None = None, clock: VenueClock | None = None) -> Health:
        """Everything at this moment."""
        return Health(
            breaker=self._breaker.state,
            prices=self._prices.state,
            calls={kind: calls.health for kind, calls in self._calls.items()},
            streams={name: stream.health for name, stream in self._streams.items() if stream.is_wanted},
            used=limits.used if limits else None,
            banned_until=limits.banned_until if limits else None,
            clock_offset=clock.offset if clock else None,
            reconnects=max(0, self._connections - 1),
            last_error=self._last_error,
            last_error_at=self._last_error_at,
        )

    def _breaker_of(self, kind: str) -> CircuitBreaker:
        """Prices that cannot be had keep no order back, nor does their asking take its turn."""
        return self._prices if kind == MARKET else self._breaker

    def _told(self, error: str) -> None:
        if error.startswith(_SHUT):
            return  # our own word, which has the error in it
        self._last_error, self._last_error_at = " ".join(error.split())[:_TOLD], self._now()
