"""The real database: durable, migrated, closed; one instance a directory."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.store.control import add_equity, equity_series
from core.store.database import Database, read_rows, sqlite_url, transaction
from core.store.instance_lock import InstanceLock
from core.store.models import BaselineRow, ChatMemoryRow, JobRow
from tests.core.conftest import NOW


@pytest.mark.parametrize("name", ["plain", "with space", "50% & more?", "a#b", "Ünïcode", "a:b"])
async def test_opens_from_nothing_durably_wherever_it_is(tmp_path: Path, name: str) -> None:
    """Migrated, WAL, synchronous=FULL on the connection that is used; open and close as often as one likes."""
    folder = tmp_path / name
    folder.mkdir()
    database = Database(sqlite_url(folder / "db.sqlite3"))
    try:
        await database.open()
        await database.open()
        assert (folder / "db.sqlite3").exists()
        assert (await read_rows("PRAGMA synchronous"))[0]["synchronous"] == 2
        assert (await read_rows("PRAGMA journal_mode"))[0]["journal_mode"] == "wal"
        assert (await read_rows("PRAGMA foreign_keys"))[0]["foreign_keys"] == 1
        await JobRow.create(name="x")
        await database.close()
        await database.close()
        await database.open()
        assert await JobRow.all().count() == 1
    finally:
        await database.close()


async def test_refuses_a_file_whose_commits_are_not_durable(tmp_path: Path) -> None:
    """Also without our asking for it: what the connection says counts."""
    for pragmas in (
        sqlite_url(tmp_path / "x", durable=False),
        f"sqlite://{tmp_path}/y?journal_mode=DELETE&synchronous=FULL",
    ):
        database = Database(pragmas)
        with pytest.raises(SettingsError, match=r"(synchronous|journal_mode) is .* it must be"):
            await database.open()
        await database.close()


async def test_an_unusable_file_is_a_problem_with_a_remedy(tmp_path: Path) -> None:
    """Not a database, or a directory that is not there."""
    garbage = tmp_path / "garbage"
    garbage.write_text("this is not a database, it is a letter to my aunt " * 50)
    for path in (garbage, tmp_path / "missing" / "db"):
        with pytest.raises(SettingsError, match="cannot be opened") as caught:
            await Database(sqlite_url(path)).open()
        assert "check that" in str(caught.value)


async def test_transactions_are_all_or_nothing_also_nested(store: Database) -> None:
    """An inner failure that is caught undoes only the inner part."""
    async with transaction():
        await JobRow.create(name="outer")
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with transaction():
                await JobRow.create(name="inner")
                raise ZeroDivisionError
    assert [row.name for row in await JobRow.all()] == ["outer"]


async def test_parallel_transactions_wait_for_each_other(store: Database) -> None:
    """Fifty readers and writers of one row: no update is lost, nothing locks up."""
    await ChatMemoryRow.create(chat_id=1, key="n", value="0")

    async def increment() -> None:
        async with transaction():
            row = await ChatMemoryRow.get(chat_id=1, key="n")
            await asyncio.sleep(0)
            row.value = str(int(row.value) + 1)
            await row.save()

    await asyncio.gather(*(increment() for _ in range(50)))
    assert (await ChatMemoryRow.get(chat_id=1, key="n")).value == "50"


async def test_decimals_and_times_come_back_as_they_were(store: Database) -> None:
    """To the last digit, and in UTC to the microsecond."""
    value = Decimal("123456789.123456789012345678")
    moment = NOW.replace(microsecond=1)
    await BaselineRow.create(account="a", day="2026-01-01", day_start_equity=value, peak_equity=-value)
    row = await BaselineRow.get(account="a")
    assert (row.day_start_equity, row.peak_equity, row.last_equity) == (value, -value, None)
    await add_equity({"account": value}, moment)
    await add_equity({"account": value + 1}, moment)
    assert await equity_series("account", most=9) == [(moment, value + 1)]
    assert await equity_series("account", datetime(2027, 1, 1, tzinfo=UTC), most=9) == []


async def test_a_fresh_process_ends_by_itself(tmp_path: Path) -> None:
    """Opened and closed, nothing keeps it alive."""
    code = f"""
import asyncio
from pathlib import Path
from core.store.database import Database, sqlite_url
async def main():
    database = Database(sqlite_url(Path({str(tmp_path)!r}) / "db"))
    await database.open(); await database.close()
    try: await Database(sqlite_url(Path("/nowhere/db"))).open()
    except Exception as error: print(type(error).__name__)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "SettingsError"), done.stderr


def test_the_models_and_the_migration_agree(tmp_path: Path) -> None:
    """Whoever changes a model regenerates the migration: a fresh database has exactly the models' columns."""
    code = f"""
import asyncio
from pathlib import Path
from tortoise import Tortoise
from core.store.database import Database, read_rows, sqlite_url
async def main():
    database = Database(sqlite_url(Path({str(tmp_path)!r}) / "db"))
    await database.open()
    try:
        for model in Tortoise.apps["store"].values():
            found = {{row["name"] for row in await read_rows(f"PRAGMA table_info({{model._meta.db_table}})")}}
            assert found == set(model._meta.fields_db_projection.values()), model
    finally:
        await database.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_second_instance_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """In clear words with the process's number; also kill -9 lets go."""
    code = f"""
import sys, time
from pathlib import Path
from core.store.instance_lock import InstanceLock
lock = InstanceLock(Path({str(tmp_path)!r})); lock.take(); print("held", flush=True); time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match=f"another instance .process {first.pid}. uses it; stop it first"):
            InstanceLock(tmp_path).take()
        first.kill()
    lock = InstanceLock(tmp_path)
    lock.take()
    with pytest.raises(SettingsError, match="another instance"):
        InstanceLock(tmp_path).take()
    lock.release()
    lock.release()
    lock.take()
    lock.release()


def test_a_directory_that_cannot_be_written_to_is_a_problem_in_words(tmp_path: Path) -> None:
    """It says so instead of a traceback."""
    with pytest.raises(SettingsError, match="choose another data directory"):
        InstanceLock(tmp_path / "missing").take()
