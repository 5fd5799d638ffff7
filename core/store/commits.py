"""Group commit: transactions that come at once run one after another and share one COMMIT, so one wait for the disk.

    A: turn ─ body ─ steps back behind those who wait already ················· turn ─ COMMIT ─ returns
    B:        waits ······ turn ─ body in its savepoint ─ waits for the COMMIT ············── returns
    C:        waits ·························· turn ─ body fails ─ back to its savepoint ─ raises

Nobody returns before the COMMIT that holds its work has returned; if the COMMIT fails, everyone in it is told.
The first to finish commits, so that no timer is needed and a transaction that is alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tortoise.backends.base.client import TransactionContext
from tortoise.connection import ConnectionToken, get_connections
from tortoise.exceptions import TransactionManagementError

_MOST = 64  # transactions in one COMMIT, so that plain reads (SQLite) wait for it only for milliseconds
_T = TypeVar("_T")


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """What `work` returns or raises; a cancellation that comes meanwhile is delivered when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain: the cancellation is the news
        raise


class Line(Protocol):
    """The one connection that writes, for as long as a group holds it; it has begun its transaction."""

    @property
    def first(self) -> str | None:
        """The savepoint of the first member; None where a failed first member is undone with the whole."""

    @property
    def is_open(self) -> bool:
        """Whether its transaction is still there: some errors undo all of it at once."""

    async def say(self, sql: str) -> None:
        """Run a statement of control. Raises if it is not done exactly as said."""

    async def catch_up(self) -> None:
        """Do what was only noted so far."""

    async def close(self, *, broken: bool) -> None:
        """Give the connection back."""

    def speaker(self) -> Speaker:
        """What the ORM uses inside one member."""


class Speaker(Protocol):
    """The ORM's client inside a transaction."""

    connection_name: str

    async def say(self, sql: str) -> None:
        """Run a statement of control."""

    def finish(self) -> None:
        """The transaction is over: whoever still holds this speaks outside of it from now on."""


@dataclass(slots=True, eq=False)
class _Group:
    """One outer transaction and those who are in it."""

    line: Line
    members: int = 0
    has_committer: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None

    @property
    def is_full(self) -> bool:
        return self.members >= _MOST


