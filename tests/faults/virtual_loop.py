"""An event loop whose time is a number, whose order is drawn from dice, and that can be killed between two steps.

Nothing here waits: when no task can go on, time jumps to the next timer. SQLite is called in the loop's own thread,
so that one seed is one run. `crash` is kill -9: what is committed stays, nobody's `finally` reaches anything.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

from aiosqlite import Connection
from tortoise import context


class Crash(Exception):
    """The process has died here."""


class Stuck(Exception):
    """Nobody can go on and nobody waits for a time: a deadlock."""


class _Nothing(selectors.SelectSelector):
    """No file is ever ready; waiting is moving the clock."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self.loop.elapsed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`elapsed` seconds have passed. After `fuse` more steps it crashes, if that is set."""

    def __init__(self, dice: Random, elapsed: float = 0.0, *, shuffle: bool = True) -> None:
        self.elapsed = elapsed
        self.fuse = 0
        self.steps = 0
        self._dice = dice
        self._shuffle = shuffle
        selector = _Nothing()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.elapsed

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        self.steps += 1
        if self.fuse and self.steps >= self.fuse:
            self.fuse = 0
            raise Crash
        if self._shuffle and len(ready) > 1:
            handles = list(ready)
            self._dice.shuffle(handles)
            ready.clear()
            ready.extend(handles)
        super()._run_once()  # type: ignore[misc]


_open: list[Connection] = []


def crash(loop: VirtualLoop) -> None:
    """Throw away all that runs. The database is closed first, uncommitted work is lost, as after a kill."""
    for connection in _open:
        if connection._connection is not None:
            connection._connection.close()
    _open.clear()
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        coroutine: Coroutine[Any, Any, Any] = task.get_coro()  # type: ignore[assignment]
        with suppress(BaseException):
            coroutine.close()
    context._global_context = None  # the ORM believes that it is still open
    loop.close()


@contextmanager
def sqlite_in_the_loop() -> Iterator[None]:
    """aiosqlite without its threads."""
    before = {name: getattr(Connection, name) for name in ("_execute", "_connect", "__await__", "stop", "close")}
    for name, method in (
        ("_execute", _execute), ("_connect", _connect), ("__await__", _await), ("stop", _stop), ("close", _close),
    ):  # fmt: skip
        setattr(Connection, name, method)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Connection, name, method)


async def _execute(self: Connection, fn: Any, *args: Any, **options: Any) -> Any:
    """It is done at once, and whoever asked hears of it a step later: they may die in between."""
    if not self._running or not self._connection:
        raise ValueError("Connection closed")
    try:
        return fn(*args, **options)
    finally:
        await asyncio.sleep(0)


async def _connect(self: Connection) -> Connection:
    if self._connection is None:
        self._connection = self._connector()
        _open.append(self)
    return self


def _await(self: Connection) -> Any:
    return _connect(self).__await__()


def _stop(self: Connection) -> None:
    self._running = False


async def _close(self: Connection) -> None:
    if self._connection is not None:
        self._connection.close()
        self._connection = None
        self._running = False
    if self in _open:
        _open.remove(self)
