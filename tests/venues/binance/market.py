"""One product's market: prices, the displayed book, prints, bars and the day, as far as market data shows them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from brokers.market import BookLevel, OrderBook
from tests.venues.binance.clock import VenueClock
from tests.venues.binance.errors import Refusal, bad_symbol

LEVELS = 50
SHOWN = Decimal(1)
"""What every level of the made-up book shows."""

INTERVALS = {
    name: timedelta(**{unit: count}) // timedelta(milliseconds=1)
    for name, unit, count in (
        ("1s", "seconds", 1), ("1m", "minutes", 1), ("3m", "minutes", 3), ("5m", "minutes", 5), ("15m", "minutes", 15),
        ("30m", "minutes", 30), ("1h", "hours", 1), ("2h", "hours", 2), ("4h", "hours", 4), ("6h", "hours", 6),
        ("8h", "hours", 8), ("12h", "hours", 12), ("1d", "days", 1), ("3d", "days", 3), ("1w", "weeks", 1),
    )
}  # fmt: skip
_MONDAY = 4 * 86_400_000
"""The epoch was a Thursday, and weeks begin on Mondays."""


@dataclass(frozen=True, slots=True)
class Print:
    """One trade that everybody sees."""

    id: int
    price: Decimal
    quantity: Decimal
    at: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar. `began` in milliseconds; `count` prints."""

    began: int
    interval: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    first: int = -1
    count: int = 0

    @property
    def ended(self) -> int:
        """The last millisecond of it."""
        return self.began + self.interval - 1


