"""An engine on the prices of towns, with a paper account, under a wall clock that a test moves; nothing runs by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.clock import ManualClock
from core.engine import Engine
from core.live_rounds import LiveRounds
from core.market.live import Lane, LiveMarket
from core.service import Quarterdeck
from core.settings import Settings, merge, parse_settings
from core.store.models import AlertRow, FillRow
from core.trading.desk import Desk
from tests.core.live.town import MINUTE, TOWNS, Town, pair
from tests.databases import database_url, kind

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BTC, ETH = "BTC/USDT", "ETH/USDT"
BREAKOUT = {
    "name": "alpha",
    "kind": "breakout",
    "symbols": [BTC],
    "parameters": {"entry": 2, "exit": 1},
    "sizing": {"method": "fixed_fractional", "percent": "5"},
}
LIMITS = {"max_entries": 1000, "max_order_value_percent": 25, "max_order_value": 50_000, "max_position_percent": 40}
PAPER = {"broker": {"adapter": "paper", "currency": "USDT", "initial_cash": 100_000}, "limits": LIMITS}
BASE: dict[str, Any] = {
    "telegram": {"token": "123456789:" + "A" * 35},
    "users": [{"id": 1, "name": "Ada", "role": "admin"}],
    "market": {
        "source": "live",
        "symbols": [BTC],
        "failover_seconds": 15,
        "feeds": [{"adapter": "town", "town": "north"}, {"adapter": "town", "town": "south"}],
    },
    "accounts": {"main": PAPER},
    "strategies": [BREAKOUT],
}


def settings(folder: Path, **over: Any) -> Settings:
    url = database_url(folder / "quarterdeck.sqlite3")
    stored = {} if kind() == "sqlite" else {"database_url": url}
    base = {**BASE, **({"accounts": {}} if "accounts" in over else {})}
    return parse_settings(merge({**base, "data_dir": folder, **stored}, over))


def towns(*symbols: str, bars: int = 6) -> tuple[Town, Town]:
    """Two towns that trade these symbols (BTC), with a past that ends now, at noon."""
    for name in ("north", "south"):
        town = TOWNS[name] = Town({each: pair(each) for each in symbols or (BTC,)})
        for symbol in symbols or (BTC,):
            for number in range(bars - 1, -1, -1):
                town.bar(symbol, 100, NOON - number * MINUTE)
            town.bar(symbol, 100, NOON.replace(hour=0), period=timedelta(days=1), volume=5000)
    return TOWNS["north"], TOWNS["south"]


class LiveHouse:
    """The engine, and the steps that it would take by itself."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock
        self.is_quiet = False
        self.service = Quarterdeck(engine)
        assert isinstance(engine.rounds, LiveRounds)
        self.rounds = engine.rounds

    @property
    def desk(self) -> Desk:
        return self.engine.floor.first

    async def look(self) -> None:
        """Feeds tell what they have heard, what is missing is asked for, and everybody works through it."""
        for _ in range(2):
            await breathe()
            for lane in self.rounds.live.lanes:
                await self.rounds.live.serve_once(lane)
            await self.rounds.step()
            for moments in self.rounds._moments.values():
                await moments.step()

    async def at(self, seconds: float, minute: int = 0) -> None:
        """It is so many seconds after a minute after noon; unless it is quiet, towns say that prices are as they were."""
        self.clock.set(NOON + minute * MINUTE + timedelta(seconds=seconds))
        for town in [] if self.is_quiet else TOWNS.values():
            for symbol, quote in tuple(town.latest.items()) if town.is_up else ():
                town.price(symbol, quote.last, self.clock.now())
        await self.look()

    async def tick(self, town: Town, price: str | int, symbol: str = BTC) -> None:
        """A price, now."""
        town.price(symbol, price, self.clock.now())
        await self.look()

    def held(self, symbol: str = BTC) -> Decimal:
        return self.desk.portfolio.quantity(symbol)


async def breathe() -> None:
    """Whatever can run now has run."""
    for _ in range(25):
        await asyncio.sleep(0)


async def titles() -> list[str]:
    """The alerts about the market, oldest first."""
    rows = await AlertRow.filter(kind__in=("prices", "instrument")).order_by("id")
    return [row.title for row in rows]


async def fills() -> list[tuple[str, Decimal]]:
    return [(row.symbol, row.price) for row in await FillRow.all().order_by("id")]


def _served_once(live: LiveMarket) -> Callable[[Lane], Awaitable[None]]:
    """A start asks for what is missing as always; from then on only a test that looks does."""

    async def serve(lane: Lane) -> None:
        while lane.asked is not lane.feed:
            await live.serve_once(lane)
            await asyncio.sleep(0.01)

    return serve


@asynccontextmanager
async def house(
    given: Settings, at: datetime = NOON + timedelta(seconds=1), prepare: Callable[[Engine], None] = lambda _: None
) -> AsyncIterator[LiveHouse]:
    """Started, and always stopped."""
    clock = ManualClock(at)
    engine = Engine(given, clock=clock, durable=False)
    rounds = engine.rounds
    assert isinstance(rounds, LiveRounds)
    rounds.live._seconds = lambda: clock.now().timestamp()
    rounds.live.serve = _served_once(rounds.live)  # type: ignore[method-assign]
    rounds.parts = dict  # type: ignore[method-assign]
    for feed in engine.feeds:
        feed._silence = 3600  # by the loop's clock, which no test moves: a slow test would hear prices twice
    prepare(engine)
    made = LiveHouse(engine, clock)
    try:
        await engine.start()
        for town in TOWNS.values():
            for symbol in town.instruments if town.is_up and not town.latest else ():
                town.price(symbol, 100, at)
        await made.look()
        yield made
    finally:
        await engine.stop()
