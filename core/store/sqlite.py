# ruff: noqa: SLF001 (the ORM is extended by overriding its private names)
"""SQLite as we use it: one connection, checked when it opens, and commits that are shared.

The ORM finds the class by the module's name in the configuration that `core.store.database` makes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable
from typing import Any, TypeVar

from tortoise.backends.base.client import ConnectionWrapper, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.exceptions import IntegrityError, OperationalError, TransactionManagementError

from core.errors import SettingsError
from core.store.commits import Commits, Turn, Within, to_the_end

# After these the file may hold anything: an error of the disk, a damaged page, a file that was exchanged.
_GRAVE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL})
_WANTED = {"synchronous": ("2", "3"), "journal_mode": ("wal",)}
_T = TypeVar("_T")


class LocalFile(SqliteClient):
    """The ORM's client for our file. After an error of the disk it writes no more until it is opened again.

    A failed sync must not be tried again: the system may have thrown the data away and report success the next time.
    """

    def __init__(self, file_path: str, *, durable: bool = True, **pragmas: Any) -> None:
        super().__init__(file_path, **pragmas)
        self.commits = Commits(self._begin)
        self.broken = ""
        self._log = f"{file_path}-wal"
        self._durable = durable
        self._inodes: dict[str, int] = {}

    async def create_connection(self, with_db: bool) -> None:
        """Connect, and read back what this connection says of itself. Raises `SettingsError`."""
        await super().create_connection(with_db)
        if self.broken:
            await self._connection.execute("PRAGMA query_only=ON")  # type: ignore[union-attr]
        if self._durable:
            await self._verify()

    async def _verify(self) -> None:
        for pragma, wanted in _WANTED.items():
            found = await self._connection.execute_fetchall(f"PRAGMA {pragma}")  # type: ignore[union-attr]
            if (value := str(next(iter(found))[0])) not in wanted:
                await self.close()
                what = f"{pragma} is {value}, it must be {wanted[0]}: a commit would not be safe from a power cut"
                raise SettingsError([f"database {self.filename}: {what}; use a local disk that SQLite can lock"])

    async def close(self) -> None:
        """Close; SQLite then removes its log, which is no reason to worry."""
        await super().close()
        self._inodes.pop(self._log, None)

    def _in_transaction(self) -> TransactionContext:
        return Turn(self.commits)

    async def _begin(self) -> _Line:
        """The connection is ours, against plain reads and writes too, until the line is closed."""
        await self._lock.acquire()
        try:
            if self._connection is None:
                await to_the_end(self.create_connection(with_db=True))
            self.refuse_if_broken()
            line = _Line(self)
        except BaseException:
            self._lock.release()
            raise
        return line

    def refuse_if_broken(self) -> None:
        """Raises `OperationalError` if writing has stopped."""
        if self.broken:
            raise OperationalError(f"database {self.filename}: writing has stopped after: {self.broken}")

    def refuse_if_exchanged(self) -> None:
        """Raises `OperationalError` if the files are no longer those that were opened: nobody would find the commit."""
        for path in (self.filename, self._log):
            inode = _inode(path)
            if self._inodes.get(path, 0) not in (0, inode):
                self.broken = f"{path} was deleted or exchanged while it was in use; restart the program"
                self.refuse_if_broken()
            self._inodes[path] = inode

    async def told(self, work: Awaitable[_T]) -> _T:
        """`work`, its error in the ORM's words; a grave one stops all writing."""
        try:
            return await work
        except sqlite3.IntegrityError as error:
            raise IntegrityError(error) from error
        except (OperationalError, sqlite3.Error) as error:
            raw = error if isinstance(error, sqlite3.Error) else (error.args or (None,))[0]
            await self._stop_writing_if_grave(raw)
            if isinstance(error, OperationalError):
                raise
            raise OperationalError(error) from error

    async def _stop_writing_if_grave(self, error: object) -> None:
        if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF not in _GRAVE or self.broken:
            return
        self.broken = f"{error}; check the disk, then restart the program"
        if self._connection is not None:
            await self._connection.execute("PRAGMA query_only=ON")

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        """One row, in a commit of its own."""
        return await self.told(super().execute_insert(query, values))

    async def execute_query(self, query: str, values: list[Any] | None = None) -> Any:
        """A statement, in a commit of its own if it writes."""
        return await self.told(super().execute_query(query, values))

    async def execute_query_dict(self, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        """Rows as mappings."""
        return await self.told(super().execute_query_dict(query, values))

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        """Many rows in one transaction that a cancellation cannot leave open."""
        async with self._in_transaction() as speaker:
            await speaker.execute_many(query, values)


class _Speaker(SqliteTransactionWrapper):
    """What the ORM uses inside one transaction. What needs no answer waits for the next statement that does."""

    _parent: LocalFile

    def __init__(self, client: LocalFile, line: _Line) -> None:
        super().__init__(client)
        self._line = line

    def acquire_connection(self) -> ConnectionWrapper[Any]:
        """The connection, as long as the transaction is there."""
        if self._finalized:  # a task that outlived the transaction that it was started in
            return self._parent.acquire_connection()
        if not self._line.is_open:
            raise TransactionManagementError("the database undid this transaction after an error in it")
        return super().acquire_connection()

    def _in_transaction(self) -> TransactionContext:
        return self._parent._in_transaction() if self._finalized else Within(self)

    async def say(self, sql: str) -> None:
        await self._line.say(sql)

    def finish(self) -> None:
        self._finalized = True

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        await self._catch_up()
        return await self._parent.told(super().execute_insert(query, values))

    async def execute_query(self, query: str, values: list[Any] | None = None) -> Any:
        await self._catch_up()
        return await self._parent.told(super().execute_query(query, values))

    async def execute_query_dict(self, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        await self._catch_up()
        return await self._parent.told(super().execute_query_dict(query, values))

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        """Rows that nobody waits for: carried out before the next statement, with the COMMIT at the latest."""
        if self._finalized:
            await self._parent.execute_many(query, values)
        else:
            self._line.later(query, values)

    async def _catch_up(self) -> None:
        if not self._finalized:
            await self._line.catch_up()

    async def execute_script(self, query: str) -> None:
        """Statement by statement: SQLite's own way of running a script commits first."""
        rest = ""
        for piece in query.split(";"):
            rest += piece + ";"
            if sqlite3.complete_statement(rest):
                if rest.strip(" \n;"):
                    await self.execute_query(rest)
                rest = ""


class _Line:
    """The connection while a group has it.

    Each step to SQLite's thread and back costs more than most statements. So rows to insert, and BEGIN itself, are
    kept until something must be answered, and go there together: a transaction that only inserts is one step.
    """

    first: str | None = None

    def __init__(self, client: LocalFile) -> None:
        self._client = client
        self._connection: Any = client._connection
        self._begun = False
        self._kept: list[tuple[str, list[list[Any]]]] = []

    @property
    def is_open(self) -> bool:
        return not self._begun or bool(self._connection.in_transaction)

    def later(self, sql: str, rows: list[list[Any]]) -> None:
        """Keep rows for the next step."""
        self._kept.append((sql, rows))

    async def catch_up(self) -> None:
        """Carry out what was kept."""
        if self._kept or not self._begun:
            await self._step(None)

    async def say(self, sql: str) -> None:
        """Carry out what was kept, and `sql`; what is to be undone anyway is not done first."""
        if not self.is_open:
            raise TransactionManagementError("the database undid the transaction after an error in it")
        if sql.startswith("ROLLBACK"):
            self._kept.clear()
            if not self._begun:
                return
        if sql == "COMMIT":
            self._client.refuse_if_exchanged()
        await self._step(sql)

    async def _step(self, sql: str | None) -> None:
        kept, self._kept = self._kept, []
        try:
            await self._client.told(self._connection._execute(self._carry_out, kept, sql))
        except asyncio.CancelledError:
            # SQLite's thread does it all the same, perhaps later: whoever ends the transaction must know that it began.
            await to_the_end(self._connection._execute(_nothing))
            raise

    def _carry_out(self, kept: list[tuple[str, list[list[Any]]]], sql: str | None) -> None:
        """In SQLite's thread. IMMEDIATE: whoever else writes is waited for here, not in the middle."""
        connection: sqlite3.Connection = self._connection._conn
        if not self._begun:
            connection.execute("BEGIN IMMEDIATE")
            self._begun = True
        for statement, rows in kept:
            connection.executemany(statement, rows)
        if sql is not None:
            connection.execute(sql)

    async def close(self, *, broken: bool) -> None:
        if broken and self.is_open:
            await self._client.close()  # it could not even be rolled back: SQLite does so when it is opened again
        self._client._lock.release()

    def speaker(self) -> _Speaker:
        return _Speaker(self._client, self)


def _nothing() -> None:
    """What SQLite's thread does when all before it is done."""


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116 (before every commit, so without building a Path)
    except FileNotFoundError:
        return 0


client_class = LocalFile
