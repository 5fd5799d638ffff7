"""How long a start takes, and how much memory it needs, with a long history in the store.

100,000 orders and 1,000,000 fills (ten an order) with their events, allocations and postings. A start migrates, loads
what is open, reconciles with the venue and is ready to trade; it is measured in a process of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.support.figure import Figure, figure, many
from tests.benchmarks.support.million import add_fills
from tests.benchmarks.support.rig import engine, over, scratch

GOAL_SECONDS = 5

_START = """
import asyncio, json, sys, time
from pathlib import Path
import psutil
from tests.benchmarks.support.rig import engine, over
async def main():
    begin = time.perf_counter()
    async with engine(Path(sys.argv[1]), over(0.0001, {})) as made:
        await made.start()
        ready = time.perf_counter() - begin
        await asyncio.sleep(2)
        print(json.dumps([ready, psutil.Process().memory_info().rss / 2**20]))
asyncio.run(main())
"""


async def run() -> list[Figure]:
    figures = []
    with scratch() as folder:
        async with engine(folder, over(0, {})) as made:
            await made.start()  # makes the schema and opens the books
        figures += started(folder, "nothing stored")
        fills = many(1_000_000, 20_000)
        add_fills(folder / "quarterdeck.sqlite3", fills, fills_each=10)
        size = (folder / "quarterdeck.sqlite3").stat().st_size / 1e6
        label = f"{fills // 10:,} orders and {fills:,} fills"
        figures += started(folder, label, f"database {size:.0f} MB")
    return figures


def started(folder: Path, label: str, note: str = "") -> list[Figure]:
    runs = [once(folder) for _ in range(many(5, 2))]
    ready, memory = (list(column) for column in zip(*runs, strict=True))
    return [
        figure(f"start → ready, {label}", "s", ready, percent=100, goal=GOAL_SECONDS, note=note),
        figure(f"memory then, {label}", "MiB", memory, percent=100),
    ]


def once(folder: Path) -> tuple[float, float]:
    """Seconds to ready and MiB, of one start."""
    found = subprocess.run(
        [sys.executable, "-c", _START, str(folder)], capture_output=True, text=True, check=True, timeout=300
    )
    ready, memory = json.loads(found.stdout.splitlines()[-1])
    return ready, memory
