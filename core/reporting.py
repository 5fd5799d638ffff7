"""Performance and reports, from what is stored."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.order import Side
from core.analytics.paid_in import without_flows
from core.analytics.round_trips import Execution, round_trips
from core.analytics.summary import Performance, performance
from core.store.alerts import since as alerts_since
from core.store.control import equity_of, equity_series
from core.store.ledger import paid_in
from core.store.models import AllocationRow
from core.store.orders import allocations_of, count_since
from core.trading.portfolio import Portfolio
from core.views import EquityPoint, PerformanceView, PnlView, ReportView

PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30), "all": None}

# Screens and files hold the newest of a long history: a person waits for them, and Telegram takes no giant files.
_MOST_TRADES = 5_000
_MOST_POINTS = 10_000
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Account:
    """What figures are made of: the portfolio and what was paid into it. `named`: how it is told, if it is."""

    portfolio: Portfolio
    deposits: Decimal
    simulated: bool
    named: str = ""


async def performance_view(account: Account, strategy: str = "", since: datetime | None = None) -> PerformanceView:
    """Figures of an account, or of a strategy in it: its net profit on top of what was paid in is its equity."""
    portfolio = account.portfolio
    stored = await equity_series(strategy or equity_of(portfolio.account), since, most=_MOST_POINTS)
    points = tuple(EquityPoint(at, value) for at, value in stored)
    rows = await allocations_of(strategy, since, account=portfolio.account, most=_MOST_TRADES)
    offset = account.deposits if strategy else Decimal(0)
    flows = [] if strategy else await _flows(account, points)
    figures = await asyncio.to_thread(_figures, points, offset, flows, rows, Money.of(portfolio, rows))
    return PerformanceView(
        subject=strategy or "account",
        currency=portfolio.currency,
        simulated=account.simulated,
        performance=figures,
        series=points,
        events=await _events(since, portfolio.account),
        account=account.named,
    )


async def _flows(account: Account, points: Sequence[EquityPoint]) -> list[tuple[datetime, Decimal]]:
    """What was paid in and out while the curve was written, at today's rates. What has no rate is no part of equity.

    With real money equity knows of it from the moment at which it is written down; a replay has a time of its own.
    """
    if not points:
        return []
    portfolio = account.portfolio
    found = await paid_in(portfolio.account, datetime.min.replace(tzinfo=UTC) if account.simulated else points[0].at)
    worth = [
        (at if account.simulated else wall, portfolio.rates.convert({unit: paid})) for at, wall, unit, paid in found
    ]
    return [(at, paid) for at, paid in worth if paid is not None]


def _figures(
    points: Sequence[EquityPoint],
    offset: Decimal,
    flows: Sequence[tuple[datetime, Decimal]],
    rows: Sequence[AllocationRow],
    money: Money,
) -> Performance:
    """Off the event loop: thousands of trades take a while, and a halt must not wait."""
    times = [point.at for point in points]
    values = without_flows(times, [point.value + offset for point in points], flows)
    return performance(times, values, round_trips(_executions(rows, money)))


@dataclass(frozen=True, slots=True)
class Money:
    """What makes prices and fees money of the account: the instruments and the rates of now."""

    instruments: Mapping[str, Instrument]
    rates: Mapping[str, Decimal]

    @classmethod
    def of(cls, portfolio: Portfolio, rows: Iterable[AllocationRow]) -> Money:
        """All that these rows need and that is known, taken at one moment."""
        instruments = {row.symbol: portfolio.instrument(row.symbol) for row in rows}
        currencies = {each.currency for each in instruments.values()} | {row.fee_currency for row in rows}
        return cls(instruments, portfolio.rates.known(currencies))

    def multiplier(self, row: AllocationRow) -> Decimal | None:
        """What turns price x quantity into money of the account; None while the rate is unknown."""
        instrument = self.instruments[row.symbol]
        rate = self.rates.get(instrument.currency)
        return None if rate is None else rate * (instrument.multiplier if row.multiplier is None else row.multiplier)

    def fee(self, row: AllocationRow) -> Decimal | None:
        """The fee in the account's currency; None while the rate is unknown."""
        rate = self.rates.get(row.fee_currency or self.instruments[row.symbol].currency)
        return row.fee * rate if rate is not None else None if row.fee else row.fee


async def _events(since: datetime | None, account: str) -> tuple[tuple[datetime, str], ...]:
    """The halts of an account and of the house."""
    halts = await alerts_since("halt", since)
    return tuple((row.market_at, "halt") for row in halts if row.account in ("", account))


def _executions(rows: Iterable[AllocationRow], money: Money) -> Iterator[Execution]:
    """Trades in the account's currency. One whose rate is unknown has no result that could be told: it is left out."""
    for row in rows:
        multiplier, fee = money.multiplier(row), money.fee(row)
        if multiplier is not None and fee is not None and row.quantity:
            yield Execution(
                strategy=row.strategy,
                symbol=row.symbol,
                order=row.fill_ref,
                side=Side.of(row.quantity),
                quantity=abs(row.quantity),
                price=row.price,
                fee=fee,
                at=row.at,
                multiplier=multiplier,
            )


async def report_view(
    period: str,
    now: datetime,
    pnl: PnlView,
    account: Account,
    *,
    denials: int,
) -> ReportView:
    """A report on an account over the last day, week or month of market time, or over everything."""
    length = PERIODS[period]
    since = None if length is None else now - length
    shown = await performance_view(account, since=since)
    name = account.portfolio.account
    orders, fills = await count_since(since, name)
    rows = await allocations_of(since=since, account=name, most=_MOST_ROWS)
    cut = f"newest-{_MOST_ROWS}-" if len(rows) == _MOST_ROWS else ""
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
        csv_name="-".join(["quarterdeck", *([name] if account.named else []), period, f"{cut}{now:%Y%m%d}.csv"]),
        csv=await asyncio.to_thread(trades_csv, rows),
        account=account.named,
    )


_COLUMNS = ("time_utc", "strategy", "symbol", "side", "quantity", "price", "fee", "fee_currency", "fill")


def trades_csv(rows: Sequence[AllocationRow]) -> bytes:
    """Every part of a fill, oldest first, as CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        side = "buy" if row.quantity + (row.spent or 0) > 0 else "sell"
        quantity, price, fee = (format(number, "f") for number in (abs(row.quantity), row.price, row.fee))
        figures = (side, quantity, price, fee, row.fee_currency)
        writer.writerow([row.at.isoformat(), row.strategy, _inert(row.symbol), *figures, _inert(row.fill_ref)])
    return text.getvalue().encode()


def _inert(text: str) -> str:
    """A venue's text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
