"""An account at Binance, over the wire, whose strategies have exits: a desk and a pipeline, and short words for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.market import Bar
from brokers.order import OrderReport
from core.alerts.outbox import Alerts
from core.store.models import AlertRow, OrderRow
from core.strategy.conflicts import Policy
from core.trading.pipeline import Pipeline
from core.trading.protection.spec import ExitSpec
from tests.core.trading.stage import Strategies, until
from tests.core.trading.test_on_binance import Wired
from tests.venues.binance.app import BinanceServer

SPOT, USDM = ("spot", "testnet", "BTC/USDT"), ("usdm", "demo", "BTC/USDT:USDT")


class Armed(Wired):
    """One symbol of one market, and strategies whose wishes a test sets by hand."""

    symbol: str
    market_name: str
    strategies: Strategies

    async def arm(self, market: str, mode: str, symbol: str, *names: str, also: Sequence[str] = ()) -> None:
        self.symbol, self.market_name = symbol, market
        self.strategies = Strategies(*(names or ("alpha",)))
        await self.begin((symbol, *also), mode=mode, market=market)
        self.again()

    def again(self) -> None:
        """A new pipeline, as after a start."""
        self.alerts = Alerts(["telegram:1"], self.wall, self.market_clock)
        self.pipeline = Pipeline(
            self.strategies,
            self.desk,
            self.market,
            policy=Policy.NET,
            alerts=self.alerts,
            trading_clock=self.market_clock,
        )

    async def look(self, price: object) -> None:
        """The market trades at `price`, and the exits are looked after."""
        self.venue.move("BTCUSDT", Decimal(str(price)))
        await self.prices()
        await self.pipeline.keep()
        await self.quiet()

    async def quiet(self) -> None:
        """Every order that is to trade at once has."""
        await until(lambda: all(each.is_resting_exit for each in self.desk.orders.open_orders))

    async def bar(self) -> None:
        """The strategies' wishes are ordered, as at the end of a bar."""
        await self.prices()
        price = self.market.quotes[self.symbol].last
        await self.pipeline.order({self.symbol: Bar(self.symbol, self.market_clock.now(), *[price] * 4)})
        await self.quiet()

    async def enter(self, units: object, name: str = "alpha", **exits: Any) -> None:
        """A strategy comes to hold `units`, with exits or without."""
        one = self.strategies.instances[name]
        one.exits = ExitSpec.model_validate(exits) if exits else None
        one.units = Decimal(str(units))
        self.strategies.want(name, 1.0, self.symbol)
        await self.bar()
        assert abs(self.held(name, self.symbol) - one.units) <= one.units / 500

    async def leave(self, name: str = "alpha") -> None:
        """A strategy wishes to be flat."""
        self.strategies.want(name, 0.0, self.symbol)
        await self.bar()

    @property
    def net(self) -> Decimal:
        return self.desk.portfolio.quantity(self.symbol)

    async def rests(self) -> list[OrderReport]:
        """What really rests at the venue."""
        return list(await self.broker.get_open_orders())

    async def told(self, *severities: str) -> list[str]:
        rows = await AlertRow.filter(**({"severity__in": severities} if severities else {})).order_by("id")
        return [f"{row.title}\n{row.body}" for row in rows]

    async def orders(self) -> list[OrderRow]:
        return await OrderRow.all().order_by("at", "client_order_id")


@asynccontextmanager
async def armed(
    folder: Path, place: tuple[str, str, str], *names: str, money: object = 100_000, also: Sequence[str] = ()
) -> AsyncIterator[Armed]:
    """An account with `money` in a market at 50,000."""
    async with BinanceServer() as venue:
        venue.move("BTCUSDT", Decimal(50_000))
        wallet = venue.spot.desk.wallet
        wallet.balances.clear()
        wallet.add("USDT", Decimal(str(money)))
        wallet.changed()
        futures = venue.usdm.of("demo").account
        futures.set_leverage("BTCUSDT", 2)
        futures.deposit(Decimal(str(money)))
        stage = Armed(folder, venue)
        try:
            await stage.arm(*place, *names, also=also)
            yield stage
        finally:
            await stage.end()
