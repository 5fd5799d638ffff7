"""Everything that one account hears from its venue: reports, quotes, bars and books, by stream or by asking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from brokers.ccxt.calls import Call, Inquiry, KnownOrders, Raw
from brokers.ccxt.client import Client
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.marketdata import MarketData, timeframe
from brokers.ccxt.parsing import Reader
from brokers.ccxt.pulse import MARKET, Pulse
from brokers.ccxt.streams.bars import BarFeed
from brokers.ccxt.streams.books import BookFeed, with_numbers
from brokers.ccxt.streams.market_feed import MarketFeed
from brokers.ccxt.streams.pace import Attempts, Pace
from brokers.ccxt.streams.quotes import QuoteFeed
from brokers.ccxt.streams.reports import Account, ReportFeed
from brokers.ccxt.streams.sockets import Sockets
from brokers.ccxt.streams.story import Story
from brokers.ccxt.streams.tap import Tap
from brokers.ccxt.streams.tracker import Tracker
from brokers.errors import Unavailable
from brokers.market import Bar, OrderBook, Quote
from brokers.order import OrderReport
from brokers.port import Subscription

# More names would not fit into the address of a question.
_MOST_AT_ONCE = 100


class Feeds:
    """Lives as long as the client's exchange object; `attempts` lives longer. `account` is None without keys.

    `inquiry` and `market` are for what must be asked; they work from the moment `open` is called.
    """

    def __init__(
        self,
        client: Client,
        dialect: Dialect[Any],
        pulse: Pulse,
        *,
        reader: Reader,
        known: KnownOrders,
        inquiry: Inquiry,
        market: MarketData,
        account: Account | None,
        pace: Pace,
        attempts: Attempts,
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._pulse = pulse
        self._inquiry = inquiry
        self._market = market
        self._pace = pace
        tracker = Tracker()
        story = Story(dialect, reader, known, tracker)
        self._reports: ReportFeed | None = None
        if account is not None:
            self._reports = ReportFeed(dialect, account, story, tracker, pace, attempts, pulse.stream("reports"))
        self._quotes = self._quote_feed()
        self._bars: dict[timedelta, BarFeed] = {}
        self._books: dict[int, BookFeed] = {}
        self._tap: Tap | None = None
        self._sockets: Sockets | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False

    # --- life --------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether whatever happens in the account is told."""
        return self._sockets is not None and (self._reports is None or self._reports.is_open)

    async def open(self) -> None:
        """Open the stream of reports, unless it is open; what happens from the return on is told.

        Raises `Unavailable`. Market data comes when somebody subscribes to it.
        """
        async with self._opening:
            exchange = self._client.exchange
            if self._tap is None or self._sockets is None:
                self._tap, self._sockets = self._settle(exchange)
            if self._reports is not None:
                await self._open_reports(self._reports, exchange, self._sockets, self._tap)

    async def _open_reports(self, reports: ReportFeed, exchange: Any, sockets: Sockets, tap: Tap) -> None:
        """A login is dated and signed: one that fails may be dated wrongly: the clock is measured first next time."""
        try:
            await reports.open(exchange, sockets, tap)
        except Unavailable:
            if self._client.clock is not None:
                self._client.clock.distrust()
            raise

    async def close(self) -> None:
        """End every stream: readers end with `Unavailable`. For good."""
        async with self._opening:
            self._is_closed = True
            for feed in self._market_feeds():
                feed.fan.close("disconnected")
                await feed.stop()
            if self._reports is not None:
                await self._reports.close("disconnected")
            if self._sockets is not None:
                await self._sockets.close()

    def _settle(self, exchange: Any) -> tuple[Tap, Sockets]:
        """Sit down on the exchange object, before its first socket opens."""
        tap = Tap(exchange, self._dialect.wire)
        tap.ticker, tap.candle = self._quotes.hear, self._candle
        with_numbers(exchange)
        keep_alive = min(exchange.streaming.get("keepAlive", 30_000), int(self._pace.silence * 1000 / 3))
        exchange.streaming = {**exchange.streaming, "keepAlive": keep_alive}
        sockets = Sockets(exchange, tap)
        for feed in self._market_feeds():
            feed.start(sockets)
        return tap, sockets

    def _market_feeds(self) -> Iterable[MarketFeed[Any]]:
        return (self._quotes, *self._bars.values(), *self._books.values())

    def _started(self, feed: MarketFeed[Any]) -> None:
        if self._is_closed:
            feed.fan.close("disconnected")
        elif self._sockets is not None:
            feed.start(self._sockets)

    # --- the account -------------------------------------------------------------------------------

    def reports(self) -> Subscription[OrderReport]:
        """Order reports from now on; they end with `Unavailable` when the stream is lost."""
        assert self._reports is not None  # without keys the broker has refused already
        return self._reports.reports()

    def lose(self, reason: str) -> None:
        """Something may have happened that nobody will tell: the reports end, so that whoever listens reconciles."""
        if self._reports is not None:
            self._reports.lose(reason)

    def told(self, report: OrderReport) -> None:
        """The venue has told us this in an answer to a change: the stream must tell it, too."""
        if self._reports is not None:
            self._reports.told(report)

    async def settled(self) -> None:
        """There is nothing to wait for: a venue has its own time."""

    # --- market data -------------------------------------------------------------------------------

    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        """Quotes from now on; a slow reader gets the newest of each symbol."""
        return self._quotes.subscribe(symbols)

    def bars(self, symbols: Iterable[str], period: timedelta) -> Subscription[Bar]:
        """Each bar that ends from now on, once. `NotSupported` where the venue has no such period."""
        if period not in self._bars:
            self._bars[period] = feed = self._bar_feed(period)
            self._started(feed)
        return self._bars[period].subscribe(symbols)

    def books(self, symbols: Iterable[str], depth: int) -> Subscription[OrderBook]:
        """Order books from now on; a slow reader gets the newest of each symbol."""
        if depth not in self._books:
            self._books[depth] = feed = self._book_feed(depth)
            self._started(feed)
        return self._books[depth].subscribe(symbols)

    def _candle(self, symbol: str, timeframe: str, row: Sequence[Any]) -> None:
        for feed in self._bars.values():
            if feed.timeframe == timeframe:
                feed.hear(symbol, row)

    def _quote_feed(self) -> QuoteFeed:
        methods = self._dialect.wire.quote_calls if self._dialect.capabilities.quotes else ()
        pulse = self._pulse.stream("quotes")
        return QuoteFeed(self._exchange, methods, self._ask_tickers, self._now, self._pace, pulse)

    def _bar_feed(self, period: timedelta) -> BarFeed:
        name = timeframe(self._client.exchange, period)
        pulse = self._pulse.stream(f"bars {name}")
        is_final = self._dialect.wire.final_bars
        ask = self._market.bars
        feed = BarFeed(self._exchange, ask, period, name, self._now, self._pace, pulse, is_final=is_final)
        feed.is_pushed = self._has("watchOHLCV")
        return feed

    def _book_feed(self, depth: int) -> BookFeed:
        pulse = self._pulse.stream("books")
        feed = BookFeed(self._exchange, self._market.book, depth, self._now, self._pace, pulse)
        feed.is_pushed = self._dialect.wire.books and self._has("watchOrderBook")
        return feed

    def _has(self, method: str) -> bool:
        """Whether ccxt has a stream of the venue; where it has none, the venue is asked instead."""
        return bool(self._client.exchange.has.get(method))

    def _exchange(self) -> Any:
        return self._client.exchange

    def _now(self) -> datetime:
        return self._inquiry.now()

    async def _ask_tickers(self, symbols: Sequence[str]) -> Mapping[str, Sequence[Raw]]:
        """The prices of symbols, by the fewest questions that the venue has for it."""
        methods = self._dialect.wire.ask_calls
        if not methods:
            return {symbol: [await self._dialect.quote(self._inquiry, symbol)] for symbol in symbols}
        found: dict[str, list[Raw]] = {symbol: [] for symbol in symbols}
        for start in range(0, len(symbols), _MOST_AT_ONCE):
            part = list(symbols[start : start + _MOST_AT_ONCE])
            for method in methods:
                answer = await self._client.query(MARKET, Call(method, (part,)))
                for symbol in part:
                    found[symbol] += [answer[symbol]] if symbol in answer else []
        return found
