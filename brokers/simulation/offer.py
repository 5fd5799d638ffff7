"""What one tick offers to our orders, and how much of it they have taken so far."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Liquidity, OrderRequest, Side
from brokers.simulation.book import Ladder, Trade
from brokers.simulation.depth import UNLIMITED
from brokers.simulation.slippage import SlippageModel
from brokers.simulation.source import Phase, Tick
from brokers.simulation.state import BookOrder
from brokers.simulation.terms import FillMode, QueueModel, Terms

MARKET = ""
"""The owner of everything in the book that is not ours."""


_MET = {
    FillMode.PATH: frozenset(Phase),
    FillMode.NEXT_OPEN: frozenset({Phase.NONE, Phase.OPEN}),
    FillMode.CLOSE: frozenset({Phase.NONE, Phase.CLOSE}),
}


@dataclass(frozen=True, slots=True)
class Match:
    """A price and a quantity at which an order may fill now, and the role that it plays."""

    price: Decimal
    quantity: Decimal
    liquidity: Liquidity


class Offer:
    """One tick as our orders see it. Changed only by `take`."""

    def __init__(self, tick: Tick, instrument: Instrument, terms: Terms, daily_volume: Decimal | None) -> None:
        self.tick = tick
        self._instrument = instrument
        self._terms = terms
        self._daily_volume = daily_volume
        self._left = UNLIMITED if tick.volume is None else tick.volume * terms.max_participation
        self._ladders: dict[Side, Ladder] = {}
        self.is_met = tick.phase in _MET[terms.fill_mode]
        """Whether orders look at this tick of its bar at all."""

    def budget(self) -> Decimal:
        """Whole lots that our orders may still take of the tick's volume; infinite when it is unknown."""
        return self._left if self._left.is_infinite() else self._instrument.floor_quantity(self._left)

    def spend(self, quantity: Decimal) -> None:
        """Use up that much of the volume that is ours."""
        self._left -= quantity

    def touch(self, taker: Side) -> Decimal:
        """The best price for a taker of that side."""
        return self.tick.ask if taker is Side.BUY else self.tick.bid

    def meets(self, request: OrderRequest) -> bool:
        """Whether an order that arrives now takes at once: it has no limit, or its limit reaches the touch."""
        if request.limit_price is None:
            return True
        return (request.limit_price - self.touch(request.side)) * request.side.sign >= 0

    def is_through(self, request: OrderRequest) -> bool:
        """Whether the market is strictly beyond the limit of a resting order.

        At the limit is not beyond it: others may be in the queue before us.
        """
        assert request.limit_price is not None
        return (request.limit_price - self.touch(request.side)) * request.side.sign > 0

    def walk(self, order: BookOrder) -> list[Match]:
        """How an order that takes would fill: the levels it meets, each price worsened by the slippage.

        Nothing is taken yet. The budget bounds the whole.
        """
        request = order.request
        wanted = min(order.remaining, self.budget())
        if wanted <= 0:
            return []
        found, so_far = [], order.filled
        for trade in self._copy(request.side).take(wanted, request.limit_price):
            quantity = self._instrument.floor_quantity(trade.quantity)
            if quantity > 0:
                so_far += quantity
                found.append(Match(self._worsened(trade, request, so_far), quantity, Liquidity.TAKER))
        return found

    def take(self, taker: Side, quantity: Decimal) -> None:
        """Take `quantity` out of the book, and of the budget."""
        self._ladder(taker).take(quantity)
        self.spend(quantity)

    def rest(self, order: BookOrder) -> tuple[Match | None, Decimal | None]:
        """How a resting limit order fills, and what is ahead of it in the queue afterwards."""
        request = order.request
        assert request.limit_price is not None
        if self.is_through(request):
            return self._maker(order, self.budget()), ZERO if order.ahead is not None else None
        if self._terms.queue is QueueModel.THROUGH or order.ahead is None or self.tick.volume is None:
            return None, order.ahead
        past = (request.limit_price - self.tick.last) * request.side.sign
        if past < 0:
            return None, order.ahead
        traded = self.tick.volume
        if past > 0:  # trades beyond our limit: everybody at it was served, somebody else before us
            return self._maker(order, self.budget()), ZERO
        ahead = max(order.ahead - traded, ZERO)
        return self._maker(order, min(self.budget(), max(traded - order.ahead, ZERO))), ahead

    def queue_ahead(self, order: BookOrder) -> Decimal | None:
        """What is displayed at the limit of an order that joins the queue now, or better."""
        if self._terms.queue is QueueModel.THROUGH:
            return None
        request = order.request
        assert request.limit_price is not None
        return self._terms.depth.shown(self.tick, request.side, request.limit_price, self._instrument)

    def _maker(self, order: BookOrder, most: Decimal) -> Match | None:
        limit = order.request.limit_price
        assert limit is not None
        quantity = self._instrument.floor_quantity(min(order.remaining, most))
        return Match(limit, quantity, Liquidity.MAKER) if quantity > 0 else None

    def _worsened(self, trade: Trade, request: OrderRequest, quantity: Decimal) -> Decimal:
        return self._terms.slippage.taken(
            trade.price,
            request.side,
            self._instrument,
            request.limit_price,
            quantity=quantity,
            volume=self._daily_volume,
        )

    def _ladder(self, taker: Side) -> Ladder:
        if taker not in self._ladders:
            self._ladders[taker] = self._build(taker)
        return self._ladders[taker]

    def _copy(self, taker: Side) -> Ladder:
        copy = Ladder(taker.opposite)
        for price, quantity in self._ladder(taker).levels():
            copy.add(MARKET, price, quantity)
        return copy

    def _build(self, taker: Side) -> Ladder:
        """Real depth, else the synthetic book if slippage comes from it, else the touch with all that there is."""
        tick, ladder = self.tick, Ladder(taker.opposite)
        if tick.book is not None:
            levels = tick.book.asks if taker is Side.BUY else tick.book.bids
        elif self._terms.slippage.model is SlippageModel.BOOK and tick.volume is not None:
            levels = self._terms.depth.side(tick, taker, self._instrument)
        else:
            ladder.add(MARKET, self.touch(taker), UNLIMITED)
            return ladder
        for level in levels:
            ladder.add(MARKET, level.price, level.quantity)
        return ladder
