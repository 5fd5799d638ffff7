"""A book of resting orders, matched by price, then by time. Exact, and knows nothing of the rest of the venue."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Side


@dataclass(slots=True)
class Resting:
    """A quantity that waits at a price; `owner` is whoever put it there."""

    owner: str
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Trade:
    """An incoming order met what `owner` had resting: always at the resting price."""

    owner: str
    price: Decimal
    quantity: Decimal


class Ladder:
    """One side of a book: queues by price, the best price first."""

    def __init__(self, side: Side) -> None:
        self._sign = -side.sign  # bids from the highest down, asks from the lowest up
        self._keys: list[Decimal] = []
        self._queues: dict[Decimal, deque[Resting]] = {}

    def add(self, owner: str, price: Decimal, quantity: Decimal) -> None:
        """Queue up at `price`, behind everybody who is there."""
        if price not in self._queues:
            self._queues[price] = deque()
            insort(self._keys, price * self._sign)
        self._queues[price].append(Resting(owner, price, quantity))

    def remove(self, owner: str) -> Decimal:
        """Take everything of `owner` out; the quantity that was left of it."""
        gone = ZERO
        for price, queue in tuple(self._queues.items()):
            mine = [resting for resting in queue if resting.owner == owner]
            gone += sum((resting.quantity for resting in mine), ZERO)
            for resting in mine:
                queue.remove(resting)
            self._drop_if_empty(price)
        return gone

    def levels(self) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, quantity) by level, best first."""
        for key in self._keys:
            price = key * self._sign
            yield price, sum((resting.quantity for resting in self._queues[price]), ZERO)

    def take(self, quantity: Decimal, limit: Decimal | None = None) -> list[Trade]:
        """Match up to `quantity` at prices no worse than `limit`, best price first, first come first served."""
        trades: list[Trade] = []
        while quantity > 0 and self._keys:
            price = self._keys[0] * self._sign
            if limit is not None and (limit - price) * self._sign < 0:
                break
            trade = self._meet(self._queues[price], quantity)
            self._drop_if_empty(price)
            trades.append(trade)
            quantity -= trade.quantity
        return trades

    @staticmethod
    def _meet(queue: deque[Resting], quantity: Decimal) -> Trade:
        first = queue[0]
        traded = min(quantity, first.quantity)
        first.quantity -= traded
        if first.quantity == 0:
            queue.popleft()
        return Trade(first.owner, first.price, traded)

    def _drop_if_empty(self, price: Decimal) -> None:
        if not self._queues[price]:
            del self._queues[price]
            self._keys.remove(price * self._sign)


class Book:
    """Both sides, for whoever wants to play a whole market: an order takes what it meets, and rests with the rest."""

    def __init__(self) -> None:
        self._sides = {side: Ladder(side) for side in Side}

    def submit(self, owner: str, side: Side, quantity: Decimal, limit: Decimal | None = None) -> list[Trade]:
        """Match an incoming order; what is left of one with a limit rests, of one without is given back."""
        trades = self._sides[side.opposite].take(quantity, limit)
        left = quantity - sum((trade.quantity for trade in trades), ZERO)
        if left > 0 and limit is not None:
            self._sides[side].add(owner, limit, left)
        return trades

    def cancel(self, owner: str) -> Decimal:
        """Take out what `owner` has resting; how much that was."""
        return sum((ladder.remove(owner) for ladder in self._sides.values()), ZERO)

    def levels(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        """(price, quantity) of one side, best first."""
        return list(self._sides[side].levels())
