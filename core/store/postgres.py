# ruff: noqa: SLF001 (the ORM is extended by overriding its private names)
"""PostgreSQL as we use it: a pool for reading, one connection at a time that writes, and commits that are shared.

The program was written for a database where one transaction runs after another: so do ours, whatever the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import ConnectionWrapper, PoolConnectionWrapper, TransactionContext
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError

from core.errors import SettingsError
from core.store.commits import Commits, Turn, Within, to_the_end

_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 30
_LOCK = 0x51_75_61_72_74_65_72  # "Quarter": one instance holds it in each database
_SESSION = {"application_name": "quarterdeck", "timezone": "UTC", "client_encoding": "UTF8"}
_ASKED = (
    "SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,"
    " current_setting('synchronous_commit') AS synchronous_commit, current_setting('server_encoding') AS encoding,"
    " current_setting('TimeZone') AS zone, pg_is_in_recovery() AS standby, current_setting('transaction_read_only')"
    " AS read_only"
)


class Server(AsyncpgDBClient):
    """The ORM's client for a PostgreSQL database that this process alone uses."""

    def __init__(self, *, durable: bool = True, place: str = "", **credentials: Any) -> None:
        session = {**_SESSION, "synchronous_commit": "on" if durable else "off"}
        waits = {"timeout": _CONNECT_SECONDS, "command_timeout": _STATEMENT_SECONDS}
        calls = {"init": self._verify, "reset": _as_it_was}
        super().__init__(**{**waits, **credentials, "server_settings": session, **calls})
        self.commits = Commits(self._begin)
        self.place = place
        self._durable = durable
        self._keeper: asyncpg.Connection | None = None
        self._taking = asyncio.Lock()

    async def _verify(self, connection: Any) -> None:
        """What a new connection says of itself. Raises `SettingsError`."""
        if wrong := list(_problems(await connection.fetchrow(_ASKED), durable=self._durable)):
            raise SettingsError([f"database {self.place}: {each}" for each in wrong])

    # --- one instance a database -------------------------------------------------------------------

    async def take(self) -> None:
        """Hold the database for this process, and again after its connection was lost. Raises if another has it."""
        if self._keeper is not None and not self._keeper.is_closed():
            return
        async with self._taking:
            if self._keeper is None or self._keeper.is_closed():
                self._keeper = await to_the_end(self._keep())

    async def _keep(self) -> asyncpg.Connection:
        known = (self.host, self.port, self.user, self.password, self.database)
        names = ("host", "port", "user", "password", "database")
        more = {"server_settings": self.server_settings, "timeout": _CONNECT_SECONDS, "ssl": self.extra.get("ssl")}
        connection = await asyncpg.connect(**dict(zip(names, known, strict=True)), **more)
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise SettingsError([await self._who_has_it(connection)])  # noqa: TRY301 (one way to close)
        except BaseException:
            await connection.close(timeout=_CONNECT_SECONDS)
            raise
        return connection

    async def _who_has_it(self, connection: asyncpg.Connection) -> str:
        sql = (
            "SELECT a.pid, a.client_addr::text AS address FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.classid::bigint = $1 AND l.objid::bigint = $2 AND l.granted"
        )
        row = await connection.fetchrow(sql, _LOCK >> 32, _LOCK & 0xFFFFFFFF)
        who = f"server process {row['pid']}, from {row['address'] or 'the same machine'}" if row else "unknown"
        return f"database {self.place}: another instance ({who}) uses it; stop it first, or choose another database"

    async def close(self) -> None:
        """Close all connections; the database is free for another instance then."""
        await super().close()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.close(timeout=_CONNECT_SECONDS)

    # --- connections -------------------------------------------------------------------------------

    async def create_connection(self, with_db: bool) -> None:
        """Take the database, then open the pool. Raises `SettingsError`."""
        await self.take()
        await super().create_connection(with_db)

    def acquire_connection(self) -> PoolConnectionWrapper[Any]:
        """A connection of the pool, if the database is still ours."""
        return _Ours(self, self._pool_init_lock)

    async def writer(self) -> PoolConnectionProxy[Any]:
        """A connection of the pool for a group of transactions."""
        if self._pool is None:
            async with self._pool_init_lock:
                if self._pool is None:
                    await self.create_connection(with_db=True)
        await self.take()
        assert self._pool is not None
        return await self._pool.acquire()

    async def release(self, connection: Any, *, broken: bool) -> None:
        """Give a connection back; a broken one is thrown away."""
        if broken:
            with suppress(asyncpg.InterfaceError):  # the pool has taken a lost one back already
                connection.terminate()
        if self._pool is not None:
            await self._pool.release(connection)

    def _in_transaction(self) -> TransactionContext:
        return Turn(self.commits)

    async def _begin(self) -> _Line:
        """A connection in a transaction; it is given back whatever happens on the way."""
        line: _Line = await self._translate_exceptions(_begin)
        return line

    async def _translate_exceptions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return await _translated(self, func, *args, **kwargs)

    async def execute_many(self, query: str, values: list[Any]) -> None:
        """Many rows in one transaction."""
        async with self._in_transaction() as speaker:
            await speaker.execute_many(query, values)

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        """One row, in a commit of its own."""
        return await super().execute_insert(query, _writable(values))

    async def execute_query(self, query: str, values: list[Any] | None = None) -> Any:
        """A statement, in a commit of its own if it writes."""
        return await super().execute_query(query, _writable(values))


