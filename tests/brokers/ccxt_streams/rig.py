"""A spot account at the venue server, its streams at a quick pace, and words for what is needed again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.streams.feeds import Feeds
from brokers.ccxt.streams.pace import Pace
from brokers.market import Bar
from brokers.order import ClientOrderId, Fill, Liquidity, OrderReport, OrderRequest, OrderType, Side, TimeInForce
from brokers.order import VenueOrderState as State
from brokers.registry import BrokerContext, BrokerFactory
from tests.venues.binance.app import BinanceServer

BTC, ETH = "BTC/USDT", "ETH/USDT"
QUICK = Pace(
    silence=0.6,
    poll=0.05,
    opening=3.0,
    grace=0.15,
    first_pause=0.02,
    longest_pause=0.2,
    tries=3,
    late=0.1,
)
AT = datetime(2026, 1, 1, tzinfo=UTC)
_PIECES = 20


def order(client_id: str, price: str = "49000", quantity: str = "0.01", side: Side = Side.BUY) -> Any:
    """What `place` needs."""
    return client_id, price, quantity, side


@dataclass
class Rig:
    """One account and its venue."""

    venue: BinanceServer
    broker: CcxtBroker

    @property
    def feeds(self) -> Feeds:
        """What is tested."""
        assert self.broker._line is not None
        return self.broker._line.feeds

    async def place(
        self, client_id: str, price: str | None = None, quantity: str = "0.01", side: Side = Side.BUY, **terms: Any
    ) -> OrderReport:
        """A limit order, or a market order without a price."""
        instrument = next(each for each in await self.broker.get_instruments() if each.symbol == BTC)
        request = OrderRequest(
            ClientOrderId(client_id),
            instrument,
            side,
            Decimal(quantity),
            OrderType.LIMIT if price else OrderType.MARKET,
            limit_price=Decimal(price) if price else None,
            time_in_force=TimeInForce.GTC,
            **terms,
        )
        return await self.broker.place_order(request)

    async def cancel_elsewhere(self, client_id: str) -> None:
        """Cancel an order as another program of the same account would."""
        exchange = self.broker._client.exchange
        await exchange.cancel_order("", BTC, {"clientOrderId": client_id})

    def say(self, event: dict[str, Any]) -> None:
        """Have the venue push an event of its own invention to the account."""
        for socket in self.venue.sockets.of("ws-api"):
            socket.answer({"subscriptionId": 0, "event": event})

    def streams(self) -> list[str]:
        """The open WebSockets at the venue, by site."""
        return [socket.place.site for site in ("ws-api", "stream", "fstream") for socket in self.venue.sockets.of(site)]


@asynccontextmanager
async def rig(
    tmp_path: Path,
    *,
    pace: Pace = QUICK,
    keys: bool = True,
    market: str = "spot",
    now: Callable[[], datetime] | None = None,
    symbols: Sequence[str] = (BTC, ETH),
    connect: bool = True,
    **server: Any,
) -> AsyncIterator[Rig]:
    """A connected account at a venue of its own."""
    async with BinanceServer(**server) as venue:
        context = BrokerContext(
            tmp_path, now or (lambda: datetime.now(UTC)), symbols=tuple(symbols), network=venue.network
        )
        settings = {"adapter": "binance", "market": market, "mode": "live"}
        if keys:
            settings |= {"api_key": venue.key.api_key, "secret": venue.key.secret}
        broker = BrokerFactory(context).build("binance", settings)
        assert isinstance(broker, CcxtBroker)
        broker.pace = pace
        try:
            if connect:
                await broker.connect()
            yield Rig(venue, broker)
        finally:
            await broker.disconnect()


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def heard(stream: Any, enough: Callable[[list[Any]], Any], seconds: float = 30.0) -> list[Any]:
    """What a stream tells until it is enough."""
    told: list[Any] = []
    async with asyncio.timeout(seconds):
        while not enough(told):
            told.append(await anext(stream))
    return told


async def rest(stream: Any, seconds: float = 0.1) -> list[Any]:
    """What a stream still tells within a moment, in pieces: while the machine stands still, nothing could be heard."""
    told: list[Any] = []

    async def read() -> None:
        while True:
            told.append(await anext(stream))

    reading = asyncio.create_task(read())
    for _ in range(_PIECES):
        await asyncio.wait({reading}, timeout=seconds / _PIECES)
        if reading.done():
            await reading
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return told


def report(client_id: str = "a", state: State = State.WORKING, filled: str = "0", **more: Any) -> OrderReport:
    """A report of an order for 1."""
    known = OrderReport(
        ClientOrderId(client_id),
        "7",
        BTC,
        Side.BUY,
        Decimal(1),
        state,
        AT,
        Decimal(filled),
        type=OrderType.LIMIT,
        limit_price=Decimal(100),
    )
    return replace(known, **more)


def fill(fill_id: str, quantity: str = "0.5", client_id: str = "a", fee: str | None = "0", **more: Any) -> Fill:
    """A fill of the same order."""
    known = Fill(
        fill_id,
        ClientOrderId(client_id),
        BTC,
        Side.BUY,
        Decimal(quantity),
        Decimal(100),
        None if fee is None else Decimal(fee),
        "USDT",
        Liquidity.TAKER,
        AT,
        venue_order_id="7",
    )
    return replace(known, **more)


def bar(minute: int, close: str = "1", symbol: str = BTC) -> Bar:
    """The bar of the period of a minute that ends at minute `minute`."""
    price = Decimal(close)
    return Bar(symbol, AT + timedelta(minutes=minute), price, price, price, price)
