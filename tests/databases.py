"""The one place where tests choose their database: `TEST_DATABASE=postgres`, or SQLite."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from core.store.database import sqlite_url
from tests.postgres_server import postgres

_TEMPLATE = "migrated"
_KEPT = 5  # a property test makes one for each example
_MIGRATE = """
import asyncio, sys
from core.store.database import Database
async def main():
    database = Database(sys.argv[1], require_durable=False)
    await database.open(); await database.close()
asyncio.run(main())
"""
_names: dict[Path, str] = {}
_numbers = itertools.count(1)
_state = {"test": "", "has_template": ""}


def kind() -> str:
    """sqlite or postgres."""
    chosen = os.environ.get("TEST_DATABASE", "sqlite")
    assert chosen in ("sqlite", "postgres"), chosen
    return chosen


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
    folder = Path(tempfile.mkdtemp(prefix="quarterdeck-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "migrated.sqlite3"
    _migrate(sqlite_url(path, durable=False))
    return path


def postgres_url(path: Path, *, migrated: bool = True) -> str:
    """A database of its own on the test server. Those of earlier tests are dropped."""
    _forget_earlier_tests()
    if path not in _names:
        if migrated and not _state["has_template"]:
            _make_template()
        _drop(list(_names)[:-_KEPT])
        name = f"test_{next(_numbers)}"
        template = _TEMPLATE if migrated else "template0"
        postgres().sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        _names[path] = name
    return postgres().url(_names[path])


def _make_template() -> None:
    """A database that the others are copied from."""
    postgres().sql(f"CREATE DATABASE {_TEMPLATE}")
    _state["has_template"] = "yes"
    _migrate(postgres().url(_TEMPLATE))


def _migrate(url: str) -> None:
    """In a process of its own: the ORM has one database a process."""
    command = [sys.executable, "-c", _MIGRATE, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def _forget_earlier_tests() -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if test != _state["test"]:
        _drop(list(_names))
    _state["test"] = test


def _drop(paths: list[Path]) -> None:
    if paths:
        postgres().sql(*(f"DROP DATABASE IF EXISTS {_names.pop(path)} WITH (FORCE)" for path in paths))
