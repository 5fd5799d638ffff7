"""A town with a market: a venue in the process that gives prices when a test says so, and falls silent, too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.account import AccountInfo, CashFlow
from brokers.errors import NotSupported, Rejected, Unavailable
from brokers.instrument import AssetClass, Instrument
from brokers.market import Bar, OrderBook, Quote
from brokers.order import ClientOrderId, Fill, OrderReport, OrderRequest, OrderType, TimeInForce
from brokers.port import DAY, AbstractBroker, Capabilities, Subscription
from brokers.registry import AdapterSettings, BrokerContext, adapter
from brokers.simulation.streams import Hub

MINUTE = timedelta(minutes=1)


def pair(symbol: str, **over: Any) -> Instrument:
    """A crypto pair as a venue describes it."""
    base, quote = symbol.split("/")
    rules = {"tick": Decimal("0.01"), "lot": Decimal("0.0001"), "min_notional": Decimal(5), **over}
    return Instrument(symbol, quote, AssetClass.CRYPTO, base=base, **rules)


@dataclass
class Town:
    """What goes on at the venue, moved by hand."""

    instruments: dict[str, Instrument] = field(default_factory=dict)
    is_up: bool = True
    streams_bars: bool = True
    hangs: bool = False  # it takes questions and answers none
    latest: dict[str, Quote] = field(default_factory=dict)
    history: dict[tuple[str, timedelta], list[Bar]] = field(default_factory=dict)
    asked: list[tuple[str, int, timedelta]] = field(default_factory=list)
    quotes: Hub[Quote] = field(default_factory=lambda: Hub("town"))
    bars: Hub[Bar] = field(default_factory=lambda: Hub("town"))

    def price(self, symbol: str, price: str | int, at: datetime) -> None:
        last = Decimal(price)
        quote = Quote(symbol, last - Decimal("0.5"), last + Decimal("0.5"), last, at)
        self.latest[symbol] = quote
        self.quotes.publish(quote)

    def bar(
        self,
        symbol: str,
        close: str | int,
        at: datetime,
        *,
        period: timedelta = MINUTE,
        told: bool = True,
        volume: int = 10,
    ) -> Bar:
        """A bar has ended; the stream says so if `told`."""
        price = Decimal(close)
        bar = Bar(symbol, at, price, price, price, price, Decimal(volume))
        self.history.setdefault((symbol, period), []).append(bar)
        if told:
            self.bars.publish(bar)
        return bar

    def down(self) -> None:
        """The connection is lost."""
        self.is_up = False
        self.quotes.close()
        self.bars.close()

    def up(self) -> None:
        self.is_up, self.quotes, self.bars = True, Hub("town"), Hub("town")


TOWNS: dict[str, Town] = {}


class TownSettings(AdapterSettings):
    """Which town."""

    town: str
    currency: str = "USDT"


@adapter("town", settings=TownSettings)
class TownBroker(AbstractBroker):
    """Market data of a town, without an account."""

    capabilities = Capabilities(frozenset(OrderType), frozenset(TimeInForce), bars=True)

    def __init__(self, name: str, settings: TownSettings, context: BrokerContext) -> None:
        self.name = name
        self.town = TOWNS[settings.town]
        self.context = context
        self._is_open = False

    @property
    def is_connected(self) -> bool:
        return self._is_open and self.town.is_up

    async def connect(self) -> None:
        await self._answer(connecting=True)
        self._is_open = True

    async def disconnect(self) -> None:
        self._is_open = False

    async def get_instruments(self) -> Sequence[Instrument]:
        await self._answer()
        return [self.town.instruments[symbol] for symbol in self.context.symbols]

    async def get_quote(self, symbol: str) -> Quote:
        await self._answer()
        if symbol not in self.town.latest:
            raise Unavailable("no price")
        return self.town.latest[symbol]

    async def get_bars(self, symbol: str, *, until: datetime, count: int, period: timedelta = DAY) -> Sequence[Bar]:
        await self._answer()
        self.town.asked.append((symbol, count, period))
        return [bar for bar in self.town.history.get((symbol, period), ()) if bar.at <= until][-count:]

    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        wanted = set(symbols)
        return self.town.quotes.subscribe(lambda quote: quote.symbol in wanted, 1000)

    def bars(self, symbols: Iterable[str], period: timedelta) -> Subscription[Bar]:
        if not self.town.streams_bars:
            raise NotSupported("a stream of bars")
        wanted = set(symbols)
        return self.town.bars.subscribe(lambda bar: bar.symbol in wanted, 1000)

    async def _answer(self, *, connecting: bool = False) -> None:
        if self.town.hangs:
            await asyncio.Event().wait()
        if not self.town.is_up or not (connecting or self._is_open):
            raise Unavailable("the town is cut off")

    # --- there is no account ---------------------------------------------------------------------

    async def place_order(self, order: OrderRequest) -> OrderReport:
        raise Rejected("NO_KEYS", "market data only")

    async def cancel_order(self, order: ClientOrderId) -> OrderReport:
        raise Rejected("NO_KEYS", "market data only")

    async def modify_order(self, order: ClientOrderId, **_: Any) -> OrderReport:
        raise Rejected("NO_KEYS", "market data only")

    async def find_order(self, order: ClientOrderId) -> OrderReport | None:
        raise Rejected("NO_KEYS", "market data only")

    async def get_open_orders(self) -> Sequence[OrderReport]:
        raise Rejected("NO_KEYS", "market data only")

    async def get_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        raise Rejected("NO_KEYS", "market data only")

    async def get_fills(self, since: datetime) -> Sequence[Fill]:
        raise Rejected("NO_KEYS", "market data only")

    async def get_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        raise Rejected("NO_KEYS", "market data only")

    async def get_account_info(self) -> AccountInfo:
        raise Rejected("NO_KEYS", "market data only")

    async def get_orderbook(self, symbol: str, depth: int = 10) -> OrderBook:
        raise NotSupported("order books")

    def reports(self) -> Subscription[OrderReport]:
        raise Unavailable("market data only")
