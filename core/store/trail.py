"""Reads the audit trail beside a running program: a connection of its own that cannot write, and one moment's view."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.errors import SettingsError
from core.store.address import postgres_credentials, postgres_place

_SQL = "SELECT seq, at, actor, action, detail, outcome, hash FROM audit ORDER BY seq"
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class TrailLine:
    """A line as it is stored."""

    seq: int
    at: datetime
    actor: str
    action: str
    detail: str
    outcome: str
    hash: str


async def lines_of_file(path: Path) -> AsyncGenerator[TrailLine, None]:
    """Oldest first. Raises `SettingsError` if the file cannot be read."""
    try:
        with closing(_reader(path)) as database:
            for row in database.execute(_SQL):
                yield _line(row)
    except sqlite3.Error as error:
        raise SettingsError([f"database {path}: the audit trail cannot be read: {error}"]) from error


async def lines_of_server(url: str) -> AsyncGenerator[TrailLine, None]:
    """Oldest first. Raises `SettingsError` if the server cannot be asked."""
    import asyncpg

    credentials = postgres_credentials(url)
    credentials.pop("place")
    try:
        connection = await asyncpg.connect(**credentials, server_settings={"default_transaction_read_only": "on"})
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SettingsError([f"database {postgres_place(url)}: cannot be opened: {error}"]) from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            async for row in connection.cursor(_SQL, prefetch=_AT_ONCE):
                yield _line(tuple(row))
    except asyncpg.PostgresError as error:
        raise SettingsError([f"database {postgres_place(url)}: the audit trail cannot be read: {error}"]) from error
    finally:
        await connection.close()


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=5)


def _line(row: tuple[Any, ...]) -> TrailLine:
    seq, at, *rest = row
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    return TrailLine(seq, moment if moment.tzinfo else moment.replace(tzinfo=UTC), *rest)
