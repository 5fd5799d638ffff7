"""Binance under contract: the adapter as it is, through unmodified ccxt, against the venue server on this machine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.order import OrderType, TimeInForce
from brokers.port import AbstractBroker
from brokers.registry import BrokerContext, BrokerFactory
from tests.contract.harness import Harness
from tests.venues.binance.app import BinanceServer

# What the venue pushes is there by then: it travels over a socket of this machine.
_PUSHED = 0.03


class _Binance(Harness):
    """One account at a Binance of its own."""

    adapter = "binance"
    price = Decimal(50_000)
    trail: ClassVar[dict[str, Any]] = {"trail_percent": Decimal(1)}
    remembers_ids = False
    market: ClassVar[str]
    venue: BinanceServer
    broker: AbstractBroker

    async def build(self) -> AbstractBroker:
        self.venue = BinanceServer()
        await self.venue.start()
        self.fund()
        self.broker = self._new()
        return self.broker

    def fund(self) -> None:
        """Leave `cash` in the account, and nothing else."""

    def _new(self) -> AbstractBroker:
        key = self.venue.keys.of("live")
        context = BrokerContext(
            self.folder, lambda: datetime.now(UTC), symbols=(self.instrument.symbol,), network=self.venue.network
        )
        settings = {
            "adapter": "binance",
            "mode": "live",
            "market": self.market,
            "api_key": key.api_key,
            "secret": key.secret,
        }
        return BrokerFactory(context).build("contract", settings)

    async def move(self, price: Decimal) -> None:
        self.venue.move("BTCUSDT", price)
        await asyncio.sleep(_PUSHED)

    async def restart(self) -> AbstractBroker:
        await self.broker.disconnect()
        self.broker = self._new()  # it remembers nothing of what the first one knew
        await self.broker.connect()
        return self.broker

    async def close(self) -> None:
        await self.broker.disconnect()
        await self.venue.stop()


class BinanceSpot(_Binance):
    market = "spot"
    cash = Decimal(1000)
    instrument = Instrument(
        "BTC/USDT",
        "USDT",
        AssetClass.CRYPTO,
        lot=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"),
        min_notional=Decimal(5),
        base="BTC",
        max_quantity=Decimal(9000),
        max_market_quantity=Decimal(120),
    )

    def fund(self) -> None:
        wallet = self.venue.spot.desk.wallet
        wallet.balances.clear()
        wallet.add("USDT", self.cash)
        wallet.changed()


class BinanceFutures(_Binance):
    market = "usdm"
    cash = Decimal(15_000)
    leverage = Decimal(20)
    refuses = frozenset((kind, TimeInForce.GTD) for kind in OrderType if kind is not OrderType.LIMIT)
    changes = frozenset({OrderType.LIMIT})
    instrument = Instrument(
        "BTC/USDT:USDT",
        "USDT",
        AssetClass.CRYPTO,
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        min_notional=Decimal(100),
        settlement=Settlement.MARGINED,
        max_quantity=Decimal(1000),
        max_market_quantity=Decimal(120),
    )
