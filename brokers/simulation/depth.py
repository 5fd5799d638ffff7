"""The book that orders walk at a tick: the real one where the tick carries it, else one made from its volume.

The synthetic book is V-shaped: level k (from 0, at the touch) lies k steps away and shows (k + 1) x `share` of the
tick's volume. A depth that grows linearly with the distance makes the cost of walking it grow with the square root
of the quantity, as markets are measured to do (Tóth et al., Physical Review X 1, 021006, 2011). A step is
`step_ticks` ticks. Beyond the last level there is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.market import BookLevel, OrderBook
from brokers.order import Side
from brokers.simulation.source import Tick

UNLIMITED = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Depth:
    """How the synthetic book is made."""

    levels: int = 10
    step_ticks: int = 1
    share: Decimal = Decimal("0.01")

    def side(self, tick: Tick, taker: Side, instrument: Instrument) -> tuple[BookLevel, ...]:
        """What a taker of that side meets, best price first; empty when the tick's volume is unknown or nothing."""
        touch = tick.ask if taker is Side.BUY else tick.bid
        if tick.volume is None or touch <= 0:
            return ()
        step, size = instrument.tick * self.step_ticks, tick.volume * self.share
        made = (
            BookLevel(touch + taker.sign * step * k, instrument.floor_quantity(size * (k + 1)))
            for k in range(self.levels)
        )
        return tuple(level for level in made if level.price > 0 and level.quantity > 0)

    def book(self, tick: Tick, instrument: Instrument, depth: int) -> OrderBook:
        """The best `depth` levels of both sides, real where they are known."""
        if tick.book is not None:
            bids, asks = tick.book.bids, tick.book.asks
        else:
            bids, asks = (self.side(tick, taker, instrument) for taker in (Side.SELL, Side.BUY))
        return OrderBook(tick.symbol, _or_touch(bids, tick.bid)[:depth], _or_touch(asks, tick.ask)[:depth], tick.at)

    def shown(self, tick: Tick, side: Side, price: Decimal, instrument: Instrument) -> Decimal | None:
        """How much waits on `side` at `price` or better, ahead of one who joins now; None when nobody can tell."""
        if tick.book is None and tick.volume is None:
            return None
        book = self.book(tick, instrument, max(self.levels, _levels(tick)))
        levels = book.bids if side is Side.BUY else book.asks
        ahead = [level.quantity for level in levels if (level.price - price) * side.sign >= 0]
        return sum(ahead, Decimal(0))


def _levels(tick: Tick) -> int:
    return 0 if tick.book is None else max(len(tick.book.bids), len(tick.book.asks))


def _or_touch(levels: Iterable[BookLevel], touch: Decimal) -> tuple[BookLevel, ...]:
    """At least the touch itself, with a quantity of zero when it is not known."""
    return tuple(levels) or (BookLevel(touch, Decimal(0)),)
