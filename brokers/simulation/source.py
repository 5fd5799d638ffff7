"""Where a simulated venue gets its market from: ticks pushed by a replay or copied from another broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from brokers.errors import BrokerError
from brokers.instrument import Instrument
from brokers.market import Bar, OrderBook, Quote
from brokers.money import exact
from brokers.port import AbstractBroker

TICKS_OF_A_BAR = 4


class Phase(StrEnum):
    """Which part of a bar a tick stands for; a tick of a live market stands for none."""

    NONE = ""
    OPEN = "open"
    PATH = "path"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Tick(Quote):
    """A quote with what a simulated venue needs besides.

    `volume` is what traded at this tick, at `last`, in units; None means unknown, and then volume limits nobody.
    While `halted` nothing fills and nothing triggers. `book` is the real depth, where it is known.
    """

    volume: Decimal | None = None
    halted: bool = False
    book: OrderBook | None = None
    phase: Phase = Phase.NONE

    def __post_init__(self) -> None:
        for name in ("bid", "ask", "last"):
            exact(getattr(self, name), f"{self.symbol} {name}")
        if self.last <= 0:
            raise ValueError(f"{self.symbol}: the last price must be above zero, not {self.last}")
        if self.at.tzinfo is None:
            raise ValueError(f"{self.symbol}: a tick needs a time with a zone, not {self.at}")
        if self.volume is not None and exact(self.volume, f"{self.symbol} volume") < 0:
            raise ValueError(f"{self.symbol}: volume cannot be negative, not {self.volume}")
        if self.book is not None:
            _check_depth(self.symbol, self.book)

    @property
    def is_tradable(self) -> bool:
        """Whether orders may fill: not halted, both sides there, and not crossed (bad data fills nothing)."""
        return not self.halted and 0 < self.bid <= self.ask

    @classmethod
    def of(cls, quote: Quote) -> Tick:
        """`quote` as a tick, validated; a plain quote has unknown volume."""
        if isinstance(quote, Tick):
            return quote
        return cls(quote.symbol, quote.bid, quote.ask, quote.last, quote.at)


def _check_depth(symbol: str, book: OrderBook) -> None:
    """Raise `ValueError` unless both sides are sorted from the best price, without empty levels."""
    for name, levels, sign in (("bids", book.bids, -1), ("asks", book.asks, 1)):
        if any(level.price <= 0 or level.quantity <= 0 for level in levels):
            raise ValueError(f"{symbol}: {name} need prices and quantities above zero")
        if any((worse.price - better.price) * sign <= 0 for better, worse in pairwise(levels)):
            raise ValueError(f"{symbol}: {name} must be sorted from the best price")


Listener = Callable[[Tick], None]
BarReader = Callable[[str, datetime, int, timedelta], Awaitable[Sequence[Bar]]]


class TickSource:
    """The instruments of a simulated market, their latest ticks, and whoever listens to them.

    `bars`, when given, answers `get_bars(symbol, until, count, period)` of the brokers that live on this source.
    `symbols` are what there is to be a market in; the instruments of some may become known later (`learn`).
    """

    def __init__(
        self, instruments: Iterable[Instrument], *, bars: BarReader | None = None, symbols: Iterable[str] = ()
    ) -> None:
        self._instruments = {each.symbol: each for each in instruments}
        self.instruments: Mapping[str, Instrument] = MappingProxyType(self._instruments)
        self.symbols = frozenset({*self._instruments, *symbols})
        self.bars = bars
        self._latest: dict[str, Tick] = {}
        self._listeners: list[Listener] = []

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """The rules by which these instruments are traded from now on."""
        self._instruments.update({each.symbol: each for each in instruments if each.symbol in self.symbols})

    @property
    def is_known(self) -> bool:
        """Whether it is known of every symbol how it is traded."""
        return self.symbols == self._instruments.keys()

    def latest(self, symbol: str) -> Tick | None:
        """The newest tick of `symbol`, or None before the first."""
        return self._latest.get(symbol)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every tick from now on; the returned function ends that, once."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            self._listeners.remove(listener)

        return unsubscribe

    def push(self, ticks: Sequence[Quote]) -> None:
        """Tell every listener of every tick, in order, before returning.

        Pushing a tick again is harmless: a simulated venue ignores what it has processed. Raises `ValueError`
        for an unknown symbol or an impossible price. What a listener raises (`Unavailable`) keeps no other from its
        ticks; the first is raised at the end.
        """
        failed: list[BrokerError] = []
        for quote in ticks:
            self._push(Tick.of(quote), failed)
        if failed:
            raise failed[0]

    def _push(self, tick: Tick, failed: list[BrokerError]) -> None:
        if tick.symbol not in self.instruments:
            raise ValueError(f"this source has no instrument {tick.symbol!r}")
        latest = self._latest.get(tick.symbol)
        if latest is None or tick.at >= latest.at:
            self._latest[tick.symbol] = tick
        for listener in tuple(self._listeners):
            try:
                listener(tick)
            except BrokerError as error:
                failed.append(error)


async def follow(broker: AbstractBroker, source: TickSource, symbols: Iterable[str]) -> None:
    """Copy the quotes of a real `broker` into `source` until cancelled or the broker raises `Unavailable`."""
    async for quote in broker.quotes(symbols):
        source.push((quote,))


_PHASES = (Phase.OPEN, Phase.PATH, Phase.PATH, Phase.CLOSE)


def ticks_of(
    bar: Bar, *, spread_bps: Decimal, instrument: Instrument, period: timedelta
) -> tuple[Tick, Tick, Tick, Tick]:
    """A bar as four ticks: open, the extreme nearer to the open (the low if equal), the other, close.

    They lie strictly inside the bar's `period`, evenly. Bid and ask surround the price by half of
    `spread_bps` (1/10000 of the price), rounded outwards to the instrument's tick; the ask is always above
    the bid. Each has a quarter of the bar's volume; a bar without volume gives ticks of unknown volume.
    Their phases (open, path, path, close) let a venue fill at the next open or the close only.
    """
    if period <= timedelta(0):
        raise ValueError(f"the period of a bar must be above zero, not {period}")
    low_first = bar.open - bar.low <= bar.high - bar.open
    extremes = (bar.low, bar.high) if low_first else (bar.high, bar.low)
    start, step = bar.at - period, period / (TICKS_OF_A_BAR + 1)
    volume = bar.volume / TICKS_OF_A_BAR if bar.volume > 0 else None
    first, second, third, fourth = (
        _tick_around(price, start + step * n, volume, spread_bps, instrument, phase)
        for n, (price, phase) in enumerate(zip((bar.open, *extremes, bar.close), _PHASES, strict=True), start=1)
    )
    return first, second, third, fourth


def _tick_around(
    price: Decimal,
    at: datetime,
    volume: Decimal | None,
    spread_bps: Decimal,
    instrument: Instrument,
    phase: Phase,
) -> Tick:
    half = price * exact(spread_bps, "spread_bps") / 20_000
    step = instrument.tick
    bid = max(((price - half) / step).to_integral_value(rounding=ROUND_FLOOR) * step, step)
    ask = max(((price + half) / step).to_integral_value(rounding=ROUND_CEILING) * step, bid + step)
    return Tick(instrument.symbol, bid, ask, price, at, volume, phase=phase)
