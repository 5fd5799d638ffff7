"""Where the program is killed: a table of named points, and the hooks that find them in a running process.

The program knows nothing of them. The hooks sit at boundaries that stay whatever is rewritten behind them: the SQL
that reaches SQLite, commits, calls of the broker's port, bytes on the socket, the alert channel.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brokers.ccxt.broker import CcxtBroker
from brokers.order import OrderRequest
from core.events import Events, FillRecorded
from tests.faults.binance_points import before_answer, half_of_request
from tests.faults.file_channel import FileChannel
from tests.faults.wire_broker import SocketLine, WireBroker

BROKERS = (WireBroker, CcxtBroker)
Hook = Callable[["Point", Callable[[], None]], None]


@dataclass(frozen=True)
class Point:
    """One place to die at. `phase` is the life that dies there: the `first` start, the `run`, or a `restart` that
    finds an order in doubt; `action` is what is done to get there.
    """

    name: str
    hook: Hook
    says: str
    phase: str = "run"
    action: str = "enter"


# --- hooks -----------------------------------------------------------------------------------------


def sql(when: str, pattern: str, nth: int = 1) -> Hook:
    """Before or after the nth statement that matches."""
    wanted = re.compile(pattern, re.IGNORECASE)

    def install(_: Point, reached: Callable[[], None]) -> None:
        _on_statement(when, lambda text: bool(wanted.search(text)), nth, reached)

    return install


def commit(when: str, pattern: str) -> Hook:
    """Before or after the commit of a transaction that holds a matching statement."""
    wanted = re.compile(pattern, re.IGNORECASE)

    def install(_: Point, reached: Callable[[], None]) -> None:
        matched = False

        def is_it(text: str) -> bool:
            nonlocal matched
            if text.upper().startswith(("COMMIT", "ROLLBACK")):
                found, matched = matched, False
                return found and text.upper().startswith("COMMIT")
            matched = matched or bool(wanted.search(text))
            return False

        _on_statement(when, is_it, 1, reached)

    return install


class _Watched(sqlite3.Connection):
    """A connection whose statements are seen, whoever sends them and on whichever thread."""

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _Cursor)

    def execute(self, sql: str, *values: Any) -> Any:
        return _seen(self, sql, lambda: super(_Watched, self).execute(sql, *values))

    def executemany(self, sql: str, *values: Any) -> Any:
        return _seen(self, sql, lambda: super(_Watched, self).executemany(sql, *values))

    def commit(self) -> None:
        _seen(self, "COMMIT", super().commit)


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, *values: Any) -> Any:
        return _seen(self.connection, sql, lambda: super(_Cursor, self).execute(sql, *values))

    def executemany(self, sql: str, *values: Any) -> Any:
        return _seen(self.connection, sql, lambda: super(_Cursor, self).executemany(sql, *values))


Watcher = Callable[[sqlite3.Connection, str, str], None]
_watchers: list[Watcher] = []


def _seen(connection: sqlite3.Connection, sql: str, do: Callable[[], Any]) -> Any:
    for watcher in _watchers:
        watcher(connection, "before", sql.strip())
    done = do()
    for watcher in _watchers:
        watcher(connection, "after", sql.strip())
    return done


def watch_sqlite() -> None:
    """Every connection from now on can be watched; before the program opens its own."""
    sqlite3.connect = functools.partial(sqlite3.connect, factory=_Watched)  # type: ignore[assignment]


def _on_statement(when: str, is_it: Callable[[str], bool], nth: int, reached: Callable[[], None]) -> None:
    """Die before or after the nth statement that is the one."""
    count, due = 0, False

    def watch(_: sqlite3.Connection, moment: str, text: str) -> None:
        nonlocal count, due
        if moment == "before":
            hit = is_it(text)
            count += hit
            due = hit and count == nth
        if due and moment == when:
            reached()
            time.sleep(0.05)  # after SIGTERM we go on, while the program stops around us

    _watchers.append(watch)


def call(
    when: str, owners: tuple[type, ...], name: str, nth: int = 1, given: Callable[..., bool] = lambda *_: True
) -> Hook:
    """Before or after the nth call of an async method, whichever class the program uses."""

    def install(_: Point, reached: Callable[[], None]) -> None:
        for owner in owners:
            setattr(owner, name, _dying(when, getattr(owner, name), nth, given, reached))

    return install


def _dying(
    when: str, whole: Callable[..., Any], nth: int, given: Callable[..., bool], reached: Callable[[], None]
) -> Callable[..., Any]:
    count = 0

    @functools.wraps(whole)
    async def wrapped(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal count
        hit = given(*args)
        count += hit
        due = hit and count == nth
        if due and when == "before":
            await _die(reached)
        try:
            return await whole(self, *args, **options)
        finally:
            if due and when == "after":  # an answer, whatever it says
                await _die(reached)

    return wrapped


def half_sent(method: bytes) -> Hook:
    """In the middle of the bytes of a request."""

    def install(_: Point, reached: Callable[[], None]) -> None:
        whole = SocketLine.send

        async def send(self: SocketLine, writer: asyncio.StreamWriter, line: bytes) -> None:
            if b'"method": "' + method + b'"' not in line:
                await whole(self, writer, line)
                return
            writer.write(line[: len(line) // 2])
            await writer.drain()
            await _die(reached)
            writer.write(line[len(line) // 2 :])
            await writer.drain()

        SocketLine.send = send
        half_of_request(method, reached)

    return install


def no_answer(method: bytes) -> Hook:
    """All bytes of a request are out, the answer has not been read."""

    def install(_: Point, reached: Callable[[], None]) -> None:
        whole = SocketLine.send

        async def send(self: SocketLine, writer: asyncio.StreamWriter, line: bytes) -> None:
            await whole(self, writer, line)
            if b'"method": "' + method + b'"' in line:
                await asyncio.sleep(0.03)  # the venue works on it
                await _die(reached)

        SocketLine.send = send
        before_answer(method, reached)

    return install


def in_checkpoint(point: Point, reached: Callable[[], None]) -> None:
    """While SQLite copies its log into the database: seen from outside, by the file that changes."""
    del point
    over = threading.Event()

    def look(path: Path) -> None:
        before = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == before:
            if over.is_set():
                return
            time.sleep(0)
        reached()

    def watch(connection: sqlite3.Connection, moment: str, text: str) -> None:
        if "wal_checkpoint" not in text.lower():
            return
        if moment == "after":
            over.set()
            return
        over.clear()
        files = sqlite3.Connection.cursor(connection).execute("PRAGMA database_list")
        threading.Thread(target=look, args=(Path(files.fetchone()[2]),), daemon=True).start()

    _watchers.append(watch)


async def _die(reached: Callable[[], None]) -> None:
    """SIGKILL ends us here; after SIGTERM we go on, while the program stops around us."""
    reached()
    await asyncio.sleep(0.05)


def arm(name: str, number: int, marker: Path) -> None:
    """Die of signal `number` at this point; the marker proves that it was reached."""
    arm_at(POINTS[name], number, marker)


def arm_at(point: Point, number: int, marker: Path) -> None:
    """The same with a point of any table."""
    once = threading.Event()

    def reached() -> None:
        if once.is_set():
            return
        once.set()
        with marker.open("a") as file:
            file.write(f"{point.name}\n")
        if number:
            os.kill(os.getpid(), signal.Signals(number))

    point.hook(point, reached)


# --- the table -------------------------------------------------------------------------------------

_ORDERS = r'^INSERT INTO "?orders"?\b'
_UPDATE = r'^UPDATE "?orders"?\b'
_FILLS = r'^INSERT INTO "?fills"?\b'
_STATES = r'^(INSERT|UPDATE|REPLACE|INSERT OR REPLACE) (INTO )?"?trading_states"?\b'
_POSTING = r'^INSERT INTO "?ledger_transactions"?\b'
_ENTRIES = r'^INSERT INTO "?ledger_entries"?\b'
_BALANCES = r'^(INSERT INTO|UPDATE|REPLACE INTO) "?ledger_balances"?\b'
_ALERTS = r'^INSERT INTO "?alerts"?\b'
_DELIVERIES = r'^INSERT INTO "?deliveries"?\b'
_PROTECTIONS = r'^INSERT INTO "?protections"?\b'
_AUDIT = r'^INSERT INTO "?audit"?\b'


def _is_fill(event: object = None, *_: object) -> bool:
    return isinstance(event, FillRecorded)


def _is_stop(order: object = None, *_: object) -> bool:
    return isinstance(order, OrderRequest) and order.type.is_conditional


_TABLE = (
    # the life of an order
    Point("intent-before-insert", sql("before", _ORDERS), "approved, nothing stored"),
    Point("intent-before-commit", commit("before", _ORDERS), "stored, not committed"),
    Point("intent-after-commit", commit("after", _ORDERS), "committed, not sent"),
    Point("send-half", half_sent(b"place"), "half of the request is on the wire"),
    Point("send-no-answer", no_answer(b"place"), "the venue has it, its answer is not read"),
    Point("answer-before-store", call("after", BROKERS, "place_order"), "the answer is read, not stored"),
    Point("answer-mid-store", sql("after", _UPDATE), "the order's new state is written, its history is not"),
    Point("answer-before-commit", commit("before", _UPDATE), "the answer is written, not committed"),
    Point("fill-before-insert", sql("before", _FILLS), "a fill is about to be written", action="fill"),
    Point("fill-after-insert", sql("after", _FILLS), "the fill is written, the ledger is not", action="fill"),
    Point("ledger-mid-posting", sql("after", _POSTING), "a posting without its entries", action="fill"),
    Point("ledger-mid-balances", sql("before", _BALANCES), "entries are written, balances are not", action="fill"),
    Point("fill-before-commit", commit("before", _FILLS), "all of the fill is written, not committed", action="fill"),
    Point("fill-after-commit", commit("after", _FILLS), "the fill is committed, memory does not know", action="fill"),
    Point(
        "fill-before-publish", call("before", (Events,), "publish", given=_is_fill), "nobody has heard", action="fill"
    ),
    # alerts
    Point("outbox-mid-store", sql("before", _DELIVERIES), "an alert without its deliveries", action="fill"),
    Point("outbox-before-send", call("before", (FileChannel,), "deliver"), "an alert is about to leave", action="fill"),
    Point("outbox-before-mark", call("after", (FileChannel,), "deliver"), "accepted, not marked", action="fill"),
    # cancelling and changing
    Point("cancel-before-send", call("before", BROKERS, "cancel_order"), "cancelling, not sent", action="cancel"),
    Point("cancel-no-answer", no_answer(b"cancel"), "the cancel is out, not answered", action="cancel"),
    Point("cancel-before-store", call("after", BROKERS, "cancel_order"), "cancelled, not stored", action="cancel"),
    Point("modify-before-send", call("before", BROKERS, "modify_order"), "a change, not sent", action="modify"),
    Point("modify-no-answer", no_answer(b"modify"), "the change is out, not answered", action="modify"),
    Point("modify-before-store", call("after", BROKERS, "modify_order"), "changed, not stored", action="modify"),
    # a stop-loss for what was bought
    Point("protect-before-store", sql("before", _PROTECTIONS), "the stop is decided, not stored", action="protect"),
    Point("protect-before-send", call("before", BROKERS, "place_order", given=_is_stop), "not sent", action="protect"),
    Point("protect-before-answer", call("after", BROKERS, "place_order", given=_is_stop), "sent", action="protect"),
    # a halt, step by step
    Point("halt-before-store", sql("before", _STATES), "halted in memory", action="halt"),
    Point("halt-after-commit", commit("after", _STATES), "the halt is stored", action="halt"),
    Point("halt-before-list", call("before", BROKERS, "get_open_orders"), "nothing cancelled", action="halt"),
    Point("halt-mid-cancel", call("after", BROKERS, "cancel_order"), "one order is cancelled", action="halt"),
    Point("halt-before-audit", sql("before", _AUDIT), "nothing in the audit trail", action="halt"),
    Point("halt-before-alert", sql("before", _ALERTS), "nobody is told", action="halt"),
    # the first start
    Point("migration-mid", sql("after", r"^CREATE TABLE", 7), "half of the tables", phase="first"),
    Point("opening-before-commit", commit("before", _POSTING), "the books are opened, not committed", phase="first"),
    # starting again, with an order in doubt
    Point("restart-before-find", call("before", BROKERS, "find_order"), "about to ask for it", phase="restart"),
    Point("restart-after-find", call("after", BROKERS, "find_order"), "it is found", phase="restart"),
    Point("restart-before-list", call("before", BROKERS, "get_open_orders"), "about to list", phase="restart"),
    Point("restart-mid-correct", sql("after", _UPDATE), "a correction is written", phase="restart"),
    Point("restart-before-account", call("before", BROKERS, "get_account_info"), "to compare", phase="restart"),
    # the disk
    Point("checkpoint-mid", in_checkpoint, "the log is being copied into the database", action="checkpoint"),
)
POINTS = {point.name: point for point in _TABLE}
