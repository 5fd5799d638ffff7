"""How many bars a second go through the whole pipeline: venue, books, risk, strategies, orders; five symbols at once.

The engine without chat on the bundled history with the sandbox's strategies, as fast as it can. Limits never halt it:
a halted account decides nothing and would look fast.
"""

import asyncio
import time
from itertools import pairwise
from typing import Any

from tortoise import connections

from core.events import BarsProcessed, Event
from core.store.orders import count_since
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import NEVER_HALTED, engine, over, scratch

SETTINGS = over(0, NEVER_HALTED)


async def run() -> list[Figure]:
    durable = await measured(durable=True)
    swift = await measured(durable=False)
    share = 1 - swift["moment"] / durable["moment"]
    return [
        *durable["figures"],
        *swift["figures"],
        Figure(
            "share of time in durable commits", "%", share * 100, samples=2,
            note="1 - (time a moment takes without sync / with sync), of the two runs above",
        ),
    ]  # fmt: skip


async def measured(*, durable: bool) -> dict[str, Any]:
    label = "durable" if durable else "not durable"
    with scratch() as folder:
        sync = fdatasync_ms(folder, many(500, 100))
        async with engine(folder, SETTINGS, durable=durable) as made:
            ends: list[float] = []
            commits = Commits()

            async def processed(_: Event) -> None:
                ends.append(time.perf_counter())

            made.events.subscribe(BarsProcessed, processed)
            await made.start()
            await connections.get("default")._connection.set_trace_callback(commits.see)
            commits.count, first = 0, len(ends)
            begin = time.perf_counter()
            await asyncio.sleep(many(25, 5))
            moments, seconds, each_commit = len(ends) - first, ends[-1] - begin, commits.count
            position = made.trading_clock.now()
            _, fills = await count_since(None)
    if not fills:
        raise RuntimeError("nothing was traded")
    each = [(late - early) * 1000 for early, late in pairwise(ends)]
    return {
        "moment": seconds / moments,
        "figures": [
            figure(
                f"one moment of five symbols, {label}", "ms", each, reference=f"fdatasync {told(sync)}",
                note=f"{moments} moments until {position:%Y-%m-%d}, {fills} fills, "
                f"{each_commit / moments:.1f} commits a moment",
            ),
            Figure(
                f"bars per second, {label}", "bars/s", 5 * moments / seconds, samples=moments,
                note=f"{moments / seconds:.0f} moments a second",
            ),
        ],
    }  # fmt: skip


class Commits:
    """Counts commits: of transactions, and of statements that stand alone. Called on the database's thread."""

    def __init__(self) -> None:
        self.count = 0
        self._inside = False

    def see(self, sql: str) -> None:
        word = sql.lstrip()[:6].upper()
        if word.startswith("BEGIN"):
            self._inside = True
        elif word == "COMMIT":
            self._inside = False
            self.count += 1
        elif word in ("INSERT", "UPDATE", "DELETE") and not self._inside:
            self.count += 1
