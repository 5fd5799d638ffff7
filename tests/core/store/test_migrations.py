"""A filled database of the released version moves up: nothing is lost, also if the power fails in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tortoise import Tortoise, fields
from tortoise.exceptions import OperationalError
from tortoise.migrations import operations as ops

from core.errors import SettingsError
from core.store.database import Database, orm_config, read_rows, sqlite_url
from core.store.fields import ExactDecimal
from core.store.schema import migrate
from tests.core.store.conftest import client
from tests.databases import postgres_url

FIRST = import_module("core.store.migrations.0001_initial").Migration
MIGRATIONS = sorted(path.stem for path in Path(import_module("core.store.migrations").__path__[0]).glob("0*.py"))
LAST = MIGRATIONS[-1]
ROWS = 3
WORDS = {
    "account": "main",
    "symbol": "AAPL",
    "side": "buy",
    "type": "limit",
    "time_in_force": "gtc",
    "origin": "strategy",
    "state": "working",
    "currency": "USD",
    "fee_currency": "USD",
    "liquidity": "taker",
    "strategies": "|alpha|beta|",
    "strategy": "alpha",
    "kind": "fill",
    "severity": "info",
    "status": "waiting",
    "channel": "telegram",
    "outcome": "",
    "day": "2026-03-02",
    "unit": "USD",
    "payload": '{"update_id": 1, "message": {"text": "/halt \\u00fc"}}',
    "title": "Filled: ACME ✅ 'quoted'",
}
KILLED = """
import os, sys, signal, asyncio
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_editor.sqlite import SqliteSchemaEditor
from core.store.database import Database
url, where = sys.argv[1:]
def killed(kind, name, at):
    real, count = getattr(kind, name), iter(range(1000))
    async def deadly(*values, **more):
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return await real(*values, **more)
    setattr(kind, name, deadly)
if where == "note":
    killed(MigrationRecorder, "record_applied", 0)
else:
    for kind in (BaseSchemaEditor, SqliteSchemaEditor):
        killed(kind, "_run_sql", int(where))
