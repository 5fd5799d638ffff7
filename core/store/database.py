"""Opens and closes the one database, a SQLite file or a PostgreSQL server. A commit that returned is on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing, suppress
from pathlib import Path
from sqlite3 import DatabaseError, connect
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from tortoise import Tortoise, connections
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.exceptions import BaseORMException
from tortoise.transactions import in_transaction

from core.errors import SettingsError
from core.store.address import postgres_credentials, postgres_place
from core.store.disk import OpenMark, refuse_network_disk, sync_directory
from core.store.schema import migrate

_SQLITE = "sqlite://"
_PRAGMAS = "journal_mode=WAL&synchronous=FULL&busy_timeout=5000&foreign_keys=ON&wal_autocheckpoint=4000"
_MODELS = {"models": ["core.store.models"], "migrations": "core.store.migrations", "default_connection": "default"}
_REMEDIES = {
    True: "check that the directory can be written to and has space, and that no other program uses the file",
    False: "check database_url, and that the server runs and lets this user in",
}


def sqlite_url(path: Path, *, durable: bool = True) -> str:
    """The URL of a SQLite file. `durable=False` (benchmarks only) leaves out the sync at each commit."""
    pragmas = _PRAGMAS if durable else _PRAGMAS.replace("FULL", "OFF")
    return f"sqlite:///{quote(str(path.absolute()).lstrip('/'))}?{pragmas}"


def orm_config(url: str, *, durable: bool = True) -> dict[str, Any]:
    """The ORM's configuration; also read by its migration command, see docs/architecture.md."""
    is_file = url.startswith(_SQLITE)
    credentials = _file_credentials(url) if is_file else postgres_credentials(url)
    engine = "core.store.sqlite" if is_file else "core.store.postgres"
    connection = {"engine": engine, "credentials": {**credentials, "durable": durable}}
    return {"connections": {"default": connection}, "apps": {"store": _MODELS}, "use_tz": True, "timezone": "UTC"}


def _file_credentials(url: str) -> dict[str, Any]:
    """A SQLite file by its path: in a URL the ORM would not read `%`, `?`, `#` and blanks as they are meant."""
    place, _, pragmas = url.partition("?")
    return {"file_path": unquote(place.removeprefix(_SQLITE)), **dict(parse_qsl(pragmas))}


class Database:
    """The open database. Open it in the program's main coroutine, before anything else starts."""

    def __init__(self, url: str, *, require_durable: bool = True) -> None:
        self._url = url
        self._require_durable = require_durable
        self._is_open = False
        self._is_file = url.startswith(_SQLITE)
        self._mark = OpenMark(Path(self.place)) if self._is_file else None

    @property
    def place(self) -> str:
        """Where it is, without pragmas, users or passwords."""
        return (
            unquote(self._url.partition("?")[0].removeprefix(_SQLITE)) if self._is_file else postgres_place(self._url)
        )

    async def open(self) -> None:
        """Connect and migrate to the newest schema; a second time it does nothing.

        Raises `SettingsError` if it cannot be used, if commits in it would not be durable, if another instance uses
        it, or if a newer program has changed it.
        """
        if self._is_open:
            return
        try:
            await self._connect()
        except (DatabaseError, BaseORMException, OSError) as error:
            await self._disconnect()
            what = f"database {self.place}: cannot be opened: {error}; {_REMEDIES[self._is_file]}"
            raise SettingsError([what]) from error
        except BaseException:
            await self._disconnect()
            raise
        self._is_open = True

    async def close(self) -> None:
        """Close the connections; without this the process would wait for SQLite's thread for ever. Idempotent."""
        if self._is_open and self._mark is not None:
            await self._tidy(self._mark)
        await self._disconnect()
        if self._mark is not None:
            self._mark.remove_if_log_is_gone()

    async def _disconnect(self) -> None:
        self._is_open = False
        await Tortoise.close_connections()

    async def _tidy(self, mark: OpenMark) -> None:
        """Everything into the main file; only then may the log beside it be missing at the next start."""
        with suppress(DatabaseError, BaseORMException):  # then the mark stays, and the log is read at the next start
            done = await read_rows("PRAGMA wal_checkpoint(TRUNCATE)")
            if not done[0]["busy"]:
                mark.remove()

    def _look(self, mark: OpenMark) -> None:
        """Whether SQLite can read the file at all; the ORM's thread would outlive a failure."""
        refuse_network_disk(Path(self.place))
        mark.refuse_if_log_is_missing()
        with closing(connect(self.place)) as looked:
            looked.execute("PRAGMA schema_version")
            mark.remove()  # closing may move the log into the main file and delete it: that is no loss

    async def _connect(self) -> None:
        if self._mark is not None:
            self._look(self._mark)
        config = orm_config(self._url, durable=self._require_durable)
        EXECUTOR_CACHE.clear()  # the ORM keeps statements by table, whatever kind of database was open before
        await Tortoise.init(config=config, _enable_global_fallback=True)
        await migrate(config["apps"], self.place)
        if self._mark is not None:
            self._mark.put()
            sync_directory(Path(self.place).parent)


def transaction() -> AbstractAsyncContextManager[object]:
    """All writes inside are committed together, or none. Never call a venue or Telegram inside.

    Transactions run one after another and share commits: `core/store/commits.py`. When this returns, the commit is
    durable; if it raises, nothing of it may be relied on.
    """
    return in_transaction("default")


async def read_rows(sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows of a read-only query, for reports that the ORM cannot say; write `$1`, `$2` for values, as both can read."""
    return list(await connections.get("default").execute_query_dict(sql, list(values)))
