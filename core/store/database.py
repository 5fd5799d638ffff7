"""Opens and closes the one database. SQLite in WAL mode with synchronous=FULL: a commit is on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tortoise import Tortoise, connections
from tortoise.migrations.api.migrate import migrate
from tortoise.transactions import in_transaction

from core.errors import SettingsError

_PRAGMAS = "journal_mode=WAL&synchronous=FULL&busy_timeout=5000&foreign_keys=ON&wal_autocheckpoint=4000"
_FULL = 2


def sqlite_url(path: Path, *, durable: bool = True) -> str:
    """The URL of a SQLite file. `durable=False` (benchmarks only) leaves out the sync at each commit."""
    pragmas = _PRAGMAS if durable else _PRAGMAS.replace("FULL", "OFF")
    return f"sqlite://{path}?{pragmas}"


def orm_config(url: str) -> dict[str, Any]:
    """The ORM's configuration; also read by its migration command, see docs/architecture.md."""
    app = {
        "models": ["core.store.models"],
        "migrations": "core.store.migrations",
        "default_connection": "default",
    }
    return {"connections": {"default": url}, "apps": {"store": app}, "use_tz": True, "timezone": "UTC"}


class Database:
    """The open database. Open it in the program's main coroutine, before anything else starts."""

    def __init__(self, url: str, *, require_durable: bool = True) -> None:
        self._url = url
        self._require_durable = require_durable

    async def open(self) -> None:
        """Migrate to the newest schema and connect. Raises `SettingsError` if commits would not be durable."""
        config = orm_config(self._url)
        await migrate(config=config)
        await Tortoise.close_connections()
        await Tortoise.init(config=config, _enable_global_fallback=True)
        if self._require_durable and self._url.startswith("sqlite"):
            await self._check_durable()

    async def close(self) -> None:
        """Close the connections; without this the process would wait for SQLite's thread for ever."""
        await Tortoise.close_connections()

    async def _check_durable(self) -> None:
        row = (await connections.get("default").execute_query_dict("PRAGMA synchronous"))[0]
        if int(row["synchronous"]) < _FULL:
            raise SettingsError([f"database {self._url}: synchronous is {row['synchronous']}, it must be FULL"])


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """All writes inside are committed together, or none. Never call a venue or Telegram inside."""
    async with in_transaction("default"):
        yield


async def read_rows(sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows of a read-only query, for reports that the ORM cannot say."""
    return list(await connections.get("default").execute_query_dict(sql, list(values)))
