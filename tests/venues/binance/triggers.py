"""What wakes a conditional order: a price that is reached, or one that trails the market."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(slots=True)
class Trigger:
    """`up`: wakes at or above its price (a buy stop, a sell take-profit), else at or below.

    A trailing one has `trail` (a fraction): its price follows the best one seen, from `activation` on if given
    (reached from below if `activates_up`).
    """

    up: bool
    price: Decimal | None = None
    trail: Decimal | None = None
    activation: Decimal | None = None
    activates_up: bool = False
    best: Decimal | None = None

    def begin(self, last: Decimal) -> None:
        """It is placed while the market stands at `last`."""
        if self.trail is not None and self._is_active(last):
            self.best = last

    def look(self, last: Decimal) -> bool:
        """Follow the market to `last`; whether that wakes the order."""
        if self.trail is None:
            return self.price is not None and self.is_reached(self.price, last)
        if self.best is None and not self._is_active(last):
            return False
        self.best = last if self.best is None else min(self.best, last) if self.up else max(self.best, last)
        return self.is_reached(self.best * (1 + self.trail if self.up else 1 - self.trail), last)

    def is_reached(self, price: Decimal, last: Decimal) -> bool:
        """Whether the market is at `price` or past it."""
        return last >= price if self.up else last <= price

    def _is_active(self, last: Decimal) -> bool:
        if self.activation is None:
            return True
        return last >= self.activation if self.activates_up else last <= self.activation
