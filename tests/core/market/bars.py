"""Bars for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.market import Bar
from core.market.archive import stock
from core.market.series import BarSeries

MONDAY = datetime(2024, 1, 1, 21, tzinfo=UTC)


def bar(symbol: str, day: int, close: float | str) -> Bar:
    """A bar that ends `day` days after `MONDAY`, a little above and below `close`."""
    price = Decimal(str(close))
    return Bar(
        symbol=symbol,
        at=MONDAY + timedelta(days=day),
        open=price,
        high=price * Decimal("1.01"),
        low=price * Decimal("0.99"),
        close=price,
        volume=Decimal(1000),
    )


def series(symbol: str, closes: Sequence[float], first_day: int = 0) -> BarSeries:
    """A series of daily bars with these closes."""
    return BarSeries(stock(symbol), tuple(bar(symbol, first_day + day, c) for day, c in enumerate(closes)))
