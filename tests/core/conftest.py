"""What tests of core share: a real database, clocks moved by hand, and a supply of bars."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.store.database import Database
from tests.databases import database_url, kinds

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE = Path(__file__).parent
# What `make test` runs on PostgreSQL too: whatever of it has a folder, and so maybe a database.
ON_BOTH = ("access/", "alerts/", *(f"trading/test_{name}.py" for name in
           ("desk", "ledger", "order_manager", "order_store", "reconcile", "pipeline")))  # fmt: skip
ASKS_FOR_BOTH = "place"  # a fixture that has both in any case


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = set(metafunc.fixturenames)
    if "on_database" not in names or "tmp_path" not in names or ASKS_FOR_BOTH in names or len(kinds()) == 1:
        return
    if metafunc.definition.path.relative_to(HERE).as_posix().startswith(ON_BOTH):
        metafunc.parametrize("on_database", kinds(), indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def on_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Which kind of database the tests of this module have, where `TEST_DATABASE` leaves it open."""
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(request, "param"):
            patch.setenv("TEST_DATABASE", request.param)
        yield


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
