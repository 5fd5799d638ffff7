"""Opens and closes the one database. SQLite in WAL mode with synchronous=FULL: a commit is on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from sqlite3 import DatabaseError, connect
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from tortoise import Tortoise, connections
from tortoise.exceptions import BaseORMException
from tortoise.migrations.api.migrate import migrate
from tortoise.transactions import in_transaction

from core.errors import SettingsError

_SQLITE = "sqlite://"
_PRAGMAS = "journal_mode=WAL&synchronous=FULL&busy_timeout=5000&foreign_keys=ON&wal_autocheckpoint=4000"


def sqlite_url(path: Path, *, durable: bool = True) -> str:
    """The URL of a SQLite file. `durable=False` (benchmarks only) leaves out the sync at each commit."""
    pragmas = _PRAGMAS if durable else _PRAGMAS.replace("FULL", "OFF")
    return f"sqlite:///{quote(str(path.absolute()).lstrip('/'))}?{pragmas}"


def orm_config(url: str) -> dict[str, Any]:
    """The ORM's configuration; also read by its migration command, see docs/architecture.md."""
    app = {
        "models": ["core.store.models"],
        "migrations": "core.store.migrations",
        "default_connection": "default",
    }
    return {"connections": {"default": _connection(url)}, "apps": {"store": app}, "use_tz": True, "timezone": "UTC"}


def _connection(url: str) -> Any:
    """A SQLite file by its path: in a URL the ORM would not read `%`, `?`, `#` and blanks as they are meant."""
    place, _, pragmas = url.partition("?")
    if not place.startswith(_SQLITE):
        return url
    credentials = {"file_path": unquote(place.removeprefix(_SQLITE)), **dict(parse_qsl(pragmas))}
    return {"engine": "tortoise.backends.sqlite", "credentials": credentials}


class Database:
    """The open database. Open it in the program's main coroutine, before anything else starts."""

    def __init__(self, url: str, *, require_durable: bool = True) -> None:
        self._url = url
        self._require_durable = require_durable
        self._is_open = False

    @property
    def place(self) -> str:
        """Where it is, without pragmas or passwords."""
        return unquote(self._url.partition("?")[0].rpartition("@")[2].removeprefix(_SQLITE))

    async def open(self) -> None:
        """Migrate to the newest schema and connect; a second time it does nothing.

        Raises `SettingsError` if the file cannot be used, or if commits in it would not be durable.
        """
        if self._is_open:
            return
        try:
            await self._connect()
        except (DatabaseError, BaseORMException, OSError) as error:
            await self.close()
            remedy = "check that the directory can be written to and has space, and that no other program uses the file"
            raise SettingsError([f"database {self.place}: cannot be opened: {error}; {remedy}"]) from error
        except BaseException:
            await self.close()
            raise
        self._is_open = True

    async def close(self) -> None:
        """Close the connections; without this the process would wait for SQLite's thread for ever. Idempotent."""
        self._is_open = False
        await Tortoise.close_connections()

    def _look(self) -> None:
        """Whether SQLite can read the file at all; the ORM's thread would outlive a failure."""
        if self._url.startswith(_SQLITE):
            with closing(connect(self.place)) as looked:
                looked.execute("PRAGMA schema_version")

    async def _connect(self) -> None:
        self._look()
        config = orm_config(self._url)
        await migrate(config=config)
        await Tortoise.close_connections()
        await Tortoise.init(config=config, _enable_global_fallback=True)
        if self._require_durable and self._url.startswith("sqlite"):
            for pragma, wanted in (("synchronous", "2"), ("journal_mode", "wal")):
                await self._check(pragma, wanted)

    async def _check(self, pragma: str, wanted: str) -> None:
        """What the connection that we shall use says of itself, not what we asked for."""
        row = (await connections.get("default").execute_query_dict(f"PRAGMA {pragma}"))[0]
        if (found := str(row[pragma])) != wanted:
            what = f"{pragma} is {found}, it must be {wanted}: a commit would not be safe from a power cut"
            raise SettingsError([f"database {self.place}: {what}; use a local disk that SQLite can lock"])


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """All writes inside are committed together, or none. Never call a venue or Telegram inside."""
    async with in_transaction("default"):
        yield


async def read_rows(sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows of a read-only query, for reports that the ORM cannot say."""
    return list(await connections.get("default").execute_query_dict(sql, list(values)))
