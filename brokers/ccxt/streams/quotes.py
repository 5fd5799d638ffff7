"""Quotes: best bid and ask and the last price, put together from whatever the venue pushes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import structlog

from brokers.ccxt.calls import Raw
from brokers.ccxt.parsing import Unreadable, decimal, making_sense, moment
from brokers.ccxt.pulse import StreamPulse
from brokers.ccxt.streams.channel import Call
from brokers.ccxt.streams.market_feed import MarketFeed
from brokers.ccxt.streams.pace import Pace
from brokers.market import Quote

log = structlog.get_logger(__name__)

Tickers = Callable[[Sequence[str]], Awaitable[Mapping[str, Sequence[Raw]]]]
"""Asks for the prices of symbols: of each what the venue has, in any number of ccxt's tickers."""


class QuoteFeed(MarketFeed[Quote]):
    """A quote is told when its bid, ask or last price has changed, or been told anew by the venue."""

    name = "quotes"

    def __init__(
        self,
        exchange: Callable[[], Any],
        methods: Sequence[str],
        tickers: Tickers,
        now: Callable[[], datetime],
        pace: Pace,
        pulse: StreamPulse,
    ) -> None:
        super().__init__(pace, pulse, newest=True)
        self._exchange = exchange
        self._methods = methods
        self._tickers = tickers
        self._now = now
        self._newest: dict[str, Quote] = {}
        self._touch: dict[str, Touch] = {}
        self._last: dict[str, Decimal] = {}
        self._told: dict[str, datetime] = {}  # the newest time of each touch; it outlives the stream
        self.is_pushed = bool(methods)

    def topic(self, item: Quote) -> str:
        """Its symbol."""
        return item.symbol

    def calls(self, topics: Sequence[str]) -> Sequence[Call]:
        """What opens the stream."""
        return [partial(getattr(self._exchange(), method), list(topics)) for method in self._methods]

    async def unwatch(self, topics: Sequence[str]) -> None:
        """Take back what `calls` has asked for."""
        for method in self._methods:
            await getattr(self._exchange(), f"un_{method}")(list(topics))

    def opened(self, topics: Sequence[str]) -> None:
        """A new stream: what the old one said last is not to be told as of now; `catch_up` asks anew."""
        for symbol in topics:
            for known in (self._newest, self._touch, self._last):
                known.pop(symbol, None)

    async def catch_up(self, topics: Sequence[str]) -> None:
        """The first word comes from a question: nothing may change for long."""
        await self.ask(topics)

    async def ask(self, topics: Sequence[str]) -> Iterable[str]:
        """Ask for the quotes, and tell them; what the stream told of bid and ask meanwhile is newer than the answer.

        Returns the symbols of which the answer knew something new.
        """
        before = {symbol: self._newest.get(symbol) for symbol in topics}
        touched = dict(self._touch)
        answers = await self._tickers(topics)
        overtaken = {symbol for symbol in topics if self._touch.get(symbol) is not touched.get(symbol)}
        for symbol, raws in answers.items():
            for raw in raws:
                self.hear(symbol, {**raw, "bid": None, "ask": None} if symbol in overtaken else raw)
        told = [symbol for symbol in topics if symbol not in overtaken]
        return [symbol for symbol in told if _differ(before[symbol], self._newest.get(symbol))]

    def hear(self, symbol: str, raw: Raw) -> None:
        """A ticker of ccxt: with a bid and an ask, or a last price, or all of them.

        A quote is as old as its bid and ask: a last price that goes on alone keeps them neither young nor heard of.
        """
        has_touch = raw.get("bid") is not None or raw.get("ask") is not None
        try:
            with making_sense():
                quote = self._read(symbol, raw, has_touch=has_touch)
        except Unreadable as error:
            log.warning("a price of the venue makes no sense", symbol=symbol, error=str(error))
            return
        if quote is None:
            self._newest.pop(symbol, None)
            return
        self._newest[symbol] = quote
        if has_touch:
            self.heard(symbol)
        self.fan.publish(quote)

    def _read(self, symbol: str, raw: Raw, *, has_touch: bool) -> Quote | None:
        """The quote with what is new in `raw`; None while there is no bid, or no ask."""
        if last := decimal(raw.get("last") or raw.get("price")):
            self._last[symbol] = last
        if has_touch:
            self._touch[symbol] = self._touched(symbol, raw)
        touch = self._touch.get(symbol)
        if touch is None or not touch.bid or not touch.ask:
            return None
        last = self._last.get(symbol) or (touch.bid + touch.ask) / 2
        return Quote(symbol, touch.bid, touch.ask, last, touch.at)

    def _touched(self, symbol: str, raw: Raw) -> Touch:
        """Bid and ask, where a venue may tell only one anew; zero is a side that is empty."""
        known = self._touch.get(symbol)
        bid, ask = decimal(raw.get("bid")), decimal(raw.get("ask"))
        if known is not None:
            bid, ask = known.bid if bid is None else bid, known.ask if ask is None else ask
        return Touch(bid, ask, self._date(symbol, raw))

    def _date(self, symbol: str, raw: Raw) -> datetime:
        """When it was, which never goes back: a slower part, told later, is dated like what overtook it."""
        at = moment(raw.get("timestamp")) or self._now()
        self._told[symbol] = max(at, self._told.get(symbol, at))
        return self._told[symbol]


@dataclass(frozen=True, slots=True)
class Touch:
    """The best bid and the best ask, and when they were told."""

    bid: Decimal | None
    ask: Decimal | None
    at: datetime


def _differ(one: Quote | None, other: Quote | None) -> bool:
    if one is None or other is None:
        return one is not other
    return (one.bid, one.ask) != (other.bid, other.ask)
