"""What tests of core share: a real database, clocks moved by hand, and a supply of bars."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.store.database import Database
from tests.databases import database_url

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A real database, always closed: a forgotten close keeps the process alive for ever."""
    opened = Database(database_url(tmp_path / "test.sqlite3"), require_durable=False)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()
