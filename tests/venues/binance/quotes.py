"""Spot market data over REST: time, rules, depth, bars, trades, tickers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from json import loads
from typing import Any

from tests.venues.binance.errors import Refusal, bad_symbol
from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import Listing, eight
from tests.venues.binance.market import Candle, Market, Print, Symbol
from tests.venues.binance.router import Call, Route

MOST_DEPTH, MOST_ROWS = 5000, 1000
_RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
]


class Quotes:
    """What everybody may ask of the spot market."""

    def __init__(self, frame: Frame, market: Market, listings: dict[str, Listing]) -> None:
        self._frame = frame
        self._market = market
        self._listings = listings
        api = "/api/v3"
        frame.router.add(
            Route("GET", f"{api}/ping", lambda _: {}),
            Route("GET", f"{api}/time", lambda _: {"serverTime": frame.clock.now_ms()}),
            Route("GET", f"{api}/exchangeInfo", self.rules, weight=20),
            Route("GET", f"{api}/depth", self.depth, weight=_depth_weight),
            Route("GET", f"{api}/klines", self.klines, weight=2),
            Route("GET", f"{api}/trades", self.trades, weight=25),
            Route("GET", f"{api}/aggTrades", self.aggregates, weight=4),
            Route("GET", f"{api}/avgPrice", self.average, weight=2),
            Route("GET", f"{api}/ticker/24hr", self.day, weight=_wide(2, 80)),
            Route("GET", f"{api}/ticker/price", self.price, weight=_wide(2, 4)),
            Route("GET", f"{api}/ticker/bookTicker", self.touch, weight=_wide(2, 4)),
        )

    def rules(self, call: Call) -> Any:
        """What is traded and by which rules."""
        wanted = _symbols(call) or list(self._listings)
        if any(name not in self._listings for name in wanted):
            raise bad_symbol()
        return {
            "timezone": "UTC",
            "serverTime": self._frame.clock.now_ms(),
            "rateLimits": _RATE_LIMITS,
            "exchangeFilters": [],
            "symbols": [self._listings[name].info() for name in wanted],
        }

    def depth(self, call: Call) -> Any:
        """The displayed book."""
        symbol = self._market.of(call.text("symbol"))
        limit = min(call.integer("limit", 100) or 100, MOST_DEPTH)
        sides = (
            [[eight(e.price), eight(e.quantity)] for e in symbol.levels(bids=bids)[:limit]] for bids in (True, False)
        )
        return {"lastUpdateId": symbol.update, "bids": next(sides), "asks": next(sides)}

    def klines(self, call: Call) -> Any:
        """Bars."""
        found = self._market.candles(
            call.text("symbol"),
            call.text("interval"),
            call.integer("startTime"),
            call.integer("endTime"),
            min(call.integer("limit", 500) or 500, MOST_ROWS),
        )
        return [_row(candle) for candle in found]

    def trades(self, call: Call) -> Any:
        """The newest trades."""
        prints = self._market.of(call.text("symbol")).prints
        return [
            {
                "id": each.id,
                "price": eight(each.price),
                "qty": eight(each.quantity),
                "quoteQty": eight(each.price * each.quantity),
                "time": each.at,
                "isBuyerMaker": each.buyer_is_maker,
                "isBestMatch": True,
            }
            for each in _newest(prints, call)
        ]

    def aggregates(self, call: Call) -> Any:
        """The newest trades, each an aggregate of one."""
        prints = self._market.of(call.text("symbol")).prints
        return [
            {
                "a": each.id,
                "p": eight(each.price),
                "q": eight(each.quantity),
                "f": each.id,
                "l": each.id,
                "T": each.at,
                "m": each.buyer_is_maker,
                "M": True,
            }
            for each in _newest(prints, call)
        ]

    def average(self, call: Call) -> Any:
        """The average price; the last one does."""
        symbol = self._market.of(call.text("symbol"))
        return {"mins": 5, "price": eight(symbol.last), "closeTime": self._frame.clock.now_ms()}

    def day(self, call: Call) -> Any:
        """The last 24 hours."""
        return self._each(call, lambda symbol: ticker_of(symbol, self._market.day(symbol.name)))

    def price(self, call: Call) -> Any:
        """Last prices."""
        return self._each(call, lambda symbol: {"symbol": symbol.name, "price": eight(symbol.last)})

    def touch(self, call: Call) -> Any:
        """Best bid and ask."""
        return self._each(call, touch_of)

    def _each(self, call: Call, write: Callable[[Symbol], Any]) -> Any:
        if call.params.get("symbol"):
            return write(self._market.of(call.params["symbol"]))
        return [write(self._market.of(name)) for name in _symbols(call) or self._market.symbols]


def touch_of(symbol: Symbol) -> dict[str, Any]:
    """Best bid and ask with what is displayed there."""
    bid, ask = symbol.levels(bids=True)[0], symbol.levels(bids=False)[0]
    return {
        "symbol": symbol.name,
        "bidPrice": eight(bid.price),
        "bidQty": eight(bid.quantity),
        "askPrice": eight(ask.price),
        "askQty": eight(ask.quantity),
    }


def ticker_of(symbol: Symbol, day: Candle) -> dict[str, Any]:
    """The last 24 hours of a symbol."""
    change = day.close - day.open
    touch = touch_of(symbol)
    last = symbol.prints[-1].quantity if symbol.prints else Decimal(1)
    return {
        "symbol": symbol.name,
        "priceChange": eight(change),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": eight(day.quote_volume / day.volume),
        "prevClosePrice": eight(day.open),
        "lastPrice": eight(day.close),
        "lastQty": eight(last),
        **{name: value for name, value in touch.items() if name != "symbol"},
        "openPrice": eight(day.open),
        "highPrice": eight(day.high),
        "lowPrice": eight(day.low),
        "volume": eight(day.volume),
        "quoteVolume": eight(day.quote_volume),
        "openTime": day.began,
        "closeTime": day.ended + 1,
        "firstId": day.first,
        "lastId": symbol.prints[-1].id if symbol.prints else -1,
        "count": day.count,
    }


def _row(candle: Candle) -> list[Any]:
    half, quote_half = candle.volume / 2, candle.quote_volume / 2
    prices = [eight(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    tail = [candle.count, eight(half), eight(quote_half), "0"]
    return [candle.began, *prices, eight(candle.volume), candle.ended, eight(candle.quote_volume), *tail]


def _newest(prints: list[Print], call: Call) -> Iterable[Print]:
    start = call.integer("startTime", 0) or 0
    limit = min(call.integer("limit", 500) or 500, MOST_ROWS)
    return [each for each in prints if each.at >= start][-limit:]


def _symbols(call: Call) -> list[str]:
    """The parameter `symbol`, or `symbols`, which is a JSON list."""
    if call.params.get("symbol"):
        return [call.params["symbol"]]
    if not call.params.get("symbols"):
        return []
    try:
        return [str(each) for each in loads(call.params["symbols"])]
    except ValueError:
        raise Refusal(-1100, "Illegal characters found in parameter 'symbols'.") from None


def _depth_weight(call: Call) -> int:
    limit = call.integer("limit", 100) or 100
    return next(weight for most, weight in ((100, 5), (500, 25), (1000, 50), (10**9, 250)) if limit <= most)


def _wide(one: int, every: int) -> Callable[[Call], int]:
    return lambda call: one if call.params.get("symbol") else every
