"""Paper trading: orders meet a real or replayed market, money and venue are simulated.

What is not simulated: queue position, our own effect on the price, borrowing and funding costs, margin calls
and liquidation, corporate actions, deposits. One account holds one currency. `brokers.simulation.engine` has
the rules of the market, `brokers.simulation.rules` what is refused, `brokers.simulation.funds` buying power.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from brokers.account import AccountInfo
from brokers.errors import ConfigurationError, NotSupported, Unavailable, Uncertain
from brokers.instrument import Instrument
from brokers.market import Bar, BookLevel, OrderBook, Quote
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, TimeInForce
from brokers.port import AbstractBroker, Capabilities, Subscription
from brokers.registry import AdapterSettings, BrokerContext, adapter
from brokers.simulation import rules
from brokers.simulation.fees import Fees
from brokers.simulation.journal import Execution, Journal
from brokers.simulation.slippage import Slippage, SlippageModel
from brokers.simulation.source import Tick, TickSource
from brokers.simulation.streams import Hub
from brokers.simulation.terms import Terms
from brokers.simulation.venue import Venue

QUOTES_KEPT = 1000
"""Quotes that wait for a slow reader before the oldest are dropped."""

NonNegative = Annotated[Decimal, Field(ge=0)]


class SlippageSettings(AdapterSettings):
    """How much worse than the touch a taker gets.

    `value` is price units (`fixed`), ticks (`ticks`) or basis points (`percent`).
    """

    model: SlippageModel = SlippageModel.PERCENT
    value: NonNegative = Decimal(1)


class FeeSettings(AdapterSettings):
    """Basis points of the notional (a negative one is a rebate), and a minimum per order in money."""

    maker_bps: Decimal = Field(Decimal(1), gt=-10_000, lt=10_000)
    taker_bps: Decimal = Field(Decimal(1), gt=-10_000, lt=10_000)
    minimum: NonNegative = ZERO


class PaperSettings(AdapterSettings):
    """The settings of a paper broker. `brokers.simulation.terms.Terms` explains what they mean.

    `durable` makes every commit survive a power cut. `initial_cash` is credited
    once; changing it later changes nothing.
    """

    initial_cash: Decimal = Field(Decimal(100_000), gt=0)
    currency: str = Field("USD", pattern=r"^[A-Z0-9]{2,10}$")
    slippage: SlippageSettings = SlippageSettings()
    fees: FeeSettings = FeeSettings()
    leverage: Decimal = Field(Decimal(1), ge=1, le=1000)
    shorting: bool = False
    max_participation: Decimal = Field(Decimal("0.1"), gt=0, le=1)
    latency_ms: int = Field(100, ge=0, le=60_000)
    durable: bool = False
    order_types: frozenset[OrderType] = frozenset(OrderType)
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)

    def terms(self) -> Terms:
        """The same in the engine's words."""
        bps = Decimal(10_000)
        fees = Fees(self.fees.maker_bps / bps, self.fees.taker_bps / bps, self.fees.minimum)
        return Terms(
            currency=self.currency,
            initial_cash=self.initial_cash,
            fees=fees,
            slippage=Slippage(self.slippage.model, self.slippage.value),
            leverage=self.leverage,
            shorting=self.shorting,
            max_participation=self.max_participation,
            latency=timedelta(milliseconds=self.latency_ms),
            order_types=self.order_types,
            times_in_force=self.times_in_force,
        )


