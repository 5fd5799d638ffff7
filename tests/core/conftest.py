"""What tests of core share: a real database, clocks moved by hand, and a supply of bars."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.store.database import Database, sqlite_url

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A real SQLite file, always closed: a forgotten close keeps the process alive for ever."""
    opened = Database(sqlite_url(tmp_path / "test.sqlite3", durable=False), require_durable=False)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()
