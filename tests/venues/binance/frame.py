"""What every product of the venue stands on: clock, keys, limits, script, journal, routes, connections, the market."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.venues.binance.clock import VenueClock, world_ms
from tests.venues.binance.faults import Script
from tests.venues.binance.hosts import LIVE
from tests.venues.binance.journal import Journal
from tests.venues.binance.keys import Key, Keys
from tests.venues.binance.limits import Limits
from tests.venues.binance.router import Router
from tests.venues.binance.sockets import Door, Sockets

Mover = Callable[[str, Decimal, Decimal | None], None]


class Frame:
    """Products register their routes at `router`, their doors at `doors`, what moves with prices at `movers`, and
    what is said every second though nothing has moved at `beaters`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.clock = VenueClock()
        self.journal = Journal(world_ms, folder)
        self.keys = Keys()
        self.limits = Limits(self.clock)
        self.script = Script()
        self.router = Router()
        self.sockets = Sockets()
        self.doors: dict[str, Door] = {}
        self.movers: list[Mover] = []
        self.beaters: list[Callable[[], None]] = []

    @property
    def key(self) -> Key:
        """The first key of the live mode."""
        return self.keys.of(LIVE)

    def move(self, symbol: str, price: Decimal | str, *, volume: Decimal | str | None = None) -> None:
        """Let the price of `symbol` be `price` everywhere (the bid; the ask is a tick above).

        With a `volume`, resting orders that this price reaches fill no more than that in all.
        """
        self.journal.write("price", symbol=symbol, price=str(price), volume=None if volume is None else str(volume))
        for mover in self.movers:
            mover(symbol, Decimal(price), None if volume is None else Decimal(volume))
