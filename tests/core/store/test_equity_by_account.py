"""Equity that was stored while there was one account becomes that account's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tortoise import Tortoise

from core.store.control import equity_of, equity_series
from core.store.database import Database, orm_config, sqlite_url
from core.store.schema import migrate
from tests.core.store.conftest import client
from tests.databases import postgres_url

AT = datetime(2026, 3, 2, 16, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def always_closed() -> AsyncIterator[None]:
    yield
    await Tortoise.close_connections()


async def _old(url: str, accounts: list[tuple[str, str]]) -> None:
    """A database of the version before: equity of "account" and of a strategy, baselines of these accounts."""
    config = orm_config(url, durable=False)
    await Tortoise.init(config=config, _enable_global_fallback=True)
    await migrate(config["apps"], "here", "0002_order_integrity")
    for number in range(3):
        at = AT + timedelta(days=number)
        stamp = f"{at:%Y-%m-%d %H:%M:%S}+00:00"
        for subject, value in (("account", 100 + number), ("alpha", number)):
            await client().execute_query(
                f"INSERT INTO equity (subject, value, at) VALUES ('{subject}', '{value}', '{stamp}')"
            )
    for account, day in accounts:
        columns = "account, day, day_start_equity, peak_equity"
        await client().execute_query(f"INSERT INTO baselines ({columns}) VALUES ('{account}', '{day}', '1', '1')")
    await Tortoise.close_connections()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("accounts", "owner"),
    [([("paper", "2026-03-02")], "paper"), ([("old", "2026-01-02"), ("new", "2026-03-02")], "new")],
)
async def test_the_curve_goes_on_under_the_accounts_name(
    tmp_path: Path, kind: str, accounts: list[tuple[str, str]], owner: str
) -> None:
    """Every value, to the last digit; the strategies' are left as they are."""
    path = tmp_path / "old.sqlite3"
    url = sqlite_url(path, durable=False) if kind == "sqlite" else postgres_url(path, migrated=False)
    await _old(url, accounts)
    database = Database(url, require_durable=False)
    await database.open()
    try:
        series = await equity_series(equity_of(owner), most=10)
        assert [value for _, value in series] == [Decimal(100), Decimal(101), Decimal(102)]
        assert [at for at, _ in series] == [AT + timedelta(days=number) for number in range(3)]
        assert len(await equity_series("alpha", most=10)) == 3
        assert await equity_series("account", most=10) == []
    finally:
        await database.close()


async def test_equity_of_nobody_stays_where_it_is(tmp_path: Path) -> None:
    """Without baselines nobody knows whose it is: nothing is guessed, nothing is lost."""
    url = sqlite_url(tmp_path / "old.sqlite3", durable=False)
    await _old(url, [])
    database = Database(url, require_durable=False)
    await database.open()
    try:
        assert len(await equity_series("account", most=10)) == 3
    finally:
        await database.close()
