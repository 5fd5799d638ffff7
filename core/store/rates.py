"""The rates of exchange by which equity was converted, moment by moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from core.store.models import FxRateRow
from core.trading.rates import Rate


async def put_rates(rates: Iterable[Rate], at: datetime) -> None:
    """Remember the rates of one moment; a second time for one moment replaces the first."""
    rows = [FxRateRow(base=each.base, quote=each.quote, rate=each.rate, at=at, source=each.source) for each in rates]
    if rows:
        await FxRateRow.bulk_create(rows, on_conflict=["base", "quote", "at"], update_fields=["rate", "source"])


async def rates_at(at: datetime) -> dict[tuple[str, str], Rate]:
    """The rates that the equity of that moment was converted by, by (base, quote)."""
    rows = await FxRateRow.filter(at=at)
    return {(row.base, row.quote): Rate(row.base, row.quote, row.rate, row.source) for row in rows}
