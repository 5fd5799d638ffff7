"""An account at Binance on this machine, through the adapter as it is, and short words for what tests do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.adapters.binance import BinanceBroker
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, Side, TimeInForce
from brokers.registry import BrokerContext, BrokerFactory
from tests.venues.binance.app import BinanceServer

SYMBOLS = {"spot": "BTC/USDT", "margin": "BTC/USDT", "usdm": "BTC/USDT:USDT"}
ORDER = {"spot": "/api/v3/order", "margin": "/sapi/v1/margin/order", "usdm": "/fapi/v1/order"}
LONG_AGO = timedelta(hours=1)


@dataclass
class Rig:
    """One broker and its venue. `again()` is what a new process knows: nothing but the folder."""

    venue: BinanceServer
    market: str
    folder: Path
    broker: BinanceBroker = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.network = self.venue.network  # one way out for all processes, as in production

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.market]

    @property
    def path(self) -> str:
        """Where orders are placed."""
        return ORDER[self.market]

    @property
    def instrument(self) -> Instrument:
        assert self.broker._line is not None
        return self.broker._line.instruments[self.symbol]

    async def connect(self, **settings: Any) -> None:
        key = self.venue.keys.of(settings.get("mode", "live"))
        symbols = settings.pop("symbols", (self.symbol,))
        context = BrokerContext(self.folder, lambda: datetime.now(UTC), symbols=symbols, network=self.network)
        raw = {
            "adapter": "binance",
            "mode": "live",
            "market": self.market,
            "api_key": key.api_key,
            "secret": key.secret,
            **settings,
        }
        broker = BrokerFactory(context).build("main", raw)
        assert isinstance(broker, BinanceBroker)
        self.broker = broker
        await broker.connect()

    async def again(self) -> None:
        """The process dies and comes back."""
        await self.broker.disconnect()
        await self.connect()

    def request(self, **more: Any) -> OrderRequest:
        """A limit order that rests, unless told otherwise."""
        self.count += 1
        kind = more.pop("type", OrderType.LIMIT)
        if kind.has_limit:
            more.setdefault("limit_price", Decimal(49_000))
        return OrderRequest(
            ClientOrderId(more.pop("oid", f"qd-test-{self.count}")),
            more.pop("instrument", None) or self.instrument,
            more.pop("side", Side.BUY),
            Decimal(more.pop("quantity", "0.01")),
            kind,
            time_in_force=more.pop("tif", TimeInForce.GTC),
            **more,
        )

    async def place(self, **more: Any) -> OrderReport:
        return await self.broker.place_order(self.request(**more))

    async def find(self, order: str) -> OrderReport | None:
        return await self.broker.find_order(ClientOrderId(order))

    def executed(self, order: str) -> Decimal:
        """What the venue's journal of truth says was filled under our id, changed orders included."""
        facts = self.venue.journal.all("execution")
        mine = (fact for fact in facts if str(fact["client_id"]).startswith(order))
        return sum((Decimal(str(fact["quantity"])) for fact in mine), Decimal(0))

    def accepted(self, order: str) -> int:
        """How many orders the venue has taken under just this id."""
        return sum(fact["client_id"] == order for fact in self.venue.journal.all("accepted"))


@asynccontextmanager
async def account(folder: Path, market: str, **settings: Any) -> AsyncIterator[Rig]:
    """A connected account in a market at 50,000."""
    async with BinanceServer() as venue:
        venue.move("BTCUSDT", Decimal(50_000))
        rig = Rig(venue, market, folder)
        await rig.connect(**settings)
        try:
            yield rig
        finally:
            await rig.broker.disconnect()
