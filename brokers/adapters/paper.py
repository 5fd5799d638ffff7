"""Paper trading: orders meet a real or replayed market, money and venue are simulated.

`brokers.simulation.engine` has the rules of the market, `brokers.simulation.rules` what is refused,
`brokers.simulation.funds` buying power, and docs/paper-venue.md what is assumed and what is not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, TypeVar

from brokers.account import AccountInfo, CashFlow
from brokers.errors import ConfigurationError, NotSupported, Unavailable, Uncertain
from brokers.instrument import Instrument
from brokers.market import Bar, OrderBook, Quote
from brokers.order import ClientOrderId, Fill, Liquidity, OrderReport, OrderRequest
from brokers.port import DAY, AbstractBroker, Capabilities, Subscription, TrailBy
from brokers.registry import BrokerContext, adapter
from brokers.simulation import rules
from brokers.simulation.journal import Execution, Journal
from brokers.simulation.settings import VenueSettings
from brokers.simulation.source import Tick, TickSource
from brokers.simulation.state import Notice
from brokers.simulation.streams import Hub
from brokers.simulation.venue import Venue

QUOTES_KEPT = 1000
"""Quotes that wait for a slow reader before the oldest are dropped."""

T = TypeVar("T")


class PaperSettings(VenueSettings):
    """The settings of a paper broker: those of its venue, and whether its journal survives a power cut.

    The opening balances are credited once; changing them later changes nothing.
    """

    on_any_market: ClassVar[bool] = True

    durable: bool = False


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
        _check_symbols(name, settings, context.source)
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
        """Open the journal and listen to the market. `Unavailable` until it is known what is traded there."""
        if not self._source.is_known:
            raise Unavailable(f"{self.name}: no feed has said yet by which rules its market trades")
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
        """Cancel what is left of an order: at once, or with a delay, in which it can still fill.

        With `delays.cancel_ms` the answer is the order as it is, still open; its end comes in the reports.
        """
        return self._connected().call(lambda venue: [venue.cancel(order, self._now())])

    async def modify_order(
        self,
        order: ClientOrderId,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> OrderReport:
        """Change the total quantity (above what is filled), the limit price or the trigger: at once, or with a delay.

        With `delays.modify_ms` the answer is the order as it was; the reports tell whether the change was made.
        """
        change = {"quantity": quantity, "limit_price": limit_price, "stop_price": stop_price}
        return self._connected().call(lambda venue: [venue.modify(order, self._now(), **change)])

    async def find_order(self, order: ClientOrderId) -> OrderReport | None:
        """The order with all its fills; orders are remembered for ever."""
        return self._connected().venue.find(order)

    async def get_open_orders(self) -> Sequence[OrderReport]:
        """Every open order, oldest first."""
        return self._connected().venue.open_orders()

    async def get_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Every order that ended at or after `since`, oldest first."""
        return self._connected().venue.closed_orders(since)

    async def get_fills(self, since: datetime) -> Sequence[Fill]:
        """Every execution at or after `since`, oldest first."""
        return self._connected().venue.fills(since)

    async def get_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Funding, interest, deposits and withdrawals at or after `since`; the opening balances are none of them."""
        return self._connected().venue.flows(since)

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
        """The book of the latest tick, real or made: what orders would walk. Our own orders are not in it.

        A side of which nothing is known is its touch with a quantity of zero.
        """
        quote = await self.get_quote(symbol)
        return self._connected().venue.orderbook(Tick.of(quote), depth)

    async def get_bars(self, symbol: str, *, until: datetime, count: int, period: timedelta = DAY) -> Sequence[Bar]:
        """The source's bars, if it has any."""
        self._connected()
        if self._source.bars is None:
            raise NotSupported("bars")
        rules.listed(self._source.instruments, symbol)
        return await self._source.bars(symbol, until, count, period)

    async def estimate_fee(
        self,
        instrument: Instrument,
        quantity: Decimal,
        price: Decimal,
        liquidity: Liquidity = Liquidity.TAKER,
    ) -> Decimal | None:
        """What this venue charges for it as a whole, before any discount for paying in its own currency."""
        return self._connected().venue.fee(instrument.symbol, quantity, price, liquidity)

    def reports(self) -> Subscription[OrderReport]:
        """Reports of fills, triggers, changes, cancels and expiries from this call on."""
        return self._connected().reports.subscribe()

    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        """Ticks of `symbols` from this call on; a slow reader misses the oldest."""
        connection = self._connected()
        wanted = {rules.listed(self._source.instruments, symbol).symbol for symbol in symbols}
        return connection.quotes.subscribe(lambda quote: quote.symbol in wanted, QUOTES_KEPT)

    async def transfer(self, amount: Decimal, currency: str = "") -> CashFlow:
        """Pay money in (`amount` > 0) or out, now. Raises `Rejected` when it is not there or positions need it."""
        venue = self._connected().venue
        return self._connected().attempt(
            lambda: venue.transfer(currency or self.settings.currency, amount, self._now())
        )

    async def notices(self, since: datetime) -> Sequence[Notice]:
        """Margin calls, liquidations and insolvencies at or after `since`, oldest first."""
        return self._connected().venue.notices(since)

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
            path,
            currency=terms.currency,
            initial_cash=terms.initial_cash,
            other_cash={currency: each.amount for currency, each in terms.other_cash.items()},
            durable=settings.durable,
        )
        self.venue = Venue(terms, source.instruments, self._journal)
        self.reports: Hub[OrderReport] = Hub(path.stem)
        self.quotes: Hub[Quote] = Hub(path.stem)
        self._drop = drop
        self._unsubscribe = source.subscribe(self._tick)

    def call(self, action: Callable[[Venue], list[OrderReport]], *, publish: bool = True) -> OrderReport:
        """Run `action` and publish its reports; the last one is the answer."""
        reports = self.attempt(lambda: action(self.venue))
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
        self._publish(self.attempt(lambda: self.venue.tick(tick)))
        self.quotes.publish(tick)

    def attempt(self, action: Callable[[], T]) -> T:
        """Run `action`; a journal that fails ends the connection."""
        try:
            return action()
        except (Unavailable, Uncertain):
            self._drop()
            raise

    def _publish(self, reports: list[OrderReport]) -> None:
        for report in reports:
            self.reports.publish(report)


def _check_symbols(name: str, settings: PaperSettings, source: TickSource) -> None:
    """Raise `ConfigurationError` for a symbol in the settings that the market does not have."""
    pay_in = settings.fees.pay_in
    named = {
        "funding": set(settings.funding),
        "margin.by_symbol": set(settings.margin.by_symbol),
        "other_cash": {each.symbol for each in settings.other_cash.values() if each.symbol},
        "fees.pay_in": set() if pay_in is None else {pay_in.symbol},
    }
    for place, symbols in named.items():
        unknown = sorted(symbols - source.symbols)
        if unknown:
            raise ConfigurationError(f"brokers.{name}.{place}: the market has no {unknown[0]!r}; correct it")


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
        oco=True,
        cash_flows=True,
        trails=frozenset(TrailBy),
    )
