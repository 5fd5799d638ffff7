"""Instruments come back as they were stored, with limits and without."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from brokers.instrument import AssetClass, Instrument, Settlement
from core.alerts.outbox import Alerts
from core.clock import ManualClock
from core.store.database import Database
from core.store.instruments import get_instruments, put_instruments
from core.store.models import AlertRow
from core.trading.instruments import InstrumentBook

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PLAIN = Instrument("AAPL", "USD")
FUTURE = Instrument(
    "BTC/USDT:USDT",
    "USDT",
    AssetClass.CRYPTO,
    tick=Decimal("0.1"),
    lot=Decimal("0.001"),
    min_notional=Decimal(100),
    settlement=Settlement.MARGINED,
    max_quantity=Decimal(1000),
    max_market_quantity=Decimal("107.123"),
)


async def test_every_term_comes_back(store: Database) -> None:
    """No limit is not a limit of nothing."""
    await put_instruments("main", [PLAIN, FUTURE], NOW)
    assert await get_instruments("main") == {each.symbol: each for each in (PLAIN, FUTURE)}


async def test_a_maximum_that_moves_counts_and_is_no_news(store: Database) -> None:
    """Venues move it with their volume; what else changes is told, with it."""
    clock, known = ManualClock(NOW), dict[str, Instrument]()
    book = InstrumentBook("main", known, alerts=Alerts(["telegram:1"], clock, clock), clock=clock)
    await book.refresh([FUTURE])
    moved = replace(FUTURE, max_market_quantity=Decimal(90))
    assert await book.refresh([moved])
    assert known == await get_instruments("main") == {FUTURE.symbol: moved}
    assert await AlertRow.all().count() == 0
    await book.refresh([replace(FUTURE, lot=Decimal("0.01"))])
    assert [row.title for row in await AlertRow.all()] == ["BTC/USDT:USDT: the venue has changed its rules"]