class _Ours(PoolConnectionWrapper[Any]):
    """A connection for one statement."""

    async def __aenter__(self) -> Any:
        await self.ensure_connection()
        await self.client.take()  # type: ignore[attr-defined]
        return await super().__aenter__()


class _Speaker(TransactionWrapper):
    """What the ORM uses inside one transaction. A statement is never cancelled half-way: the connection is shared."""

    def __init__(self, client: Server, connection: Any) -> None:
        super().__init__(client)
        self._connection = connection
        self.fetch_inserted = client.fetch_inserted

    def acquire_connection(self) -> Any:
        """The group's connection; for a task that outlived its transaction, one of the pool."""
        return self._parent.acquire_connection() if self._finalized else ConnectionWrapper(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        return self._parent._in_transaction() if self._finalized else Within(self)

    async def _translate_exceptions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return await to_the_end(_translated(self, func, *args, **kwargs))

    async def say(self, sql: str) -> None:
        await self.execute_script(sql)

    def finish(self) -> None:
        self._finalized = True

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        return await super().execute_insert(query, _writable(values))

    async def execute_query(self, query: str, values: list[Any] | None = None) -> Any:
        return await super().execute_query(query, _writable(values))

    async def execute_many(self, query: str, values: list[Any]) -> None:
        if self._finalized:
            await self._parent.execute_many(query, values)
        else:
            await super().execute_many(query, [_writable(each) for each in values])


class _Line:
    """The connection while a group has it."""

    first: str | None = (
        "member_0"  # an error in a statement spoils all of a transaction here, so the first needs a savepoint too
    )

    def __init__(self, client: Server, connection: Any) -> None:
        self._client = client
        self._connection = connection

    @property
    def is_open(self) -> bool:
        try:
            return not self._connection.is_closed()
        except asyncpg.InterfaceError:  # the pool has taken it back: it was lost
            return False

    async def say(self, sql: str) -> None:
        await self._client._translate_exceptions(self._say, sql)

    async def _say(self, _: Server, sql: str) -> None:
        status = await self._connection.execute(sql)
        if sql == "COMMIT" and status != "COMMIT":
            raise OperationalError(f"not stored: the server answered COMMIT with {status}")

    async def catch_up(self) -> None:
        """Nothing waits here: every statement is carried out as it comes."""

    async def close(self, *, broken: bool) -> None:
        await self._client.release(self._connection, broken=broken)

    def speaker(self) -> _Speaker:
        return _Speaker(self._client, self._connection)


async def _as_it_was(_: Any) -> None:
    """Nothing to undo in a session that comes back to the pool: none of ours changes settings, listens or locks.

    So no statement pays for a second question. The driver has ended a transaction that was left open.
    """


async def _begin(client: Server) -> _Line:
    connection = await client.writer()
    try:
        await to_the_end(connection.execute(f"BEGIN; SAVEPOINT {_Line.first}"))
    except BaseException:
        await to_the_end(client.release(connection, broken=True))
        raise
    return _Line(client, connection)


async def _translated(client: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
    """The driver's errors in the ORM's words; whether what was asked for has happened is not known if it went away."""
    try:
        return await func(client, *args, **kwargs)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise IntegrityError(error) from error
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError) as error:
        raise _lost(client, error) from error
    except asyncpg.PostgresError as error:
        raise OperationalError(error) from error
    except (OSError, TimeoutError) as error:
        if isinstance(error, DBConnectionError):
            raise
        raise _lost(client, error) from error


def _lost(client: Any, error: BaseException) -> DBConnectionError:
    place = (client if isinstance(client, Server) else client._parent).place
    words = str(error) or type(error).__name__
    return DBConnectionError(
        f"database {place}: the connection was lost, what was under way may not be stored: {words}"
    )


def _problems(row: Any, *, durable: bool) -> Any:
    """What is wrong with a server, in words."""
    if durable:
        for name in ("fsync", "full_page_writes"):
            if row[name] != "on":
                yield f"the server's {name} is {row[name]}, it must be on: a commit would not be safe from a power cut"
        if row["synchronous_commit"] == "off":
            yield "synchronous_commit is off, it must be on: a commit would not be safe from a power cut"
    if row["encoding"] != "UTF8":
        yield f"its encoding is {row['encoding']}, it must be UTF8; create it with: CREATE DATABASE … ENCODING 'UTF8'"
    if row["zone"] != "UTC":
        yield f"its session's time zone is {row['zone']}, it must be UTC"
    if row["standby"] or row["read_only"] == "on":
        yield "it can only be read (a standby?); use the primary server"


def _writable(values: Sequence[Any] | None) -> list[Any] | None:
    """Text without U+0000, which PostgreSQL cannot hold; a chat or a venue may send one."""
    if values is None:
        return None
    return [each.replace("\x00", "\N{REPLACEMENT CHARACTER}") if isinstance(each, str) else each for each in values]


client_class = Server