class Commits:
    """Hands out turns on the one connection that writes, and commits.

    `begin` gives the line, or raises and holds nothing, whenever it is cancelled.
    """

    def __init__(self, begin: Callable[[], Awaitable[Line]]) -> None:
        self.count = 0
        self._begin = begin
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    async def enter(self) -> tuple[_Group, str | None]:
        """Wait for the turn, and begin. Returns the group and the savepoint; `leave` must follow."""
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        entered: list[tuple[_Group, str | None]] = []
        try:
            if self._group is None:
                await self._open(entered)
            else:
                await to_the_end(self._join(self._group, entered))
        except BaseException:
            if entered:
                await to_the_end(self.leave(*entered[0], failed=True))
            else:
                self._turn.release()
            raise
        return entered[0]

    async def _open(self, entered: list[tuple[_Group, str | None]]) -> None:
        """There is no group to join: begin one. Alone, so that most transactions need no task of their own for it."""
        group = self._group = _Group(await self._begin(), members=1)
        entered.append((group, group.line.first))

    async def _join(self, group: _Group, entered: list[tuple[_Group, str | None]]) -> None:
        point = f"member_{group.members}"
        await self._or_end(group, f"SAVEPOINT {point}")
        group.members += 1
        entered.append((group, point))

    async def leave(self, group: _Group, point: str | None, *, failed: bool) -> None:
        """End a member and wait for the COMMIT. Raises if what it did is not stored, or if that is not known."""
        try:
            if failed:
                await self._undo(group, point)
                return
            await self._keep(group, point)
            if group.is_full or not group.has_committer:
                await self._commit_after_others(group)
        finally:
            self._turn.release()
        await _outcome(group)

    async def _commit_after_others(self, group: _Group) -> None:
        """Those who wait already come first, unless the group is full."""
        if self._waiting and not group.is_full:
            group.has_committer = True
            self._turn.release()
            await self._turn.acquire()
        if self._group is group:
            await self._commit(group)

    async def _keep(self, group: _Group, point: str | None) -> None:
        if not group.line.is_open:
            error = TransactionManagementError("not stored: the database undid the transaction after an error in it")
            await self._end(group, error)
            raise error
        if point is None:
            await self._keep_first(group)
            return
        try:
            await group.line.say(f"RELEASE SAVEPOINT {point}")
        except BaseException:
            await self._undo(group, point)
            raise

    async def _keep_first(self, group: _Group) -> None:
        """Its own errors must be its own: what it left to be done is done before anyone else comes in."""
        if not self._waiting:
            return
        try:
            await group.line.catch_up()
        except BaseException as error:
            await self._end(group, error)
            raise

    async def _undo(self, group: _Group, point: str | None) -> None:
        """Only this member's work is undone; if that fails, nobody's in the group is stored."""
        if point is None:
            await self._end(group, TransactionManagementError("rolled back"))
            return
        with suppress(Exception):  # the member has its own error to tell; the others are told by the group
            await self._or_end(group, f"ROLLBACK TO SAVEPOINT {point}")
            await self._or_end(group, f"RELEASE SAVEPOINT {point}")
            if group.members == 1:
                await self._end(group, TransactionManagementError("rolled back"))

    async def _or_end(self, group: _Group, sql: str) -> None:
        try:
            await group.line.say(sql)
        except BaseException as error:
            await self._end(group, error)
            raise

    async def _commit(self, group: _Group) -> None:
        try:
            await group.line.say("COMMIT")
        except BaseException as error:
            await self._end(group, error)
            raise
        self.count += 1
        await self._close(group, broken=False)

    async def _end(self, group: _Group, error: BaseException) -> None:
        """Without a COMMIT: everyone in it is told."""
        group.error = error
        broken = True
        with suppress(Exception):  # what went wrong is known; this only decides what becomes of the connection
            await group.line.say("ROLLBACK")
            broken = False
        await self._close(group, broken=broken)

    async def _close(self, group: _Group, *, broken: bool) -> None:
        self._group = None
        try:
            await group.line.close(broken=broken)
        finally:
            group.done.set()


async def _outcome(group: _Group) -> None:
    await group.done.wait()
    if group.error is not None:
        raise type(group.error)(*group.error.args) from group.error


class Turn(TransactionContext):
    """`async with`: one transaction, in a group with others."""

    __slots__ = ("_commits", "_group", "_point", "_speaker", "_token")

    _group: _Group
    _point: str | None
    _speaker: Speaker
    _token: ConnectionToken

    def __init__(self, commits: Commits) -> None:
        self._commits = commits

    async def __aenter__(self) -> Any:
        self._group, self._point = await self._commits.enter()
        self._speaker = self._group.line.speaker()
        self._token = get_connections().set(self._speaker.connection_name, self._speaker)  # type: ignore[arg-type]
        return self._speaker

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        get_connections().reset(self._token)
        self._speaker.finish()
        await to_the_end(self._commits.leave(self._group, self._point, failed=kind is not None))


class Within(TransactionContext):
    """A transaction in a transaction: part of it, and undone alone if it fails."""

    __slots__ = ("_point", "_speaker")

    _numbers = itertools.count()

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._point = f"within_{next(self._numbers)}"

    async def __aenter__(self) -> Any:
        await to_the_end(self._speaker.say(f"SAVEPOINT {self._point}"))
        return self._speaker

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await to_the_end(self._leave(failed=kind is not None))

    async def _leave(self, *, failed: bool) -> None:
        if failed:
            await self._speaker.say(f"ROLLBACK TO SAVEPOINT {self._point}")
        await self._speaker.say(f"RELEASE SAVEPOINT {self._point}")
