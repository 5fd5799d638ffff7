"""How long a command takes through HTTP: from what a person sends to the bot's reply, with few and a million fills."""

import math
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, percentile, told
from tests.benchmarks.support.million import add_fills
from tests.benchmarks.support.person import TRADER, NoAnswer, Person
from tests.benchmarks.support.process import relaxed_sandbox
from tests.benchmarks.support.rig import engine, over, scratch

SCREENS = {"/status": "Status", "/positions": "Positions", "/fills": "Fills", "/pnl": "P&L", "/risk": "Risk"}
PAUSE_SECONDS = 0.02
SPEED = 2.0
PATIENCE_SECONDS = 150
GOAL_MS = 50
HALT_GOAL_SECONDS = 5


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
        picture, status = beside(port, "/performance", "Performance", "/status", "Status")
        report, halt = beside(port, "/report", "Report", "/halt", "HALTED.")
        after = memory(process)
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
    one = "one sample"
    rows += [
        Figure(f"/performance, {label}", "s", picture, note=f"{one}; the first of the process: loads matplotlib"),
        Figure(f"/status 50 ms after /performance, {label}", "ms", status * 1000, goal=GOAL_MS, note=one),
        Figure(f"/report, {label}", "s", report, note=one),
        Figure(
            f"/halt 50 ms after /report, {label}", "s", halt, goal=HALT_GOAL_SECONDS,
            note=f"{one}; memory {before:.0f} MiB before the pictures, {after:.0f} MiB after",
        ),
    ]  # fmt: skip
    slowest = max(taken, key=lambda text: percentile(taken[text], 50))
    rows.append(figure(f"slowest screen ({slowest}), {label}", "ms", taken[slowest], goal=GOAL_MS))
    return rows


def beside(port: int, slow: str, title: str, quick: str, expected: str) -> tuple[float, float]:
    """Seconds of a slow command, and of a quick one that another person gives 50 ms later.

    Both wait for their own answer. Giving up early would count a late answer for the next question.
    """
    one, other = Person(port), Person(port, TRADER)
    try:
        with ThreadPoolExecutor(1) as pool:
            picture = pool.submit(one.ask, slow, title, PATIENCE_SECONDS)
            time.sleep(0.05)
            taken, _ = other.ask(quick, expected, PATIENCE_SECONDS)
            return answered(picture), taken
    finally:
        one.close()
        other.close()


def answered(asked: Future[tuple[float, str]]) -> float:
    """Seconds until the answer; infinite if there was none, and then what was heard instead is printed."""
    try:
        return asked.result()[0]
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return math.inf


def memory(process: subprocess.Popen[str]) -> float:
    return psutil.Process(process.pid).memory_info().rss / 1024**2
