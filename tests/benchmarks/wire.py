"""How long it takes from a strategy's signal to the order's bytes on the wire, beside one fdatasync of the same disk.

One strategy turns around with every bar of AAPL. All of the program is real: strategy thread, conflicts, sizing, risk
gate, the one durable commit. The broker writes the order to a TCP connection whose far end is another process, and
then lets the paper venue work it, so that the next turn has something to turn. The fdatasyncs are measured before and
after the orders, on the same disk.
"""

import asyncio
import time
from typing import Any

from core.engine import Engine
from tests.benchmarks.orders import SETTINGS, SIGNALS
from tests.benchmarks.support.disk import fdatasync_ms, sqlite_ms
from tests.benchmarks.support.figure import Figure, figure, many, percentile, told
from tests.benchmarks.support.rig import engine, scratch
from tests.benchmarks.support.sink import Wire, wire

COMMIT_RATIO_GOAL = 1.3
REST_GOAL_MS = 2.0


async def run() -> list[Figure]:
    with scratch() as folder, wire() as line:
        sync = fdatasync_ms(folder, many(500, 50))
        async with engine(folder, SETTINGS) as made:
            way, commit = await measured(made, line, many(2000, 60))
        sync += fdatasync_ms(folder, many(500, 50))
        raw = sqlite_ms(folder, many(1000, 50))
    rest = [whole - durable for whole, durable in zip(way, commit, strict=True)]
    beside = f"fdatasync {told(sync)}; bare SQLite commit {told(raw)}"
    ratio = percentile(way, 50) / percentile(sync, 50)
    return [
        figure("signal → bytes on the wire", "ms", way, reference=beside),
        figure("  of it: the write-ahead commit", "ms", commit, reference=beside),
        figure("  of it: everything but the commit", "ms", rest, goal=REST_GOAL_MS, reference=beside),
        Figure(
            "signal → wire, as a multiple of one fdatasync", "x", ratio, goal=COMMIT_RATIO_GOAL, reference=beside,
            note="medians of the same run",
        ),
    ]  # fmt: skip


async def measured(made: Engine, line: Wire, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from signal to wire, and of the commit in between, for `count` orders."""
    SIGNALS.clear()
    sent: list[float] = []
    commits: list[float] = []
    enough = asyncio.Event()
    place, intend = made.floor.first.broker.place_order, made.floor.first.orders._store

    async def timed_intend(*arguments: Any) -> Any:
        begin = time.perf_counter()
        written = await intend(*arguments)
        commits.append(time.perf_counter() - begin)
        return written

    async def timed_place(request: Any) -> Any:
        line.send(request)
        sent.append(time.perf_counter())
        if len(sent) >= count:
            enough.set()
        return await place(request)

    made.floor.first.broker.place_order = timed_place
    made.floor.first.orders._store = timed_intend
    await made.start()
    await asyncio.wait_for(enough.wait(), 300)
    if not len(SIGNALS[:count]) == len(commits[:count]) == count:
        raise RuntimeError("an order did not come from its signal")
    way = [(end - start) * 1000 for start, end in zip(SIGNALS, sent[:count], strict=False)]
    return way, [each * 1000 for each in commits[:count]]
