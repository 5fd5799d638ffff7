"""How things stand and are meant to stand: trading states, baselines, strategies, jobs, cursors, equity."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from core.store.models import BaselineRow, Cursor, EquityRow, JobRow, StrategyRow, TradingStateRow
from core.store.rows import put
from risk.baselines import Baselines


async def trading_states() -> list[TradingStateRow]:
    """The state of every scope that ever had one."""
    return await TradingStateRow.all()


async def put_trading_state(scope: str, state: int, reason: str, by: str, at: datetime) -> None:
    """Remember a scope's state."""
    await put([TradingStateRow(scope=scope, state=state, reason=reason, by=by, at=at)], replacing=("scope",))


async def get_baselines(account: str) -> Baselines | None:
    """The stored baselines of an account, None before the first."""
    row = await BaselineRow.get_or_none(account=account)
    if row is None:
        return None
    day = date.fromisoformat(row.day)
    return Baselines(day, row.day_start_equity, row.peak_equity, row.last_equity, row.day_start_money)


async def put_baselines(account: str, baselines: Baselines) -> None:
    """Remember an account's baselines."""
    row = BaselineRow(
        account=account,
        day=baselines.day.isoformat(),
        day_start_equity=baselines.day_start_equity,
        peak_equity=baselines.peak_equity,
        last_equity=baselines.last_equity,
        day_start_money=baselines.day_start_money,
    )
    await put([row], replacing=("account",))


async def strategy_rows() -> dict[str, StrategyRow]:
    """Every strategy that ever ran, by name."""
    return {row.name: row for row in await StrategyRow.all()}


async def get_cursor(name: str) -> datetime | None:
    """How far something was worked through."""
    row = await Cursor.get_or_none(name=name)
    return row.at if row else None


async def put_cursor(name: str, at: datetime) -> None:
    """Remember how far."""
    await put([Cursor(name=name, at=at)], replacing=("name",))


def equity_of(account: str) -> str:
    """The subject that an account's equity is stored under; a strategy's net profit is under its name."""
    return f"account:{account}"


async def add_equity(values: Mapping[str, Decimal], at: datetime) -> None:
    """Equity (by `equity_of`) and net P&L by strategy at `at`; a second time for one moment replaces the first."""
    rows = [EquityRow(subject=subject, value=value, at=at) for subject, value in values.items()]
    await put(rows, replacing=("subject", "at"))


async def equity_series(subject: str, since: datetime | None = None, *, most: int) -> list[tuple[datetime, Decimal]]:
    """The newest `most` (time, value) of one subject, oldest first."""
    query = EquityRow.filter(subject=subject)
    if since is not None:
        query = query.filter(at__gte=since)
    rows = await query.order_by("-at").limit(most).values_list("at", "value")
    return [(at, Decimal(value)) for at, value in reversed(rows)]


async def last_equity(subject: str, until: datetime) -> Decimal | None:
    """The newest value of a subject at or before a moment; None if there is none."""
    row = await EquityRow.filter(subject=subject, at__lte=until).order_by("-at").first()
    return row.value if row else None


async def job_rows() -> dict[str, JobRow]:
    """Every job that has been touched, by name."""
    return {row.name: row for row in await JobRow.all()}


async def put_job(name: str, **changes: object) -> None:
    """Remember something about a job."""
    await JobRow.update_or_create(name=name, defaults=changes)


async def drop_job(name: str) -> None:
    """Forget a job."""
    await JobRow.filter(name=name).delete()
