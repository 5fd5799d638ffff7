"""Quotes, order books and bars, asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from brokers.ccxt.calls import Call, Inquiry
from brokers.ccxt.client import Client
from brokers.ccxt.parsing import Unreadable, bar_of, book_of, making_sense, milliseconds, quote_of
from brokers.ccxt.pulse import MARKET
from brokers.errors import NotSupported, Unavailable
from brokers.market import Bar, OrderBook, Quote

_MOST_PAGES = 100


class MarketData:
    """Market data of one venue."""

    def __init__(self, client: Client, inquiry: Inquiry) -> None:
        self._client = client
        self._dialect = client.dialect
        self._inquiry = inquiry

    async def quote(self, symbol: str) -> Quote:
        """The latest quote."""
        try:
            with making_sense():
                raw = await self._dialect.quote(self._inquiry, symbol)
            return quote_of(raw, self._inquiry.now)
        except Unreadable as error:
            raise Unavailable(f"there is no quote of {symbol} ({error})") from None

    async def book(self, symbol: str, depth: int) -> OrderBook:
        """The best `depth` levels of each side."""
        limit = self._dialect.book_limit(depth)
        raw = await self._client.query(MARKET, Call("fetch_order_book", (symbol, limit)))
        try:
            found = book_of(raw, symbol, depth, self._inquiry.now)
        except Unreadable as error:
            raise Unavailable(f"there is no order book of {symbol} ({error})") from None
        if not found.bids and not found.asks:  # our library makes such a book of any object
            raise Unavailable(f"there is no order book of {symbol}: nobody is in it")
        return found

    async def bars(self, symbol: str, until: datetime, count: int, period: timedelta) -> Sequence[Bar]:
        """The last `count` complete bars that ended at or before `until`, oldest first."""
        name, step = timeframe(self._client.exchange, period), milliseconds_of(period)
        end = milliseconds(min(until, self._inquiry.now()))
        since, found = end - end % step - step * count, dict[datetime, Bar]()
        for _ in range(_MOST_PAGES):
            page = await self._page(symbol, name, since, min(count, self._dialect.bar_page), period)
            found.update({bar.at: bar for bar in page if milliseconds(bar.at) <= end})
            if not page or (ahead := milliseconds(page[-1].at)) <= since or ahead >= end - end % step:
                break
            since = ahead
        return tuple(found[at] for at in sorted(found))[-count:]

    async def _page(self, symbol: str, name: str, since: int, limit: int, period: timedelta) -> list[Bar]:
        call = Call("fetch_ohlcv", (symbol, name, since, limit))
        rows = await self._client.query(MARKET, call)
        try:
            with making_sense():
                return sorted((bar_of(symbol, row, period) for row in rows), key=lambda bar: bar.at)
        except Unreadable as error:
            raise Unavailable(f"there are no bars of {symbol} ({error})") from None


def timeframe(exchange: Any, period: timedelta) -> str:
    """Ccxt's name of a period; `NotSupported` where the venue has none."""
    for name in exchange.timeframes or {}:
        if exchange.parse_timeframe(name) == period.total_seconds():
            return str(name)
    raise NotSupported(f"bars of {period}")


def milliseconds_of(period: timedelta) -> int:
    """A period as venues count it."""
    return int(period.total_seconds() * 1000)
