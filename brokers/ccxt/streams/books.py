"""Order books, as ccxt keeps them up to date from snapshots and changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from brokers.ccxt.calls import Raw
from brokers.ccxt.parsing import book_of
from brokers.ccxt.pulse import StreamPulse
from brokers.ccxt.streams.channel import Call
from brokers.ccxt.streams.market_feed import MarketFeed
from brokers.ccxt.streams.pace import Pace
from brokers.market import OrderBook

Ask = Callable[[str, int], Awaitable[OrderBook]]


class BookFeed(MarketFeed[OrderBook]):
    """Books of one depth. ccxt changes its book in place, so it is copied at once, no deeper than asked."""

    name = "books"
    is_answered = True

    def __init__(
        self,
        exchange: Callable[[], Any],
        ask: Ask,
        depth: int,
        now: Callable[[], datetime],
        pace: Pace,
        pulse: StreamPulse,
    ) -> None:
        super().__init__(pace, pulse, newest=True)
        self._exchange = exchange
        self._ask = ask
        self._depth = depth
        self._now = now
        self._newest: dict[str, OrderBook] = {}

    def topic(self, item: OrderBook) -> str:
        """Its symbol."""
        return item.symbol

    def calls(self, topics: Sequence[str]) -> Sequence[Call]:
        """One call for each book."""
        return [partial(self._exchange().watch_order_book, symbol) for symbol in topics]

    async def unwatch(self, topics: Sequence[str]) -> None:
        """Take back what `calls` has asked for."""
        for symbol in topics:
            await self._exchange().un_watch_order_book(symbol)

    def answered(self, answer: Any) -> None:
        """A book of ccxt."""
        self._tell(book_of(answer, str(answer["symbol"]), self._depth, self._now))

    async def ask(self, topics: Sequence[str]) -> Iterable[str]:
        """Ask for the books, and tell them."""
        news = []
        for symbol in topics:
            book, known = await self._ask(symbol, self._depth), self._newest.get(symbol)
            self._tell(book)
            if known is None or (book.bids, book.asks) != (known.bids, known.asks):
                news.append(symbol)
        return news

    def _tell(self, book: OrderBook) -> None:
        self._newest[book.symbol] = book
        self.publish(book)


def with_numbers(exchange: Any) -> None:
    """Books of ccxt are sorted by price, so prices must be numbers there; all else is text (`exchange.number = str`).

    A float is told as it is written, so no price of up to 15 digits changes by this.
    """
    for name in ("order_book", "counted_order_book", "indexed_order_book"):
        setattr(exchange, name, partial(_book, getattr(exchange, name)))


def _book(make: Callable[..., Any], snapshot: Raw | None = None, depth: Any = None) -> Any:
    book = make(_floating(snapshot or {}), depth)
    for side in (book["bids"], book["asks"]):
        side.store = partial(_store, side.storeArray)
    reset = book.reset
    book.reset = lambda snapshot=None: reset(_floating(snapshot or {}))
    return book


def _store(store: Callable[[list[Any]], None], price: Any, size: Any, *rest: Any) -> None:
    """A change of one level, which some venues' code passes on as it came: as text, of which "0" is not nothing."""
    store([float(price), float(size), *rest])


def _floating(snapshot: Raw) -> dict[str, Any]:
    sides = {side: [_row(row) for row in snapshot[side]] for side in ("bids", "asks") if side in snapshot}
    return {**snapshot, **sides}


def _row(row: Sequence[Any]) -> list[Any]:
    return [float(row[0]), float(row[1]), *row[2:]]