asyncio.run(Database(url, require_durable=False).open())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Empty: no table yet."""
    path = tmp_path / "old.sqlite3"
    return sqlite_url(path, durable=False) if request.param == "sqlite" else postgres_url(path, migrated=False)


@pytest.fixture
async def old(url: str) -> AsyncIterator[dict[str, list[dict[str, Any]]]]:
    """What the tables of the released version hold, filled and closed."""
    config = orm_config(url, durable=False)
    await Tortoise.init(config=config, _enable_global_fallback=True)
    try:
        await migrate(config["apps"], "here", "0001_initial")
        for table, columns in _tables():
            for number in range(ROWS):
                await _insert(table, {name: _value(name, field, number) for name, field in columns.items()})
        filled = {table: await _rows(table, list(columns)) for table, columns in _tables()}
        goals = '[["alpha", "AAPL", "12.5", 0.25, "a reason"]]'
        await _insert("cursors", {"name": "goals:main", "at": None, "value": goals})
        yield filled
    finally:
        await Tortoise.close_connections()


@pytest.fixture(autouse=True)
async def always_closed() -> AsyncIterator[None]:
    yield
    await Tortoise.close_connections()


def _tables() -> Iterator[tuple[str, dict[str, fields.Field[Any]]]]:
    for operation in FIRST.operations:
        assert isinstance(operation, ops.CreateModel)
        yield operation.options["table"], dict(operation.fields)


def _value(name: str, field: fields.Field[Any], number: int) -> Any:
    """Something as the program writes it; different in each row, and every third empty where it may be."""
    if field.null and number == 2:
        return None
    if isinstance(field, ExactDecimal):
        return f"-{number}2345.678901234567890123"
    if isinstance(field, fields.DatetimeField):
        return datetime(2026, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC) + timedelta(days=number)
    if isinstance(field, fields.BooleanField):
        return number == 1
    if isinstance(field, fields.JSONField):
        return '{"alpha": "1.50", "beta": "-0.25"}'
    if isinstance(field, fields.BigIntField | fields.IntField):
        return number + 1 if field.pk else 7_000_000 + number
    key = field.pk or name in ("ref", "fill_ref", "fill_id", "key", "subject", "scope", "unit")
    return f"{WORDS.get(name, name)}{number}" if key else WORDS.get(name, f"{name} {number} ü'\"%")


async def _insert(table: str, row: dict[str, Any]) -> None:
    is_file = client().capabilities.dialect == "sqlite"
    values = [each.isoformat(" ") if is_file and isinstance(each, datetime) else each for each in row.values()]
    marks = ", ".join("?" if is_file else f"${number + 1}" for number in range(len(row)))
    names = ", ".join(f'"{name}"' for name in row)
    await client().execute_query(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


async def _rows(table: str, columns: list[str]) -> list[dict[str, Any]]:
    names = ", ".join(f'"{name}"' for name in columns)
    return await read_rows(f"SELECT {names} FROM {table} ORDER BY 1")


async def test_a_filled_database_of_the_released_version_moves_up(
    url: str, old: dict[str, list[dict[str, Any]]]
) -> None:
    """Every row is there to the last digit, new columns have their defaults, and the models read all of it."""
    await Tortoise.close_connections()
    database = Database(url, require_durable=False)
    await database.open()
    try:
        for table, rows in old.items():
            assert len(rows) == ROWS
            assert await _rows(table, list(rows[0])) == rows, table
        for model in Tortoise.apps["store"].values():  # type: ignore[union-attr]
            found = await model.all()
            before = old.get(model._meta.db_table)
            assert before is None or len(found) == ROWS
            for row in found:
                _check_new_columns(row, before[0] if before else {})
                await row.save()
        await _check_what_moved()
    finally:
        await database.close()


async def _check_what_moved() -> None:
    """Into tables of their own: the strategies of an order, and the goals of an account."""
    if "order_strategies" in {model._meta.db_table for model in Tortoise.apps["store"].values()}:  # type: ignore[union-attr]
        links = await read_rows("SELECT client_order_id, strategy FROM order_strategies ORDER BY 1, 2")
        orders = [f"client_order_id{number}" for number in range(ROWS)]
        wanted = [(order, name) for order in orders for name in ("alpha", "beta")]
        assert [tuple(row.values()) for row in links] == wanted
        goals = await read_rows("SELECT account, strategy, symbol, quantity, exposure, reason FROM goals")
        assert [tuple(row.values()) for row in goals] == [("main", "alpha", "AAPL", "12.5", 0.25, "a reason")]


def _check_new_columns(row: Any, before: dict[str, Any]) -> None:
    for name, field in row._meta.fields_map.items():
        if row._meta.fields_db_projection[name] not in before and not field.null:
            assert getattr(row, name) is not None, f"{row._meta.db_table}.{name} has no default for old rows"


@pytest.mark.parametrize("where", ["3", "note"])
async def test_a_kill_in_the_middle_leaves_a_database_that_moves_up_at_the_next_start(
    url: str, old: dict[str, list[dict[str, Any]]], where: str
) -> None:
    """After some statements, and before it is noted that it was applied."""
    await Tortoise.close_connections()
    if LAST != "0001_initial":
        done = subprocess.run([sys.executable, "-c", KILLED, url, where], timeout=120, check=False, capture_output=True)
        assert done.returncode == -9, done.stderr
    await _moves_up(url, old)


@pytest.mark.parametrize("where", ["5", "note"])
async def test_a_kill_at_the_very_first_start_does_no_harm_either(url: str, where: str) -> None:
    """Some tables were made already, or all."""
    done = subprocess.run([sys.executable, "-c", KILLED, url, where], timeout=120, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    await _moves_up(url, {})


async def _moves_up(url: str, old: dict[str, list[dict[str, Any]]]) -> None:
    database = Database(url, require_durable=False)
    for _ in range(2):
        await database.open()
        applied = await read_rows("SELECT name FROM tortoise_migrations ORDER BY name")
        assert [row["name"] for row in applied] == MIGRATIONS
        for table, rows in old.items():
            assert await _rows(table, list(rows[0])) == rows, table
        await database.close()


async def test_a_statement_that_fails_undoes_the_whole_migration(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so; the next start does it all."""
    from tortoise.migrations.recorder import MigrationRecorder

    async def full(*_: Any) -> None:
        raise OperationalError("database or disk is full")

    database = Database(url, require_durable=False)
    with monkeypatch.context() as patched:
        patched.setattr(MigrationRecorder, "record_applied", full)
        with pytest.raises(SettingsError, match=r"cannot be opened: database or disk is full; check"):
            await database.open()
    await _moves_up(url, {})


async def test_a_database_of_a_newer_program_is_refused_untouched(url: str) -> None:
    """Politely, with what to do."""
    database = Database(url, require_durable=False)
    await database.open()
    await _insert("tortoise_migrations", {"app": "store", "name": "0099_later", "applied_at": datetime.now(UTC)})
    await database.close()
    with pytest.raises(SettingsError, match=r"newer Quarterdeck has changed it \(0099_later\).*run the newer program"):
        await database.open()
