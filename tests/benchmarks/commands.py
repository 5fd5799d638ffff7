"""How long a command takes through HTTP: from what a person sends to the bot's reply, with few and a million fills."""

import subprocess
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, percentile, told
from tests.benchmarks.support.million import add_fills
from tests.benchmarks.support.person import TRADER, Person
from tests.benchmarks.support.process import relaxed_sandbox
from tests.benchmarks.support.rig import engine, over, scratch

SCREENS = {"/status": "Status", "/positions": "Positions", "/fills": "Fills", "/pnl": "P&L", "/risk": "Risk"}
HEAVY = {"/performance": "Performance", "/report": "Report"}
PAUSE_SECONDS = 0.02
SPEED = 2.0
GOAL_MS = 50


async def run() -> list[Figure]:
    figures = []
    with scratch() as folder:
        figures += measured(folder, "few fills")
    fills = many(1_000_000, 50_000)
    with scratch() as folder:
        async with engine(folder, over(0, {})) as made:
            await made.start()  # makes the schema and opens the books
        begin = time.perf_counter()
        add_fills(folder / "quarterdeck.sqlite3", fills)
        took = time.perf_counter() - begin
        size = (folder / "quarterdeck.sqlite3").stat().st_size / 1e6
        figures += measured(folder, f"{fills:,} fills", f"; generated in {took:.0f} s, database {size:.0f} MB")
    return figures


def measured(folder: Path, label: str, note: str = "") -> list[Figure]:
    sync = fdatasync_ms(folder, many(500, 50))
    begin = time.perf_counter()
    with relaxed_sandbox(folder, SPEED) as (process, port):
        ready = time.perf_counter() - begin
        person = Person(port)
        for text, title in SCREENS.items():
            person.ask(text, title)
        floor = []
        taken: dict[str, list[float]] = defaultdict(list)
        for number in range(many(400, 30)):
            text, title = list(SCREENS.items())[number % len(SCREENS)]
            floor.append(person.round_trip() * 1000)
            taken[text].append(person.ask(text, title)[0] * 1000)
            time.sleep(PAUSE_SECONDS)
        before = memory(process)
        heavy = {
            text: [person.ask(text, title, within=120)[0] * 1000 for _ in range(3)] for text, title in HEAVY.items()
        }
        after = memory(process)
        beside = [status_beside_performance(port, person) * 1000 for _ in range(3)]
        person.close()
    every = [each for values in taken.values() for each in values]
    by_screen = ", ".join(f"{text} {told(values)}" for text, values in taken.items())
    rows = [
        figure(
            f"command → reply, {label}", "ms", every, goal=GOAL_MS,
            reference=f"fdatasync {told(sync)}; HTTP {told(floor)}",
            note=f"rate limits off, {SPEED:g} bars/s; {by_screen}; ready after {ready:.1f} s{note}",
        )
    ]  # fmt: skip
    rows += [
        figure(f"{text}, {label}", "ms", values, percent=100, note=f"the first took {values[0]:.0f} ms")
        for text, values in heavy.items()
    ]
    rows.append(
        figure(
            f"/status while /performance is made, {label}", "ms", beside, percent=100, goal=GOAL_MS,
            note=f"asked by another person 50 ms later; memory {before:.0f} MiB before the pictures, {after:.0f} after",
        )
    )  # fmt: skip
    slowest = max(taken, key=lambda text: percentile(taken[text], 50))
    rows.append(figure(f"slowest screen ({slowest}), {label}", "ms", taken[slowest], goal=GOAL_MS))
    return rows


def status_beside_performance(port: int, busy: Person) -> float:
    """Seconds that one person waits for /status while another waits for a picture."""
    other = Person(port, TRADER)
    try:
        with ThreadPoolExecutor(1) as pool:
            picture = pool.submit(busy.ask, "/performance", "Performance", 120)
            time.sleep(0.05)
            taken, _ = other.ask("/status", "Status", 120)
            picture.result()
        return taken
    finally:
        other.close()


def memory(process: subprocess.Popen[str]) -> float:
    return psutil.Process(process.pid).memory_info().rss / 1024**2
