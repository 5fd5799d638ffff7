"""The port on top of ccxt: one account at one venue. The parts do the work, this file is where they meet.

::

    Dialect        what is this venue's own                 Client     the one way to the wire, and its outcomes
    Lookup         finding orders and fills                 Ordering   placing, cancelling, changing
    markets        instruments and their rules              Feeds      what the venue pushes
    Reader         answers in our vocabulary                KnownOrders  what this process has sent and seen
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any, ClassVar, TypeVar

import structlog

from brokers.account import AccountInfo, CashFlow
from brokers.ccxt import inspection, markets
from brokers.ccxt.calls import Call, Inquiry, KnownOrders
from brokers.ccxt.checks import listed
from brokers.ccxt.client import CONNECT, Client
from brokers.ccxt.dead_man import DeadMan
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.line import Line
from brokers.ccxt.lookup import Lookup
from brokers.ccxt.marketdata import MarketData
from brokers.ccxt.ordering import Ordering
from brokers.ccxt.outcomes import KeyRefused
from brokers.ccxt.parsing import Reader, decimal, milliseconds, moment, readable
from brokers.ccxt.pulse import Pulse
from brokers.ccxt.replaced import Replaced
from brokers.ccxt.settings import CcxtSettings, Mode
from brokers.ccxt.streams.feeds import Feeds
from brokers.ccxt.streams.pace import Attempts, Pace
from brokers.ccxt.streams.reports import Account
from brokers.errors import ConfigurationError, NotSupported, Rejected, Unavailable
from brokers.health import Finding, Health
from brokers.instrument import Instrument
from brokers.market import Bar, OrderBook, Quote
from brokers.order import ClientOrderId, Fill, Liquidity, OrderReport, OrderRequest
from brokers.port import DAY, AbstractBroker, ModifyBy, Subscription
from brokers.registry import BrokerContext

log = structlog.get_logger(__name__)
T = TypeVar("T")


class CcxtBroker(AbstractBroker):
    """One account at a venue of the ccxt family. Subclasses name their `dialect`, and register themselves.

    Without keys it serves market data only: whatever needs an account is `Rejected("NO_KEYS")`.
    """

    dialect: ClassVar[type[Dialect[Any]]]

    def __init__(self, name: str, settings: CcxtSettings, context: BrokerContext) -> None:
        self.name = name
        self.settings = settings
        self._context = context
        self._dialect = self.speaks(settings)
        self.capabilities = self._dialect.capabilities
        self._pulse = Pulse(context.now)
        self._client = Client(self._dialect, context, self._pulse)
        self._known = KnownOrders()
        self._line: Line | None = None
        self._connecting = asyncio.Lock()
        self._attempts = Attempts()
        self.pace = Pace(silence=settings.silence_seconds, poll=settings.poll_seconds)

    @classmethod
    def speaks(cls, settings: Any) -> Dialect[Any]:
        """The dialect for these settings; a venue with several kinds of account chooses here."""
        return cls.dialect(settings)

    @classmethod
    def wrong_with(cls, settings: CcxtSettings) -> Iterable[str]:
        """A protection that is asked for and not there must not be believed in."""
        dialect = cls.speaks(settings)
        if settings.dead_man_seconds and not dialect.capabilities.dead_man:
            yield f"dead_man_seconds: {dialect.venue} has no timer that cancels orders here; leave it out"

    # --- the connection ----------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether calls can be made now."""
        return self._line is not None

    async def connect(self) -> None:
        """Load the markets, check the clock and the key, and open the streams; what stands already is left as it is."""
        async with self._connecting:
            if self._line is not None:
                await self._line.client.synchronise()
                await self._line.feeds.open()
                await self._line.dead_man.start()
                return
            try:
                self._line = await self._opened()
                await self._line.feeds.open()
                await self._line.dead_man.start()
                self._pulse.connected()
            except BaseException:
                await self._close()
                raise

    async def disconnect(self) -> None:
        """Close every connection; streams end with `Unavailable`. Orders at the venue stay as they are."""
        async with self._connecting:
            await self._close()

    async def _close(self) -> None:
        line, self._line = self._line, None
        try:
            if line is not None:
                await self._leave(line)
        finally:
            await self._client.close()

    @staticmethod
    async def _leave(line: Line) -> None:
        """Streams are closed also when nobody waits for the timer's end any more."""
        try:
            await line.dead_man.end()
        finally:
            await line.feeds.close()

    async def _opened(self) -> Line:
        client = self._client
        await client.start()
        await client.synchronise()
        place = f"brokers.{self.name}"
        rules = markets.told_to(client, self._context.network)
        await rules.renew(client, markets.OLD_AT_CONNECT)
        instruments = self._instruments(rules)
        rules.lend(client.exchange)
        if self.settings.has_keys:
            await self._admitted()
        line = self._assembled(instruments, rules)
        if self.settings.has_keys:
            await self._dialect.check_account(line.lookup.inquiry, place)
        return line

    async def _admitted(self) -> None:
        """Ask what the key may do before it is used for anything else; where that cannot be asked, whether it works."""
        client, venue = self._client, self._dialect.venue
        try:
            permissions = await client.guarded(CONNECT, self._dialect.permissions)
            if permissions is None:
                await client.query(CONNECT, Call("fetch_balance"))
        except KeyRefused as error:
            raise inspection.key_refused(self.name, venue, self.settings.mode, str(error)) from error
        if permissions is not None:
            inspection.refuse(self.name, venue, permissions)

    def _instruments(self, rules: markets.Told) -> dict[str, Instrument]:
        return markets.instruments_of(
            self._dialect, rules.markets, self._context.symbols, f"brokers.{self.name}.symbols"
        )

    def _assembled(self, instruments: dict[str, Instrument], rules: markets.Told) -> Line:
        client, known = self._client, self._known
        reader = Reader(self._dialect, known, self._time_there)
        inquiry = Inquiry(client.ask, tuple(instruments), known, self._time_there, self._replaced(), rules.is_gone)
        lookup = Lookup(client, reader, inquiry, self._learn)
        market = MarketData(client, lookup.inquiry)
        feeds = Feeds(
            client,
            self._dialect,
            self._pulse,
            reader=reader,
            known=known,
            inquiry=lookup.inquiry,
            market=market,
            account=Account(lookup.find, lookup.open_orders, client.ask) if self.settings.has_keys else None,
            pace=self.pace,
            attempts=self._attempts,
        )
        ordering = Ordering(client, lookup, reader, instruments, rules)
        seconds = self.settings.dead_man_seconds if self.settings.has_keys else 0
        dead_man = DeadMan(client, self._dialect, seconds, tuple(instruments), feeds.lose)
        left_out = markets.left_out(self._dialect, rules.markets, self._context.symbols)
        return Line(client, instruments, left_out, rules, known, lookup, ordering, market, feeds, dead_man)

    def _replaced(self) -> Replaced:
        """Which orders were to be replaced, where the venue changes orders that way."""
        if self.capabilities.modify_by is not ModifyBy.REPLACE:
            return Replaced(None)
        replaced = Replaced(self._context.data_dir / f"replaced-{self.name}.txt")
        replaced.load()
        return replaced

    def _time_there(self) -> datetime:
        """What time it is at the venue."""
        return moment(self._client.exchange.milliseconds()) or self._context.now()

    def _connected(self) -> Line:
        if self._line is None:
            raise Unavailable(f"{self.name} is not connected")
        return self._line

    def _account(self) -> Line:
        """As `_connected`, for what needs keys."""
        line = self._connected()
        if not self.settings.has_keys:
            raise Rejected("NO_KEYS", f"{self.name} has no keys: it serves market data only")
        return line

    # --- what it is --------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether its orders cost real money."""
        return self.settings.mode is Mode.LIVE and self.settings.has_keys

    @property
    def identity(self) -> str:
        """Venue, mode, market, and a mark of the key that tells nothing of it."""
        return self._marked(self._dialect.place)

    @property
    def wallet(self) -> str:
        """Venue, mode, and the part of the venue whose money it is, with the same mark."""
        return self._marked(self._dialect.wallet)

    def _marked(self, where: str) -> str:
        key = self.settings.api_key.get_secret_value()
        mark = sha256(f"quarterdeck:{key}".encode()).hexdigest()[:12] if key else "no key"
        return f"{self._dialect.venue} {where} {mark}"

    @property
    def health(self) -> Health:
        """Calls, streams, breaker, budget and clock at this moment."""
        return self._pulse.health(self._client.limits, self._client.clock)

    async def inspect(self) -> Sequence[Finding]:
        """Clock, key and permissions, in plain words. Places nothing."""
        client = self._connected().client
        await client.synchronise()
        permissions = None
        if self.settings.has_keys:
            permissions = await client.guarded(CONNECT, self._dialect.permissions)
        offset = client.clock.offset if client.clock is not None else None
        closed = markets.closed(client.exchange.markets, self._connected().instruments)
        return (
            *inspection.of_markets(self._dialect.venue, self.left_out, closed),
            *inspection.findings(self._dialect.venue, self.settings, permissions, offset),
        )

    @property
    def left_out(self) -> Mapping[str, str]:
        """What was not listed when the connection was made."""
        return {} if self._line is None else self._line.left_out

    async def get_instruments(self) -> Sequence[Instrument]:
        """The instruments of `context.symbols`, by rules that are half a day old at most while the venue answers."""
        line = self._connected()
        try:
            await line.rules.renew(line.client, markets.OLD)
            self._take_up(line)
        except (ConfigurationError, Unavailable) as error:
            log.warning("the venue's new rules cannot be used", account=self.name, reason=str(error))
        return tuple(line.instruments.values())

    async def _learn(self) -> None:  # the venue does not know a symbol that it has listed: it may be delisted
        self._connected().rules.doubted = True
        await self.get_instruments()

    def _take_up(self, line: Line) -> None:
        """Have ours and our library's be the same rules at any moment: it would round what does not fit its own."""
        exchange = line.client.exchange
        if exchange.markets is not line.rules.markets:
            line.instruments.update(self._instruments(line.rules))
            line.rules.lend(exchange)

    # --- orders ------------------------------------------------------------------------------------

    def check_order(self, order: OrderRequest) -> None:
        """What the venue does not have, and what does not fit its steps; while not connected nothing is known of it."""
        if self._line is not None:
            self._line.ordering.check(order)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one order, once. See `brokers.ccxt.ordering`."""
        line = self._account()
        report = await line.ordering.place(order)
        line.feeds.told(report)
        return report

    async def cancel_order(self, order: ClientOrderId) -> OrderReport:
        """Cancel what is left of an order. Its end comes in the reports as well."""
        return await self._account().ordering.cancel(order)

    async def modify_order(
        self,
        order: ClientOrderId,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> OrderReport:
        """Change a working order; its id stays, whatever the venue makes of it."""
        wanted = {"quantity": quantity, "limit_price": limit_price, "stop_price": stop_price}
        line = self._account()
        report = await line.ordering.modify(order, wanted)
        line.feeds.told(report)
        return report

    async def find_order(self, order: ClientOrderId) -> OrderReport | None:
        """The order with all its fills, conditional and replaced ones included."""
        return await self._account().lookup.find(order)

    async def get_open_orders(self) -> Sequence[OrderReport]:
        """Every open order of the account, other people's and conditional ones included."""
        return await self._account().lookup.open_orders()

    async def get_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Every order of our instruments that ended at or after `since`."""
        return await self._account().lookup.closed_orders(since)

    async def get_fills(self, since: datetime) -> Sequence[Fill]:
        """Every execution in our instruments at or after `since`."""
        return await self._account().lookup.fills(since)

    # --- the account -------------------------------------------------------------------------------

    async def get_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """What came and went without a trade, as far as the venue tells; see `Capabilities.cash_flows`."""
        line = self._account()
        if not self.capabilities.cash_flows:
            raise NotSupported("cash flows")
        flows = await _sensible(self._dialect.cash_flows(line.lookup.inquiry, milliseconds(since)))
        return tuple(sorted((flow for flow in flows if flow.at >= since), key=lambda flow: (flow.at, flow.flow_id)))

    async def get_account_info(self) -> AccountInfo:
        """Balances, positions and open orders, asked for together."""
        line = self._account()
        account = partial(self._dialect.account, line.lookup.inquiry, self.name, line.instruments)
        work = _sensible(line.lookup.by_newest_rules(account))
        info, open_orders = await asyncio.gather(work, line.lookup.open_orders())
        return replace(info, open_orders=open_orders, simulated=self.capabilities.simulated)

    async def estimate_fee(
        self, instrument: Instrument, quantity: Decimal, price: Decimal, liquidity: Liquidity = Liquidity.TAKER
    ) -> Decimal | None:
        """By the venue's usual rates: what this account pays may be less."""
        line = self._connected()
        listed(line.instruments, instrument.symbol)
        rate = decimal(line.client.exchange.market(instrument.symbol).get(str(liquidity)))
        return None if rate is None else instrument.notional(quantity, price) * rate

    # --- market data -------------------------------------------------------------------------------

    async def get_quote(self, symbol: str) -> Quote:
        """The latest quote, asked for."""
        line = self._connected()
        return await line.market.quote(listed(line.instruments, symbol).symbol)

    async def get_orderbook(self, symbol: str, depth: int = 10) -> OrderBook:
        """The best `depth` levels of each side, asked for."""
        line = self._connected()
        return await line.market.book(listed(line.instruments, symbol).symbol, depth)

    async def get_bars(self, symbol: str, *, until: datetime, count: int, period: timedelta = DAY) -> Sequence[Bar]:
        """The last `count` complete bars of `period` that ended at or before `until`."""
        line = self._connected()
        return await line.market.bars(listed(line.instruments, symbol).symbol, until, count, period)

    def reports(self) -> Subscription[OrderReport]:
        """Order reports as they happen; ends with `Unavailable` when the stream is lost."""
        return self._account().feeds.reports()

    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        """Quotes as they happen."""
        line = self._connected()
        return line.feeds.quotes(line.told_of(symbols))

    def bars(self, symbols: Iterable[str], period: timedelta) -> Subscription[Bar]:
        """Complete bars, each as soon as it has ended."""
        line = self._connected()
        return line.feeds.bars(line.told_of(symbols), period)

    def books(self, symbols: Iterable[str], depth: int = 10) -> Subscription[OrderBook]:
        """Order books as they change."""
        line = self._connected()
        return line.feeds.books(line.told_of(symbols), depth)


async def _sensible(work: Awaitable[T]) -> T:
    """What a dialect has read; what makes no sense is a query that failed."""
    with readable():
        return await work
