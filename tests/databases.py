"""The one place where tests choose their database: `TEST_DATABASE=postgres`, or SQLite; or both, see core/conftest.py."""

from __future__ import annotations

import atexit
import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import asyncpg

from core.store.database import sqlite_url
from tests.postgres_server import postgres

_TEMPLATE = "migrated"
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
_KEPT = 5  # a property test makes one for each example
_MIGRATE = """
import asyncio, sys
from core.store.database import Database
async def main():
    database = Database(sys.argv[1], require_durable=False)
    await database.open(); await database.close()
asyncio.run(main())
"""
_ALONE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# All rows but those of the migrations; numbers begin with one again.
_CLEAR = """
DO $$ DECLARE each text; BEGIN
  FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations' LOOP
    EXECUTE format('DELETE FROM %I', each);
  END LOOP;
  PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relname <> 'tortoise_migrations_id_seq';
END $$
"""
# Everything that a test may have changed besides rows: tables, columns, rules, rights, settings, migrations. A line of
# the server's catalogues that was written has another xmin than in the template, whatever was changed in it.
_LOOKS = """
WITH ours(what, number) AS (
  SELECT oid, xmin FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT attrelid, xmin FROM pg_attribute WHERE attrelid >= 16384
  UNION ALL SELECT adrelid, xmin FROM pg_attrdef
  UNION ALL SELECT oid, xmin FROM pg_constraint WHERE oid >= 16384
  UNION ALL SELECT indexrelid, xmin FROM pg_index WHERE indexrelid >= 16384
  UNION ALL SELECT oid, xmin FROM pg_trigger WHERE oid >= 16384
  UNION ALL SELECT oid, xmin FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT oid, xmin FROM pg_type WHERE oid >= 16384
  UNION ALL SELECT oid, xmin FROM pg_namespace WHERE nspname !~ '^pg_'
  UNION ALL SELECT setdatabase, xmin FROM pg_db_role_setting
  UNION ALL SELECT id, xmin FROM tortoise_migrations
)
SELECT concat_ws(' ', count(*), sum(hashint8(what::bigint)), sum(hashtext(number::text))) FROM ours
"""
_names: dict[Path, str] = {}
_left: list[str] = []  # databases that no test needs any more
_numbers = itertools.count(1)
_state = {"test": "", "template": ""}


def kinds() -> tuple[str, ...]:
    """sqlite or postgres, or both."""
    chosen = os.environ.get("TEST_DATABASE", "sqlite")
    assert chosen in ("sqlite", "postgres", "both"), chosen
    return ("sqlite", "postgres") if chosen == "both" else (chosen,)


def kind() -> str:
    """The one of them that this test has."""
    return kinds()[0]


def database_url(path: Path, which: str = "") -> str:
    """A database for `path`, migrated or new: the same path gives the same database as long as the test runs."""
    return sqlite_file(path) if (which or kind()) == "sqlite" else postgres_url(path)


def sqlite_file(path: Path) -> str:
    """A migrated file: a copy, because migrating takes a hundred times as long."""
    if not path.exists():
        shutil.copyfile(_sqlite_template(), path)
    return sqlite_url(path, durable=False)


@cache
def _sqlite_template() -> Path:
    """Our own copy of the one that the processes of this run share: the first that needs it makes it."""
    folder = Path(tempfile.mkdtemp(prefix="quarterdeck-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own, shared = folder / _TEMPLATE, folder.with_name(f"quarterdeck-run-{_RUN}")
    with _turn(shared):
        if not shared.exists():
            _migrate(sqlite_url(own, durable=False))
            shutil.copyfile(own, folder / "whole")
            (folder / "whole").rename(shared)
        shutil.copyfile(shared, own)
    atexit.register(_sweep, shared)
    return own


@contextmanager
def _turn(shared: Path) -> Iterator[None]:
    with shared.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _sweep(shared: Path) -> None:
    """Whoever comes after the first that is through makes it again."""
    with _turn(shared):
        shared.unlink(missing_ok=True)
        shared.with_suffix(".lock").unlink(missing_ok=True)


def postgres_url(path: Path, *, migrated: bool = True) -> str:
    """A database of its own on the test server. Those of earlier tests are emptied and used again, or dropped."""
    _forget_earlier_tests()
    if path not in _names:
        if migrated and not _state["template"]:
            _make_template()
        _forget(list(_names)[:-_KEPT])
        _names[path] = (migrated and _emptied()) or _created(_TEMPLATE if migrated else "template0")
    return postgres().url(_names[path])


def _created(template: str) -> str:
    """A copy: three hundred files, so a quarter of a second."""
    name = f"test_{next(_numbers)}"
    postgres().sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def _make_template() -> None:
    """A database that the others are copied from."""
    postgres().sql(f"CREATE DATABASE {_TEMPLATE}")
    _migrate(postgres().url(_TEMPLATE))
    _state["template"] = postgres().do(_fingerprint, _TEMPLATE)


def _emptied() -> str:
    """One that an earlier test has left, if it is as the template is once its rows are gone; else nothing."""
    while _left:
        name = _left.pop()
        if postgres().do(_empty, name) == _state["template"]:
            return name
        postgres().sql(f"DROP DATABASE {name} WITH (FORCE)")
    return ""


async def _empty(connection: asyncpg.Connection) -> str:
    """Take out all rows but those of the migrations; what it looks like then."""
    await connection.execute(_ALONE)
    try:
        await connection.execute(_CLEAR)
        return await _fingerprint(connection)
    except asyncpg.PostgresError as error:  # what is left of it is no database of ours
        return str(error)


async def _fingerprint(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval(_LOOKS))


def _migrate(url: str) -> None:
    """In a process of its own: the ORM has one database a process."""
    command = [sys.executable, "-c", _MIGRATE, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def _forget_earlier_tests() -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if test != _state["test"]:
        _forget(list(_names))
    _state["test"] = test


def _forget(paths: list[Path]) -> None:
    _left.extend(_names.pop(path) for path in paths)
