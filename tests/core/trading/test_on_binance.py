"""A desk on Binance over the wire: after every way of paying a fee, books and wallet agree to the last digit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.registry import BrokerContext, BrokerFactory
from core.alerts.outbox import Alerts
from core.clock import Ids, ManualClock
from core.events import Events
from core.trading.desk import Desk, Surroundings
from core.trading.inspection import verify
from core.trading.live_order import MANUAL
from core.trading.market import Market
from core.trading.real_money import RealMoney
from core.trading.switch import TradingSwitch
from risk.gate import RiskGate
from tests.core.trading.stage import WIDE, Stage, Strategies
from tests.venues.binance.app import BinanceServer

SYMBOLS = ("BTC/USDT", "BNB/USDT")


class Wired(Stage):
    """A stage whose broker is the real adapter; `tick` and `paper` have no meaning here."""

    venue: BinanceServer

    def __init__(self, folder: Path, venue: BinanceServer) -> None:
        super().__init__(folder, strategies=Strategies("alpha", "beta"))
        self.venue = venue

    async def begin(self, symbols: Sequence[str] = SYMBOLS) -> None:
        await self.database.open()
        now = datetime.now(UTC)
        self.wall, self.market_clock = ManualClock(now), ManualClock(now)
        key = self.venue.keys.of("testnet")
        context = BrokerContext(self.folder, lambda: datetime.now(UTC), symbols=symbols, network=self.venue.network)
        raw = {"adapter": "binance", "mode": "testnet", "market": "spot", "api_key": key.api_key, "secret": key.secret}
        self.broker: Any = BrokerFactory(context).build("main", raw)
        self.alerts = Alerts(["telegram:1"], self.wall, self.market_clock)
        self.switch, self.market, self.events = TradingSwitch(self.wall), Market(), Events()
        around = Surroundings(
            self.wall, self.market_clock, Ids(self.wall), self.alerts, self.events, self.switch, self.market
        )
        await self.broker.connect()
        self.rules = {each.symbol: each for each in await self.broker.get_instruments()}
        self.desk = Desk("main", "USDT", self.broker, RiskGate(WIDE), self.rules, around)
        await self.desk.load()
        await self.desk.reconcile()
        await self.prices()
        await self.desk.roll_day()
        self.listen()
        await asyncio.sleep(0.05)

    async def prices(self) -> None:
        quotes = [await self.broker.get_quote(symbol) for symbol in self.rules]
        self.market_clock.set(max(self.market_clock.now(), *(each.at for each in quotes)))
        self.market.on_quotes(quotes)
        self.desk.mark({each.symbol: each.last for each in quotes})

    async def trade(self, quantity: str, symbol: str = "BTC/USDT", **parts: str) -> None:
        await self.prices()
        shares = {name: Decimal(part) for name, part in (parts or {"alpha": quantity}).items()}
        intent = self.intent(quantity, symbol=symbol, parts=shares)
        verdict = self.desk.gate.review(intent, self.desk.view())
        order = await self.desk.orders.submit(verdict)  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            while order.state.is_open or order.filled < order.request.quantity:
                await asyncio.sleep(0.01)

    def intent(self, quantity: object, *, symbol: str = "BTC/USDT", **more: Any) -> Any:
        self.source = self  # type: ignore[assignment]
        return super().intent(quantity, symbol=symbol, **more)

    @property
    def instruments_by_symbol(self) -> Any:
        return self.rules

    async def agrees(self) -> None:
        assert await self.desk.reconcile() == []
        assert (await verify("main", "USDT", self.rules)).is_true

    async def end(self) -> None:
        await self.deafen()
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
    assert RealMoney