@dataclass(slots=True)
class Symbol:
    """The market of one symbol. `update` is the id of the newest change of its book."""

    name: str
    tick: Decimal
    lot: Decimal
    start: Decimal
    began: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    update: int = 1_000
    book: OrderBook | None = None
    prints: list[Print] = field(default_factory=list)

    def levels(self, *, bids: bool) -> list[BookLevel]:
        """What is displayed on one side, best first."""
        if self.book is not None:
            return list(self.book.bids if bids else self.book.asks)
        best, step = (self.bid, -self.tick) if bids else (self.ask, self.tick)
        return [BookLevel(best + step * n, SHOWN) for n in range(LEVELS) if best + step * n > 0]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a change of the market did to the displayed book: changed levels, zero where one is gone.

    `volume` bounds what resting orders may fill of it; None does not.
    """

    symbol: Symbol
    first: int
    previous: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    volume: Decimal | None = None


Listener = Callable[[Moved], None]


class Market:
    """Symbols by name; `listeners` hear of every change."""

    def __init__(self, clock: VenueClock) -> None:
        self._clock = clock
        self.symbols: dict[str, Symbol] = {}
        self.listeners: list[Listener] = []
        self._prints = 100_000

    def list(self, name: str, tick: Decimal, lot: Decimal, price: Decimal) -> None:
        """Begin to trade `name` at `price`."""
        now = self._clock.now_ms()
        self.symbols[name] = Symbol(name, tick, lot, price, now, price, price + tick, price)

    def of(self, name: str) -> Symbol:
        """A listed symbol. Raises -1121."""
        found = self.symbols.get(name)
        if found is None:
            raise bad_symbol()
        return found

    def move(self, name: str, price: Decimal, volume: Decimal | None, book: OrderBook | None = None) -> Symbol:
        """The price is `price`, and `volume` has traded there; a `book` replaces the made-up one until the next move."""
        symbol = self.of(name)
        before = {side: _shown(symbol.levels(bids=side)) for side in (True, False)}
        symbol.book = book
        symbol.last = price
        symbol.bid, symbol.ask = price, price + symbol.tick
        if book is not None:
            symbol.bid, symbol.ask = book.bids[0].price, book.asks[0].price
        self.print(symbol, price, volume or SHOWN, buyer_is_maker=False)
        previous = symbol.update
        bids, asks = (_changes(before[side], _shown(symbol.levels(bids=side))) for side in (True, False))
        symbol.update += max(len(bids) + len(asks), 1)
        moved = Moved(symbol, previous + 1, previous, bids, asks, volume)
        for listener in self.listeners:
            listener(moved)
        return symbol

    def print(self, symbol: Symbol, price: Decimal, quantity: Decimal, *, buyer_is_maker: bool) -> int:
        """Somebody has traded; the number of the trade."""
        self._prints += 1
        symbol.prints.append(Print(self._prints, price, quantity, self._clock.now_ms(), buyer_is_maker))
        return self._prints

    # --- bars ----------------------------------------------------------------------------------------

    def candles(
        self, name: str, interval: str, start: int | None = None, end: int | None = None, limit: int = 500
    ) -> list[Candle]:
        """Bars, oldest first, the newest not finished. Raises -1120 for an unknown interval."""
        symbol, length = self.of(name), INTERVALS.get(interval)
        if length is None:
            raise Refusal(-1120, "Invalid interval.")
        last = _begin(min(self._clock.now_ms(), end if end is not None else self._clock.now_ms()), length)
        first = last - (limit - 1) * length
        if start is not None:
            first = _begin(start + length - 1, length)
            last = min(last, first + (limit - 1) * length)
        return [self._candle(symbol, began, length) for began in range(first, last + 1, length)]

    def candle(self, name: str, interval: str) -> Candle:
        """The bar that is being made."""
        return self.candles(name, interval, limit=1)[0]

    def _candle(self, symbol: Symbol, began: int, length: int) -> Candle:
        first = bisect_left(symbol.prints, began, key=lambda each: each.at)
        last = bisect_left(symbol.prints, began + length, key=lambda each: each.at)
        prints = symbol.prints[first:last]
        if began + length <= symbol.began:
            return _history(symbol, began, length)
        opened = symbol.prints[first - 1].price if first else symbol.start
        prices = [opened, *(each.price for each in prints)]
        return Candle(
            began=began,
            interval=length,
            open=opened,
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=sum((each.quantity for each in prints), Decimal(0)),
            quote_volume=sum((each.quantity * each.price for each in prints), Decimal(0)),
            first=prints[0].id if prints else -1,
            count=len(prints),
        )

    def day(self, name: str) -> Candle:
        """The last 24 hours as one bar; before the venue's start the price did not move."""
        symbol, now = self.of(name), self._clock.now_ms()
        prints = [each for each in symbol.prints if each.at > now - INTERVALS["1d"]]
        prices = [symbol.start, *(each.price for each in prints)]
        volume = sum((each.quantity for each in prints), Decimal(1_000))
        quote = sum((each.quantity * each.price for each in prints), 1_000 * symbol.start)
        return Candle(
            began=now - INTERVALS["1d"],
            interval=INTERVALS["1d"],
            open=symbol.start,
            high=max(prices),
            low=min(prices),
            close=symbol.last,
            volume=volume,
            quote_volume=quote,
            first=prints[0].id if prints else -1,
            count=len(prints),
        )


def _begin(at: int, length: int) -> int:
    """When the interval began in which `at` lies."""
    shift = _MONDAY if length == INTERVALS["1w"] else 0
    return at - (at - shift) % length


def _history(symbol: Symbol, began: int, length: int) -> Candle:
    """A made-up bar of the time before the venue was started, the same whenever it is asked for."""
    opened, close = (_wave(symbol, began // length + step) for step in (0, 1))
    swing = symbol.tick * 10
    return Candle(
        began=began,
        interval=length,
        open=opened,
        high=max(opened, close) + swing,
        low=max(min(opened, close) - swing, symbol.tick),
        close=close,
        volume=Decimal(10),
        quote_volume=10 * close,
        first=began // length,
        count=10,
    )


def _wave(symbol: Symbol, number: int) -> Decimal:
    price = symbol.start * (1 + Decimal(number * 7919 % 201 - 100) / 10_000)
    return (price / symbol.tick).to_integral_value() * symbol.tick


def _shown(levels: Iterable[BookLevel]) -> dict[Decimal, Decimal]:
    return {level.price: level.quantity for level in levels}


def _changes(before: dict[Decimal, Decimal], after: dict[Decimal, Decimal]) -> list[tuple[Decimal, Decimal]]:
    gone = [(price, Decimal(0)) for price in before if price not in after]
    return gone + [(price, quantity) for price, quantity in after.items() if before.get(price) != quantity]
