"""The pulse of a connection: calls, streams, and when the breaker keeps us from asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from brokers.ccxt.limits import BINANCE_SPOT, Limits
from brokers.ccxt.pulse import Pulse
from brokers.errors import Unavailable
from brokers.health import Breaker, Health, StreamHealth
from brokers.urgency import urgently
from tests.brokers.resilience.by_hand import HandClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Rig:
    """A pulse under a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.pulse = Pulse(self.now, self.clock)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.clock.seconds - 1000)

    def fail(self, times: int, kind: str = "query") -> None:
        for _ in range(times):
            self.pulse.permit(kind)
            self.pulse.note(kind, 10, ok=False, error="RequestTimeout:\n no answer")


def test_nothing_has_happened_yet() -> None:
    """Everything is unknown, nothing is wrong."""
    assert Rig().pulse.health() == Health()


def test_calls_by_kind() -> None:
    """How long, how many, how many failed, and the newest error on one line."""
    rig = Rig()
    for number in range(100):
        rig.pulse.permit("place")
        rig.pulse.note("place", 0.01 if number < 99 else 2, ok=True, error="INSUFFICIENT_FUNDS" if number == 3 else "")
    rig.fail(1)
    health = rig.pulse.health()
    place = health.calls["place"]
    assert place.p50 == pytest.approx(0.01, rel=0.11)
    assert place.p99 == pytest.approx(0.01, rel=0.11)
    assert (place.count, place.failed, place.success) == (100, 0, 1)
    assert health.calls["query"].failed == 1
    assert health.last_error == "RequestTimeout: no answer"
    assert health.last_error_at is not None


def test_an_open_breaker_keeps_everybody_but_cancels() -> None:
    """And says since which error, and until when."""
    rig = Rig()
    rig.fail(5)
    assert rig.pulse.health().breaker is Breaker.OPEN
    with pytest.raises(Unavailable, match=r"does not answer; it is tried again in 2 s \(RequestTimeout: no answer\)"):
        rig.pulse.permit("place")
    with urgently():
        rig.pulse.permit("query")
    rig.pulse.permit("cancel")
    rig.pulse.note("cancel", 0.1, ok=True)
    rig.pulse.permit("place")
    assert rig.pulse.health().breaker is Breaker.CLOSED


def test_prices_that_cannot_be_had_keep_nobody_from_trading() -> None:
    """Questions about the market have a breaker of their own, and take no turn of anything else."""
    rig = Rig()
    rig.fail(5, "market")
    assert (rig.pulse.health().prices, rig.pulse.health().breaker) == (Breaker.OPEN, Breaker.CLOSED)
    with pytest.raises(Unavailable):
        rig.pulse.permit("market")
    for kind in ("place", "query", "connect"):
        rig.pulse.permit(kind)
        rig.pulse.note(kind, 0.1, ok=True)
    assert rig.pulse.health().prices is Breaker.OPEN
    rig.fail(5, "query")
    rig.clock.pass_(2)
    rig.pulse.permit("market")
    rig.pulse.note("market", 0.1, ok=True)
    assert (rig.pulse.health().prices, rig.pulse.health().breaker) == (Breaker.CLOSED, Breaker.OPEN)


def test_our_own_word_is_not_told_as_the_last_error() -> None:
    """Else each refusal would quote the one before it."""
    rig = Rig()
    rig.fail(5)
    with pytest.raises(Unavailable) as refused:
        rig.pulse.permit("query")
    rig.pulse.stream("reports").lost(str(refused.value))
    assert rig.pulse.health().last_error == "RequestTimeout: no answer"


def test_a_call_that_was_never_sent_counts_for_nothing() -> None:
    """Its trial goes to the next."""
    rig = Rig()
    rig.fail(5)
    rig.clock.pass_(2)
    rig.pulse.permit("query")
    with pytest.raises(Unavailable):
        rig.pulse.permit("query")
    rig.pulse.withdraw("query")
    rig.pulse.permit("query")
    assert rig.pulse.health().calls["query"].count == 5


def test_streams() -> None:
    """Open, silent since, opened anew how often; one that nobody wants any more is no failure."""
    rig = Rig()
    reports = rig.pulse.stream("reports")
    reports.opened()
    rig.clock.pass_(5)
    reports.heard()
    assert rig.pulse.health().streams == {"reports": StreamHealth(True, NOON + timedelta(seconds=5), 0)}
    reports.lost("the line broke")
    assert rig.pulse.health().streams["reports"] == StreamHealth(False, NOON + timedelta(seconds=5), 0)
    assert rig.pulse.health().last_error == "the line broke"
    rig.clock.pass_(5)
    rig.pulse.stream("reports").opened()
    assert rig.pulse.health().streams["reports"] == StreamHealth(True, NOON + timedelta(seconds=10), 1)
    reports.lost()
    reports.opened()
    assert rig.pulse.health().streams["reports"].restarts == 1


def test_streams_that_nobody_reads_and_those_that_are_none() -> None:
    """The first are no part of the health, or they would look lost for ever; the second say that they are polled."""
    rig = Rig()
    quotes, reports = rig.pulse.stream("quotes"), rig.pulse.stream("reports")
    assert rig.pulse.health().streams == {}
    quotes.wanted()
    reports.answered()
    polled = StreamHealth(True, NOON, 0, polled=True)
    assert rig.pulse.health().streams == {"quotes": StreamHealth(False, None), "reports": polled}
    quotes.opened()
    reports.lost("no answer")
    assert rig.pulse.health().streams["reports"] == StreamHealth(False, NOON, 0, polled=True)
    quotes.lost()
    reports.opened()
    assert rig.pulse.health().streams == {"reports": StreamHealth(True, NOON, 0)}


def test_reconnects_limits_and_bans_are_told() -> None:
    """In one view."""
    rig = Rig()
    limits = Limits(BINANCE_SPOT, now=rig.now, ticks=rig.clock)
    limits.heard(418, {"Retry-After": "60", "x-mbx-used-weight-1m": "5400"})
    rig.pulse.connected()
    assert rig.pulse.health().reconnects == 0
    rig.pulse.connected()
    health = rig.pulse.health(limits)
    assert (health.reconnects, health.banned_until) == (1, NOON + timedelta(seconds=60))
    assert health.used == pytest.approx(0.9)
