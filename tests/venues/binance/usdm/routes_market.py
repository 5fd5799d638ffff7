"""Market data over REST: exchangeInfo, depth, klines, tickers, premiumIndex, funding rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.venues.binance import errors
from tests.venues.binance.router import Call, Route
from tests.venues.binance.usdm import answers
from tests.venues.binance.usdm.contracts import exchange_info

if TYPE_CHECKING:
    from tests.venues.binance.usdm.product import Usdm

DEPTHS = (5, 10, 20, 50, 100, 500, 1000)


def by_limit(*steps: tuple[int, int], usual: int) -> Callable[[Call], int]:
    """A weight that grows with `limit`."""

    def weigh(call: Call) -> int:
        limit = call.integer("limit", usual) or usual
        return next((weight for most, weight in steps if limit <= most), steps[-1][1])

    return weigh


def by_symbol(one: int, every: int) -> Callable[[Call], int]:
    """A weight that depends on whether one symbol is asked for."""
    return lambda call: one if call.params.get("symbol") else every


class MarketRoutes:
    """Answers that need no key."""

    def __init__(self, usdm: Usdm) -> None:
        self._usdm = usdm

    def routes(self) -> list[Route]:
        """All of them."""
        weigh_depth = by_limit((50, 2), (100, 5), (500, 10), (1000, 20), usual=500)
        weigh_bars = by_limit((99, 1), (499, 2), (1000, 5), (1500, 10), usual=500)
        return [
            Route("GET", "/fapi/v1/ping", lambda _: {}),
            Route("GET", "/fapi/v1/time", lambda _: {"serverTime": self._now()}),
            Route("GET", "/fapi/v1/exchangeInfo", self.info),
            Route("GET", "/dapi/v1/exchangeInfo", lambda _: exchange_info([], self._now())),  # nothing COIN-M is listed
            Route("GET", "/fapi/v1/depth", self.depth, weight=weigh_depth),
            Route("GET", "/fapi/v1/klines", self.klines, weight=weigh_bars),
            Route("GET", "/fapi/v1/trades", self.trades, weight=5),
            Route("GET", "/fapi/v1/aggTrades", self.aggregated, weight=20),
            Route("GET", "/fapi/v1/ticker/24hr", self.day, weight=by_symbol(1, 40)),
            Route("GET", "/fapi/v1/ticker/price", self.price, weight=by_symbol(1, 2)),
            Route("GET", "/fapi/v2/ticker/price", self.price, weight=by_symbol(1, 2)),
            Route("GET", "/fapi/v1/ticker/bookTicker", self.book, weight=by_symbol(2, 5)),
            Route("GET", "/fapi/v1/premiumIndex", self.premium, weight=by_symbol(1, 10)),
            Route("GET", "/fapi/v1/fundingRate", self.funding),
        ]

    def info(self, call: Call) -> Any:
        """All contracts."""
        return exchange_info(list(self._usdm.contracts.values()), self._now())

    def depth(self, call: Call) -> Any:
        """The book."""
        contract, limit = self._usdm.contract(call), call.integer("limit", 500) or 500
        if limit not in DEPTHS:
            raise errors.Refusal(-4021, f"Invalid depth limit: {limit}")
        symbol = self._usdm.market.of(contract.symbol)
        return answers.depth(symbol, self._usdm.writer(symbol.name), limit, self._now())

    def klines(self, call: Call) -> Any:
        """Bars."""
        contract = self._usdm.contract(call)
        limit = min(call.integer("limit", 500) or 500, 1500)
        start, end = call.integer("startTime"), call.integer("endTime")
        found = self._usdm.market.candles(contract.symbol, call.text("interval"), start, end, limit)
        return [answers.candle(each, self._usdm.writer(contract.symbol)) for each in found]

    def trades(self, call: Call) -> Any:
        """The newest trades of everybody."""
        symbol = self._usdm.market.of(self._usdm.contract(call).symbol)
        w, limit = self._usdm.writer(symbol.name), call.integer("limit", 500) or 500
        return [
            {
                "id": each.id,
                "price": w.price(each.price),
                "qty": w.quantity(each.quantity),
                "quoteQty": answers.plain(each.price * each.quantity),
                "time": each.at,
                "isBuyerMaker": each.buyer_is_maker,
                "isRPITrade": False,
            }
            for each in symbol.prints[-limit:]
        ]

    def aggregated(self, call: Call) -> Any:
        """The newest trades, put together by price."""
        symbol = self._usdm.market.of(self._usdm.contract(call).symbol)
        w, limit = self._usdm.writer(symbol.name), call.integer("limit", 500) or 500
        return [
            {
                "a": each.id,
                "p": w.price(each.price),
                "q": w.quantity(each.quantity),
                "nq": w.quantity(each.quantity),
                "f": each.id,
                "l": each.id,
                "T": each.at,
                "m": each.buyer_is_maker,
            }
            for each in symbol.prints[-limit:]
        ]

    def day(self, call: Call) -> Any:
        """The last 24 hours."""
        market = self._usdm.market
        return self._each(call, lambda name: answers.day_ticker(market, name, self._usdm.writer(name)))

    def price(self, call: Call) -> Any:
        """Last prices."""
        market = self._usdm.market
        return self._each(
            call, lambda name: answers.price_ticker(market.of(name), self._usdm.writer(name), self._now())
        )

    def book(self, call: Call) -> Any:
        """The best of both sides."""
        market = self._usdm.market
        return self._each(call, lambda name: answers.book_ticker(market.of(name), self._usdm.writer(name), self._now()))

    def premium(self, call: Call) -> Any:
        """Mark prices and funding."""
        return self._each(call, lambda name: answers.premium(self._usdm.market.of(name), self._now()))

    def funding(self, call: Call) -> Any:
        """The funding rates so far: one, the same for ever."""
        due = answers.next_funding(self._now()) - answers.FUNDING_MS
        names = [self._usdm.contract(call).symbol] if call.params.get("symbol") else list(self._usdm.contracts)
        return [
            {
                "symbol": name,
                "fundingRate": answers.FUNDING_RATE,
                "fundingTime": due,
                "markPrice": answers.fixed(self._usdm.market.of(name).last, 8),
                "rateType": "FUNDING",
            }
            for name in names
        ]

    def _each(self, call: Call, answer: Callable[[str], Any]) -> Any:
        """For the symbol asked for, or a list of all."""
        if call.params.get("symbol"):
            return answer(self._usdm.contract(call).symbol)
        return [answer(name) for name in self._usdm.contracts]

    def _now(self) -> int:
        return self._usdm.frame.clock.now_ms()
