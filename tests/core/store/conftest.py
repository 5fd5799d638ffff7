"""What concerns storage is tested on both databases, always."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.store.database import Database
from tests.databases import database_url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of its own."""
    return database_url(tmp_path / "test.sqlite3", request.param)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Database]:
    """Open, and always closed."""
    opened = Database(url, require_durable=False)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def client() -> Any:
    """The ORM's client for the open database."""
    from tortoise import connections

    return connections.get("default")
