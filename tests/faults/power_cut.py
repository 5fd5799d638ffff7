"""A trading session whose disk is recorded, cut at every sync, and judged: what was acted on must be there.

The engine is the real one with a durable database; the venue of truth is in the same process and notes on the
recorder when an order has left and when a halt was confirmed. Whatever a power cut leaves must hold those.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from core.access.roles import CONSOLE
from core.engine import Engine
from core.service import Quarterdeck
from tests.faults.exchange import Exchange
from tests.faults.faulty_venue import FaultyVenue
from tests.faults.file_channel import FileChannel
from tests.faults.oracle import Oracle
from tests.faults.recorded_disk import Recorder, after_cut, recording
from tests.faults.simulation import SYMBOLS, InlineHost, settings
from tests.faults.wire_broker import MemoryLine, WireBroker

SURVIVALS = ("none", "all", "some", "torn")


@dataclass
class Verdict:
    """How many cuts were judged, and what was wrong after which."""

    cuts: int = 0
    orders: int = 0
    syncs: int = 0
    wrong: list[str] = field(default_factory=list)


class _NotedLine(MemoryLine):
    """Notes what leaves."""

    def __init__(self, venue: FaultyVenue, recorder: Recorder) -> None:
        super().__init__(venue, _at_once)
        self._recorder = recorder

    async def ask(self, method: str, argument: Any) -> Any:
        if method == "place":
            self._recorder.mark(f"sent {argument.client_order_id}")
        return await super().ask(method, argument)


async def _at_once() -> None:
    await asyncio.sleep(0)


async def session(folder: Path, recorder: Recorder, *, orders: int, durable: bool = True) -> None:
    """Trade until so many orders have left, halt, and stop in good order."""
    exchange = Exchange(lambda: datetime.now(UTC))
    exchange.prices = {symbol: Decimal(100) for symbol in SYMBOLS}
    venue = FaultyVenue(exchange)
    engine = Engine(settings(folder, speed=200), host=InlineHost(), durable=durable)
    broker = engine.floor.first.broker
    assert isinstance(broker, WireBroker)
    broker.line = _NotedLine(venue, recorder)
    engine.outbox.use(FileChannel(folder / "alerts.jsonl"))
    await engine.start()
    while len(exchange.orders) < orders:
        await asyncio.sleep(0.002)
        for symbol, price in exchange.prices.items():
            venue.trade(symbol, price)
    await Quarterdeck(engine).halt(CONSOLE, "too hot")
    recorder.mark("halted")
    await engine.stop()


def record(*, orders: int, durable: bool = True) -> Recorder:
    """The steps of one session."""
    folder = Path(tempfile.mkdtemp())
    try:
        with recording() as recorder:
            asyncio.run(session(folder, recorder, orders=orders, durable=durable))
        return recorder
    finally:
        shutil.rmtree(folder)


def judge(
    recorder: Recorder, *, every: int = 1, seed: int = 0, survivals: tuple[str, ...] = SURVIVALS, ordered: bool = True
) -> Verdict:
    """Cut the power at every boundary (or every nth), and look at what is left."""
    verdict = Verdict(syncs=Counter(step.what for step in recorder.steps)["sync"])
    verdict.orders = sum(mark.startswith("sent") for mark in recorder.marks(len(recorder.steps)))
    for cut in recorder.boundaries()[::every]:
        for survival in survivals:
            folder = Path(tempfile.mkdtemp())
            try:
                after_cut(recorder.steps, cut, survival, folder, Random(f"{seed} {cut} {survival}"), ordered=ordered)
                wrong = _judged(folder / "quarterdeck.sqlite3", recorder.marks(cut))
                verdict.wrong += [f"cut {cut}, {survival} survived: {each}" for each in wrong]
            finally:
                shutil.rmtree(folder)
            verdict.cuts += 1
    return verdict


def _judged(path: Path, marks: list[str]) -> list[str]:
    """The database must open whole, and hold all that was acted on."""
    sent = [mark.removeprefix("sent ") for mark in marks if mark.startswith("sent ")]
    if not path.exists():
        return [f"{len(sent)} orders had left and there is no database"] if sent else []
    try:
        with closing(sqlite3.connect(path)) as db:  # SQLite recovers here, as at a start
            db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError as error:
        return [f"it cannot be opened: {error}"]
    exchange = Exchange(lambda: datetime.now(UTC))
    for order in sent:
        exchange.journal.add(exchange.now(), "received", method="place", id=order)
    oracle = Oracle(path, exchange)
    wrong = oracle.stands()
    if sent and not oracle.has("orders"):
        wrong.append("orders had left and there is no table of them")
    if "halted" in marks and not oracle.is_halted():
        wrong.append("the halt was confirmed and is not there")
    return wrong