@adapter("paper", settings=PaperSettings)
class PaperTradingBroker(AbstractBroker):
    """An account at a simulated venue that lives on `context.source` and remembers in `context.data_dir`.

    Answers are immediate and never `Uncertain`, unless the journal's disk fails: then the broker disconnects
    and `connect` starts from what the disk holds. While disconnected the venue stands still; pushing the
    missed ticks again afterwards is safe, repeated ones are ignored. The stream of reports carries fills,
    triggers, changes, cancels and expiries; `place_order` itself returns the acceptance.
    """

    def __init__(self, name: str, settings: PaperSettings, context: BrokerContext) -> None:
        if context.source is None:
            raise ConfigurationError(f"brokers.{name}: a paper broker needs a market; add a replay or a data feed")
        self.name = name
        self.settings = settings
        self.path = context.data_dir / f"paper-{name}.sqlite3"
        self.capabilities = _capabilities(settings, context.source)
        self._source = context.source
        self._now = context.now
        self._connection: _Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the account's journal is open."""
        return self._connection is not None

    async def connect(self) -> None:
        """Open the journal and listen to the market."""
        if self._connection is None:
            self._connection = _Connection(self.path, self.settings, self._source, self._drop)

    async def disconnect(self) -> None:
        """Close the journal; every stream ends with `Unavailable`."""
        self._drop()

    async def settled(self) -> None:
        """Return when every reader of `reports()` has dealt with all reports and has come back for more."""
        await self._connected().reports.settled()

    async def get_instruments(self) -> Sequence[Instrument]:
        """The instruments of the market."""
        self._connected()
        return tuple(self._source.instruments.values())

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Accept an order; it fills on a later tick. `brokers.simulation.rules` lists the refusals."""
        return self._connected().call(lambda venue: [venue.place(order, self._now())], publish=False)

    async def cancel_order(self, order: ClientOrderId) -> OrderReport:
        """Cancel what is left of an order, at once."""
        return self._connected().call(lambda venue: [venue.cancel(order, self._now())])

    async def modify_order(
        self, order: ClientOrderId, *, quantity: Decimal | None = None, limit_price: Decimal | None = None
    ) -> OrderReport:
        """Change the total quantity (above what is filled) or the limit price, at once."""
        change = {"quantity": quantity, "limit_price": limit_price}
        return self._connected().call(lambda venue: [venue.modify(order, self._now(), **change)])

    async def find_order(self, order: ClientOrderId) -> OrderReport | None:
        """The order with all its fills; orders are remembered for ever."""
        return self._connected().venue.find(order)

    async def get_open_orders(self) -> Sequence[OrderReport]:
        """Every open order, oldest first."""
        return self._connected().venue.open_orders()

    async def get_account_info(self) -> AccountInfo:
        """The simulated account; `simulated` is always true."""
        return self._connected().venue.account(self.name, self._now())

    async def get_quote(self, symbol: str) -> Quote:
        """The latest tick of the market."""
        self._connected()
        rules.listed(self._source.instruments, symbol)
        tick = self._source.latest(symbol)
        if tick is None:
            raise Unavailable(f"there is no quote of {symbol} yet")
        return tick

    async def get_orderbook(self, symbol: str, depth: int = 10) -> OrderBook:
        """One level a side, made of the latest quote; its quantity is what one tick would let us take."""
        del depth
        quote = await self.get_quote(symbol)
        volume = quote.volume if isinstance(quote, Tick) and quote.volume is not None else ZERO
        size = volume * self.settings.max_participation
        bids, asks = (BookLevel(quote.bid, size),), (BookLevel(quote.ask, size),)
        return OrderBook(symbol, bids, asks, quote.at)

    async def get_bars(self, symbol: str, *, until: datetime, count: int) -> Sequence[Bar]:
        """The source's bars, if it has any."""
        self._connected()
        if self._source.bars is None:
            raise NotSupported("bars")
        rules.listed(self._source.instruments, symbol)
        return await self._source.bars(symbol, until, count)

    def reports(self) -> Subscription[OrderReport]:
        """Reports of fills, triggers, changes, cancels and expiries from this call on."""
        return self._connected().reports.subscribe()

    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        """Ticks of `symbols` from this call on; a slow reader misses the oldest."""
        connection = self._connected()
        wanted = {rules.listed(self._source.instruments, symbol).symbol for symbol in symbols}
        return connection.quotes.subscribe(lambda quote: quote.symbol in wanted, QUOTES_KEPT)

    async def executions(self, since: datetime | None = None, symbol: str | None = None) -> Sequence[Execution]:
        """The execution history: every fill at or after `since` with its order, oldest first."""
        return self._connected().venue.executions(since, symbol)

    def _connected(self) -> _Connection:
        if self._connection is None:
            raise Unavailable(f"{self.name} is not connected")
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection:
    """What exists between connect and disconnect: the venue, its journal, and the streams."""

    def __init__(self, path: Path, settings: PaperSettings, source: TickSource, drop: Callable[[], None]) -> None:
        terms = settings.terms()
        self._journal = Journal(
            path, currency=terms.currency, initial_cash=terms.initial_cash, durable=settings.durable
        )
        self.venue = Venue(terms, source.instruments, self._journal)
        self.reports: Hub[OrderReport] = Hub(path.stem)
        self.quotes: Hub[Quote] = Hub(path.stem)
        self._drop = drop
        self._unsubscribe = source.subscribe(self._tick)

    def call(self, action: Callable[[Venue], list[OrderReport]], *, publish: bool = True) -> OrderReport:
        """Run `action` and publish its reports; the last one is the answer."""
        reports = self._guarded(action)
        if publish:
            self._publish(reports)
        return reports[-1]

    def close(self) -> None:
        """Leave the market and close the file."""
        self._unsubscribe()
        self.reports.close()
        self.quotes.close()
        self._journal.close()

    def _tick(self, tick: Tick) -> None:
        self._publish(self._guarded(lambda venue: venue.tick(tick)))
        self.quotes.publish(tick)

    def _guarded(self, action: Callable[[Venue], list[OrderReport]]) -> list[OrderReport]:
        try:
            return action(self.venue)
        except (Unavailable, Uncertain):
            self._drop()
            raise

    def _publish(self, reports: list[OrderReport]) -> None:
        for report in reports:
            self.reports.publish(report)


def _capabilities(settings: PaperSettings, source: TickSource) -> Capabilities:
    return Capabilities(
        order_types=settings.order_types,
        times_in_force=settings.times_in_force,
        modify=True,
        reduce_only=True,
        post_only=True,
        shorting=settings.shorting,
        order_book=True,
        bars=source.bars is not None,
        simulated=True,
    )
