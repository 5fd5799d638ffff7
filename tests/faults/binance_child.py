"""What the program under test needs to trade at a Binance server of another process: the way there, and one clock.

The harness moves the machine's clock by hand, for a minute that passes is not waited for. What ccxt takes for the
machine's clock is moved with it, and what limits, bans and the breaker wait by; the harness moves the venue's.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from brokers.adapters import binance  # noqa: F401 - so that no life has to import it
from brokers.ccxt import broker, client
from brokers.ccxt import clock as venue_clock
from brokers.ccxt.limits import Limits
from brokers.ccxt.loading import load_exchange_class
from brokers.ccxt.pulse import Pulse
from brokers.network import Network
from brokers.resilience.ticks import ticks
from core import live_rounds, moments, tending
from core.market import feed
from tests.venues.loopback import network_of

# Whoever waits in order to try again waits no longer than that: what is tried here is what comes of it.
_SOON = 0.1
IDS = ("binance", "binanceusdm")


class MovedClock(Protocol):
    """A clock, and by how many seconds it was moved."""

    @property
    def moved(self) -> float: ...

    def now(self) -> datetime: ...


def import_ccxt() -> None:
    """What takes half a second of every life otherwise."""
    for ccxt_id in IDS:
        load_exchange_class(ccxt_id)


def at_binance(folder: Path, clock: MovedClock) -> Network:
    """The way to the server that has written to `folder`."""
    moved = partial(_moved_ticks, clock)
    client.Limits = partial(Limits, ticks=moved)  # type: ignore[misc, assignment]
    broker.Pulse = partial(Pulse, ticks=moved)  # type: ignore[misc, assignment]
    venue_clock.ticks = moved  # type: ignore[attr-defined]
    tending._RECONNECT_SECONDS = feed._AGAIN_SECONDS = _SOON
    moments._PAUSE_SECONDS = live_rounds._VAIN_SECONDS = _SOON
    for ccxt_id in IDS:
        load_exchange_class(ccxt_id).milliseconds = staticmethod(lambda: int(clock.now().timestamp() * 1000))  # type: ignore[attr-defined]
    return network_of(folder)


def _moved_ticks(clock: MovedClock) -> float:
    return ticks() + clock.moved
