"""Market data: quotes, order books and bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.money import ZERO


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask and the last price of one instrument at one moment."""

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime

    @property
    def mid(self) -> Decimal:
        """Half-way between bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class BookLevel:
    """One price level: total `quantity` waiting at `price`."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Bids from the highest down, asks from the lowest up."""

    symbol: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """Open, high, low, close and volume of one period that *ends* at `at` (UTC): a bar is known only then."""

    symbol: str
    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
