"""How it went: equity, candles, reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.market import Bar
from core.analytics.summary import Performance
from core.views.orders import FillRow
from core.views.portfolio import PnlView


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity (or a strategy's net P&L) at one moment of market time."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """Figures and the series for the picture. `subject` is "account" or a strategy's name, `account` is told where
    there are several.
    """

    subject: str
    currency: str
    simulated: bool
    performance: Performance
    series: tuple[EquityPoint, ...]
    events: tuple[tuple[datetime, str], ...]  # halts and breaches, for marks in the picture
    account: str = ""


@dataclass(frozen=True, slots=True)
class CandlesView:
    """The newest bars of one symbol, oldest first, with our executions in their time.

    `average_price` is what the net position cost by unit, None when flat; `stops` and `targets` are the levels of now.
    """

    symbol: str
    currency: str
    simulated: bool
    bars: tuple[Bar, ...]
    fills: tuple[FillRow, ...]
    quantity: Decimal
    average_price: Decimal | None
    stops: tuple[Decimal, ...] = ()
    targets: tuple[Decimal, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report over a period: the figures, its P&L by strategy, activity, and the rows of the CSV file.

    In `pnl` the unrealised is by how much what is open has changed in the period.
    """

    title: str
    period: str
    performance: PerformanceView
    pnl: PnlView
    fills: int
    orders: int
    denials: int
    halts: int
    csv_name: str
    csv: bytes
    account: str = ""  # where there are several
