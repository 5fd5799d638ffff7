"""A desk on Binance over the wire: after every way of paying a fee, books and wallet agree to the last digit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.order import Side
from brokers.registry import BrokerContext, BrokerFactory
from core.alerts.outbox import Alerts
from core.clock import Ids, ManualClock
from core.events import Events
from core.store.database import Database
from core.store.models import AlertRow, FillRow
from core.store.orders import get_order, known_ids
from core.trading.desk import Desk, Surroundings
from core.trading.inspection import verify
from core.trading.ledger import EXTERNAL
from core.trading.lifetimes import for_now
from core.trading.live_order import MANUAL
from core.trading.market import Market
from core.trading.switch import TradingSwitch
from risk.gate import RiskGate
from risk.intent import OrderIntent
from risk.verdict import Approved
from tests.core.trading.stage import WIDE
from tests.databases import database_url
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.person import order_by_hand

SYMBOLS = ("BTC/USDT", "BNB/USDT")


class Wired:
    """One account on the real adapter."""

    def __init__(self, folder: Path, venue: BinanceServer) -> None:
        self.folder = folder
        self.venue = venue
        self.database = Database(database_url(folder / "q.sqlite3"), require_durable=False)

    async def begin(self, symbols: Sequence[str] = SYMBOLS, mode: str = "testnet", market: str = "spot") -> None:
        await self.database.open()
        wall = self.wall = ManualClock(datetime.now(UTC))
        self.market_clock = ManualClock(wall.now())
        key = self.venue.keys.of(mode)
        context = BrokerContext(self.folder, lambda: datetime.now(UTC), symbols=symbols, network=self.venue.network)
        raw = {"adapter": "binance", "mode": mode, "market": market, "api_key": key.api_key, "secret": key.secret}
        self.broker = BrokerFactory(context).build("main", raw)
        alerts, switch, self.market = Alerts(["telegram:1"], wall, self.market_clock), TradingSwitch(wall), Market()
        around = Surroundings(wall, self.market_clock, Ids(wall), alerts, Events(), switch, self.market)
        await self.broker.connect()
        self.rules = {each.symbol: each for each in await self.broker.get_instruments()}
        self.desk = Desk("main", "USDT", self.broker, RiskGate(WIDE), self.rules, around)
        await self.desk.load()
        await self.desk.reconcile()
        await self.prices()
        await self.desk.roll_day()
        self.listener = asyncio.create_task(self.desk.listen())
        await asyncio.sleep(0.05)

    async def prices(self) -> None:
        quotes = [await self.broker.get_quote(symbol) for symbol in self.rules]
        self.market_clock.set(max(self.market_clock.now(), *(each.at for each in quotes)))
        self.market.on_quotes(quotes)
        self.desk.mark({each.symbol: each.last for each in quotes})

    async def trade(self, quantity: str, symbol: str = "BTC/USDT", **parts: str) -> None:
        await self.prices()
        shares = {name: Decimal(part) for name, part in (parts or {"alpha": quantity}).items()}
        units = Decimal(quantity)
        intent = OrderIntent(
            "main",
            self.rules[symbol],
            Side.of(units),
            abs(units),
            self.market_clock.now(),
            shares,
            time_in_force=for_now(self.broker.capabilities),
        )
        verdict = self.desk.gate.review(intent, self.desk.view())
        assert isinstance(verdict, Approved), verdict
        order = await self.desk.orders.submit(verdict)
        async with asyncio.timeout(30):
            while order.state.is_open or order.filled < order.request.quantity:
                await asyncio.sleep(0.01)

    def held(self, strategy: str, symbol: str) -> Decimal:
        return self.desk.portfolio.lot(strategy, symbol).quantity

    async def agrees(self) -> None:
        assert await self.desk.reconcile() == []
        assert (await verify("main", "USDT", self.rules)).is_true

    async def end(self) -> None:
        self.listener.cancel()
        await asyncio.gather(self.listener, return_exceptions=True)
        await self.broker.disconnect()
        await self.database.close()


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[Wired]:
    async with BinanceServer() as venue:
        wallet = venue.spot.desk.wallet
        wallet.balances.clear()
        wallet.add("USDT", Decimal(100_000))
        wallet.changed()
        stage = Wired(tmp_path, venue)
        await stage.begin()
        yield stage
        await stage.end()


async def test_fees_in_the_coin_that_was_bought(wired: Wired) -> None:
    """Two strategies share a buy; one sells all that it can; the rest is dust, and nothing differs at any time."""
    await wired.trade("0.3", alpha="0.1", beta="0.2")
    await wired.agrees()
    held = wired.held("alpha", "BTC/USDT")
    assert Decimal("0.0998") < held < Decimal("0.1")
    assert wired.held("alpha", "BTC/USDT") * 2 == wired.held("beta", "BTC/USDT")
    closing = wired.desk.closing("alpha")["BTC/USDT"]["alpha"]
    await wired.trade(str(closing))
    await wired.agrees()
    left = wired.held("alpha", "BTC/USDT")
    assert 0 <= left < wired.rules["BTC/USDT"].lot
    assert wired.desk.closing("alpha") == {}


async def test_fees_in_a_coin_that_is_another_position(wired: Wired) -> None:
    """BNB that is held pays for BTC, at Binance and in the books."""
    await wired.trade("2", "BNB/USDT", manual="2")
    await wired.agrees()
    wired.venue.spot.desk.bnb_fees = True
    before = wired.held(MANUAL, "BNB/USDT")
    await wired.trade("0.1")
    await wired.agrees()
    assert wired.held("alpha", "BTC/USDT") == Decimal("0.1")
    assert wired.held(MANUAL, "BNB/USDT") < before
    assert wired.desk.portfolio.lot("alpha", "BTC/USDT").fees > 0


async def test_test_money_waits_for_nobody(wired: Wired) -> None:
    """The adapter says what it is: a testnet needs no confirmation."""
    assert not wired.desk.waits_for_confirmation


async def test_what_is_paid_in_and_out_is_told_with_its_amount(tmp_path: Path) -> None:
    """By Binance's own pages, with real money: coins that are traded, coins that are not, and a withdrawal told late."""
    async with BinanceServer() as venue:
        wallet = venue.spot.desk.wallet
        wallet.balances.clear()
        wallet.add("USDT", Decimal(1_000))
        wallet.changed()
        stage = Wired(tmp_path, venue)
        await stage.begin(mode="live")
        try:
            assert stage.desk.waits_for_confirmation
            before = stage.desk.portfolio.equity
            venue.custody.deposit("USDT", Decimal(250))
            venue.custody.deposit("BTC", Decimal("0.01"))
            await stage.agrees()
            assert stage.held(MANUAL, "BTC/USDT") == Decimal("0.01")
            assert stage.desk.portfolio.deposits == stage.desk.portfolio.equity != before
            titles = {row.title for row in await AlertRow.filter(kind="external")}
            assert titles == {"Deposit: 250 USDT", "Deposit: 0.01 BTC"}
        finally:
            await stage.end()


async def test_what_a_person_orders_in_binances_own_app_is_booked_as_nobodys(wired: Wired) -> None:
    """Its id has 36 characters, four more than any of ours: that stops neither the listener nor a comparison."""
    await wired.trade("0.1")
    key = wired.venue.keys.of("testnet")
    btc = {"symbol": "BTCUSDT", "side": "BUY"}
    rests = {"type": "LIMIT", "quantity": "0.01", "price": "40000", "timeInForce": "GTC"}
    resting = await order_by_hand(wired.venue, key, **btc, **rests)
    assert len(resting["clientOrderId"]) == 36
    await order_by_hand(wired.venue, key, **btc, type="MARKET", quantity="0.02")
    await wired.agrees()
    assert not wired.listener.done()
    assert wired.held(EXTERNAL, "BTC/USDT") == Decimal("0.02") - Decimal("0.00002")
    (row,) = await FillRow.filter(client_order_id="")
    assert row.quantity == Decimal("0.02")
    assert await known_ids(wired.desk.account, [resting["clientOrderId"]]) == frozenset()
    assert await get_order(resting["clientOrderId"]) is None
