"""The whole engine on live prices over the real wire: ccxt, sockets, and a server that speaks as Binance does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

import brokers.ccxt.clock as venue_clock
from brokers.ccxt import markets
from brokers.network import Network
from brokers.order import Side
from brokers.resilience.ticks import ticks
from core import live_rounds, tending
from core.access.roles import Actor, Role
from core.engine import Engine
from core.service import Quarterdeck
from core.settings import Settings
from core.store.models import AlertRow
from core.trading.lifetimes import for_now
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from risk.intent import OrderIntent
from risk.verdict import Approved
from risk.view import TradingState
from tests.core.live.house import BREAKOUT, BTC, LIMITS, fills, settings, titles
from tests.venues.binance.app import BinanceServer
from tests.venues.loopback import Loopback

LIVE = {"adapter": "binance", "market": "spot", "mode": "live"}
TEST = {"adapter": "binance", "market": "spot", "mode": "testnet"}


class VenueTime:
    """The wall clock as the venue shows it, which a test puts forward so that a bar is about to end.

    What is known of the venue's time goes on with it, as if so much time had passed.
    """

    def __init__(self, *venues: BinanceServer) -> None:
        self._venues = venues
        venue_clock.ticks = lambda: ticks() + self._venues[0].clock.offset_ms / 1000

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(milliseconds=self._venues[0].clock.offset_ms)

    def before_a_minute_ends(self, seconds: float) -> None:
        """Go forward to so many seconds before the next one ends; never back."""
        left = 60 - self.now().timestamp() % 60
        forward = int(((left - seconds) % 60) * 1000)
        for venue in self._venues:
            venue.clock.offset_ms += forward


class Two(AbstractResolver):
    """The testnet's names lead to a second server."""

    def __init__(self, first: int, second: int) -> None:
        self._first, self._second = Loopback(first), Loopback(second)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return await (self._second if "testnet" in host else self._first).resolve(host, port)

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture(autouse=True)
def own_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`VenueTime` moves them; they are put back."""
    monkeypatch.setattr(venue_clock, "ticks", ticks)


@asynccontextmanager
async def running(given: Settings, clock: VenueTime, network: Network) -> AsyncIterator[Engine]:
    """As in a real start, with everything that runs by itself."""
    engine = Engine(given, clock=clock, durable=False, network=network)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()


async def until(seen: Callable[[], Any], seconds: float = 40) -> None:
    """Wait for something, not for ever; a slow machine is given its time."""
    async with asyncio.timeout(seconds):
        while not seen():
            await asyncio.sleep(0.02)


def price(engine: Engine) -> int:
    quote = engine.market.quotes.get(BTC)
    return 0 if quote is None else int(quote.last)


def priced(venue: BinanceServer, engine: Engine, at: int) -> Callable[[], bool]:
    """The venue says so until we have heard it."""

    def seen() -> bool:
        venue.move("BTCUSDT", str(at))
        return price(engine) == at

    return seen


async def test_a_paper_account_trades_on_binances_prices(tmp_path: Path):
    """Bought at the end of a bar by the venue's own rules; started anew in the middle of one, nothing is bought twice."""
    async with BinanceServer() as venue:
        clock = VenueTime(venue)
        given = settings(tmp_path, market={"feeds": [LIVE]})
        clock.before_a_minute_ends(50)
        async with running(given, clock, venue.network) as engine:
            desk = engine.floor.first
            assert len(engine.strategies.history(BTC)) > 500
            assert desk.portfolio.instruments[BTC].base == "BTC"
            await until(priced(venue, engine, 60000))
            assert not desk.portfolio.held()
            clock.before_a_minute_ends(1)

            def bought() -> bool:
                venue.move("BTCUSDT", "60010")
                return bool(desk.portfolio.held())

            await until(bought)
            assert engine.rounds.status == "live from binance"
            held = desk.portfolio.held()
            assert engine.market.volumes[BTC] > 0
        async with running(given, clock, venue.network) as engine:
            await until(priced(venue, engine, 60020))
            assert engine.floor.first.portfolio.held() == held
            assert not engine.floor.first.orders.open_orders
        assert len(await _fills(given)) == 1


async def test_when_binance_dies_another_venue_gives_the_prices(tmp_path: Path):
    """Prices, bars and history are the other's from then on, and people hear of it."""
    async with BinanceServer() as first, BinanceServer() as second:
        clock = VenueTime(first, second)
        network = Network(resolver=Two(first.port, second.port), ssl=first.network.ssl)
        given = settings(tmp_path, market={"feeds": [LIVE, TEST], "failover_seconds": 3})
        async with running(given, clock, network) as engine:

            def both(at: int) -> Callable[[], bool]:
                def seen() -> bool:
                    second.move("BTCUSDT", "50300")
                    return priced(first, engine, at)()

                return seen

            await until(both(50100))
            await first.stop()
            await until(priced(second, engine, 50303))
            assert engine.rounds.status == "live from binance-2 in place of a preferred feed"
            assert "Prices come from binance-2 now" in await titles()
            (lane,) = engine.rounds.live.lanes
            await until(lambda: not lane.unserved)


async def _fills(given: Settings) -> list[Any]:
    """What is in the database of an engine that has stopped."""
    from core.databases import database_of

    database = database_of(given, durable=False)
    await database.open()
    try:
        return await fills()
    finally:
        await database.close()


