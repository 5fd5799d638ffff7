"""Performance and reports, from what is stored."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.order import Side
from core.analytics.round_trips import Execution, round_trips
from core.analytics.summary import performance
from core.store.alerts import since as alerts_since
from core.store.control import equity_series
from core.store.models import AllocationRow
from core.store.orders import allocations_of, count_since
from core.views import EquityPoint, PerformanceView, PnlView, ReportView

PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30), "all": None}

# More fills than this are not matched into trades for one screen; the newest count.
_MOST_TRADES = 20_000
_MOST_POINTS = 20_000


async def performance_view(
    subject: str, currency: str, base: Decimal, *, simulated: bool, since: datetime | None = None
) -> PerformanceView:
    """Figures of the account, or of a strategy: its net profit on top of `base` is its equity."""
    stored = (await equity_series(subject, since))[-_MOST_POINTS:]
    points = tuple(EquityPoint(at, value) for at, value in stored)
    rows = await allocations_of("" if subject == "account" else subject, since)
    offset = Decimal(0) if subject == "account" else base
    figures = performance(
        [p.at for p in points],
        [p.value + offset for p in points],
        round_trips(_executions(rows[-_MOST_TRADES:])),
    )
    return PerformanceView(subject, currency, simulated, figures, points, await _events(since))


async def _events(since: datetime | None) -> tuple[tuple[datetime, str], ...]:
    halts = await alerts_since("halt", since)
    return tuple((row.market_at, "halt") for row in halts)


def _executions(rows: Iterable[AllocationRow]) -> list[Execution]:
    return [
        Execution(
            strategy=row.strategy,
            symbol=row.symbol,
            order=row.fill_ref,
            side=Side.of(row.quantity),
            quantity=abs(row.quantity),
            price=row.price,
            fee=row.fee,
            at=row.at,
        )
        for row in rows
    ]


async def report_view(
    period: str, now: datetime, pnl: PnlView, *, base: Decimal, simulated: bool, denials: int
) -> ReportView:
    """A report over the last day, week or month of market time, or over everything."""
    length = PERIODS[period]
    since = None if length is None else now - length
    shown = await performance_view("account", pnl.currency, base, simulated=simulated, since=since)
    orders, fills = await count_since(since)
    rows = await allocations_of(since=since)
    title = {"day": "Daily report", "week": "Weekly report", "month": "Monthly report"}.get(period, "Report")
    first = since or (shown.series[0].at if shown.series else now)
    return ReportView(
        title=title,
        period=f"{first:%Y-%m-%d} to {now:%Y-%m-%d}",
        performance=shown,
        pnl=pnl,
        fills=fills,
        orders=orders,
        denials=denials,
        halts=len(shown.events),
        csv_name=f"quarterdeck-{period}-{now:%Y%m%d}.csv",
        csv=trades_csv(rows),
    )


_COLUMNS = ("time_utc", "strategy", "symbol", "side", "quantity", "price", "fee", "fill")


def trades_csv(rows: Sequence[AllocationRow]) -> bytes:
    """Every part of a fill, oldest first, as CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        side = "buy" if row.quantity > 0 else "sell"
        quantity, price, fee = (format(number, "f") for number in (abs(row.quantity), row.price, row.fee))
        writer.writerow([row.at.isoformat(), row.strategy, row.symbol, side, quantity, price, fee, row.fill_ref])
    return text.getvalue().encode()
