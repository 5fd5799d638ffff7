"""The paper broker under contract: ones that offer everything, and one that offers little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from brokers.adapters.paper import PaperTradingBroker
from brokers.instrument import Instrument
from brokers.market import Bar
from brokers.port import AbstractBroker
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import Tick, TickSource
from tests.contract.harness import Harness


class FullPaper(Harness):
    adapter = "paper"
    instrument = Instrument("ACME", "USD", min_notional=Decimal(50))
    price = Decimal(100)
    cash = Decimal(100_000)
    has_bars = True
    settings: ClassVar[dict[str, Any]] = {"shorting": True, "fees": {"maker_bps": 2, "taker_bps": "7.5"}}

    async def build(self) -> AbstractBroker:
        self.now = datetime(2024, 3, 4, 15, tzinfo=UTC)
        self.source = TickSource([self.instrument], bars=self.read_bars if self.has_bars else None)
        self.broker = self._new()
        self._push(self.price)
        return self.broker

    async def read_bars(
        self, symbol: str, until: datetime, count: int, period: timedelta = timedelta(days=1)
    ) -> list[Bar]:
        ends = [until - timedelta(minutes=n) for n in reversed(range(count))]
        return [Bar(symbol, end, *[self.price] * 4) for end in ends]

    def _new(self) -> PaperTradingBroker:
        context = BrokerContext(self.folder, lambda: self.now, self.source)
        broker = BrokerFactory(context).build("contract", {"adapter": "paper", **self.settings})
        assert isinstance(broker, PaperTradingBroker)
        return broker

    def _push(self, price: Decimal) -> None:
        self.now += timedelta(seconds=1)
        step = self.instrument.tick
        self.source.push([Tick("ACME", price - step, price + step, price, self.now, Decimal(10**6))])

    async def move(self, price: Decimal) -> None:
        self._push(price)
        if self.broker.is_connected:
            await self.broker.settled()

    async def restart(self) -> AbstractBroker:
        connection = self.broker._connection
        assert connection is not None
        connection._unsubscribe()  # what the death of a process does: no more ticks, no more locks
        connection._journal.close()
        self.broker = self._new()
        await self.broker.connect()
        return self.broker

    async def close(self) -> None:
        await self.broker.disconnect()


class DeepPaper(FullPaper):
    """Orders walk a synthetic book and queue up; fees are per share."""

    settings: ClassVar[dict[str, Any]] = {
        "shorting": True,
        "slippage": {"model": "book"},
        "queue": "queue",
        "fees": {"per_unit": "0.005", "minimum": 1, "maximum_percent": 1},
    }


class SpotPaper(FullPaper):
    has_bars = False
    settings: ClassVar[dict[str, Any]] = {
        "order_types": ["market", "limit"],
        "times_in_force": ["gtc", "ioc"],
    }