async def test_a_symbol_that_a_venue_calls_otherwise_is_told_at_the_start(tmp_path: Path, monkeypatch):
    """By name, and with what it may be called there; whatever else is traded goes on from the other feed."""
    async with BinanceServer() as venue:
        feeds = [LIVE, {**TEST, "symbols": ["BTC/USD"]}]
        given = settings(
            tmp_path, market={"symbols": [BTC, "BTC/USD"], "feeds": [{**LIVE, "symbols": [BTC]}, feeds[1]]}
        )
        monkeypatch.setattr(live_rounds, "_START_SECONDS", 3600.0)  # nobody waits for what cannot come
        async with asyncio.timeout(60), running(given, VenueTime(venue), venue.network) as engine:
            await until(priced(venue, engine, 50100))
            told = (await titles())[0]
            assert told == "binance-2 cannot give prices with these settings"
            (row,) = await AlertRow.filter(title=told)
            assert "BTC/USD" in row.body
            assert "did you mean" in row.body
            assert "BTC/USDT" in row.body


async def test_an_account_at_the_venue_gives_its_own_prices_and_survives_a_lost_connection(tmp_path: Path, monkeypatch):
    """It trades by its own venue's rules; while the venue is away nothing is halted, and then it goes on by itself."""
    monkeypatch.setattr(tending, "_RECONNECT_SECONDS", 0.1)
    async with BinanceServer() as venue:
        clock = VenueTime(venue)
        key = venue.keys.of("testnet")
        main = {"broker": {**TEST, "api_key": key.api_key, "secret": key.secret}, "limits": LIMITS}
        given = settings(tmp_path, market={"feeds": [{"account": "main"}]}, accounts={"main": main}, strategies=[])
        async with running(given, clock, venue.network) as engine:
            desk = engine.floor.first
            assert desk.reconciled
            assert desk.state_for() is TradingState.ACTIVE
            assert desk.portfolio.instruments[BTC].lot == Decimal("0.00001")
            assert desk.currency == "USDT"

            await until(priced(venue, engine, 50100))
            venue.script.plan("GET /api/v3/openOrders", "http_503_unavailable", times=10_000)
            venue.sockets.drop()
            await until(lambda: not desk.reconciled)
            venue.script.clear("GET /api/v3/openOrders")
            await until(lambda: desk.reconciled)
            await until(priced(venue, engine, 50200))
            assert desk.state_for() is TradingState.ACTIVE


async def test_rules_that_the_venue_has_changed_count_as_soon_as_it_refuses_an_order(tmp_path: Path, monkeypatch):
    """People are told what is different, and the next order goes by it; nothing is started anew."""
    monkeypatch.setattr(markets, "_AGAIN_SECONDS", 0.0)
    async with BinanceServer() as venue:
        key = venue.keys.of("testnet")
        main = {"broker": {**TEST, "api_key": key.api_key, "secret": key.secret}, "limits": LIMITS}
        given = settings(tmp_path, market={"feeds": [{"account": "main"}]}, accounts={"main": main}, strategies=[])
        async with running(given, VenueTime(venue), venue.network) as engine:
            desk = engine.floor.first
            await until(priced(venue, engine, 50100))
            venue.spot.listings["BTCUSDT"] = replace(venue.spot.listings["BTCUSDT"], lot=Decimal("0.001"))
            assert (await bought(engine, "0.0125")).state is OrderState.REJECTED
            await until(lambda: desk.portfolio.instruments[BTC].lot == Decimal("0.001"), 20)
            assert (await bought(engine, "0.012")).filled == Decimal("0.012")
            assert "BTC/USDT: the venue has changed its rules" in await titles()


async def test_a_symbol_that_the_venue_does_not_have_takes_no_account_away(tmp_path: Path):
    """People hear of it by name; the other is traded, and a strategy on both of them orders nothing in it."""
    async with BinanceServer() as venue:
        key = venue.keys.of("testnet")
        main = {"broker": {**TEST, "api_key": key.api_key, "secret": key.secret}, "limits": LIMITS}
        market = {"symbols": [BTC, "BTC/USD"], "feeds": [{"account": "main"}]}
        given = settings(
            tmp_path, market=market, accounts={"main": main}, strategies=[{**BREAKOUT, "symbols": [BTC, "BTC/USD"]}]
        )
        async with running(given, VenueTime(venue), venue.network) as engine:
            desk = engine.floor.first
            assert desk.reconciled
            assert desk.state_for() is TradingState.ACTIVE
            (told,) = await AlertRow.filter(kind="instrument")
            assert told.title == "main: BTC/USD is left out"
            assert told.body.startswith("Binance has no 'BTC/USD' here; did you mean 'BTC/USDT'?")
            await until(priced(venue, engine, 50100))
            assert (await bought(engine, "0.01")).filled == Decimal("0.01")
            ada = Actor("1", "Ada", Role.ADMIN)
            assert [each.symbol for each in await Quarterdeck(engine).tradables(ada)] == [BTC]
            assert desk.state_for() is TradingState.ACTIVE


async def bought(engine: Engine, quantity: str) -> LiveOrder:
    """An order at the market that was sent, and what has become of it."""
    desk, units = engine.floor.first, Decimal(quantity)
    rules, now = desk.portfolio.instruments[BTC], engine.clock.now()
    lasts = for_now(desk.broker.capabilities)
    intent = OrderIntent(desk.account, rules, Side.BUY, units, now, {"manual": units}, time_in_force=lasts)
    verdict = desk.gate.review(intent, desk.view())
    assert isinstance(verdict, Approved), verdict
    order = await desk.orders.submit(verdict)
    await until(lambda: not order.state.is_open, 20)
    return order
