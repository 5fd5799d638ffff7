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
from tests.benchmarks.support.person import TRADER, NoAnswer, Person
from tests.benchmarks.support.process import relaxed_sandbox
from tests.benchmarks.support.rig import engine, over, scratch

SCREENS = {"/status": "Status", "/positions": "Positions", "/fills": "Fills", "/pnl": "P&L", "/risk": "Risk"}
HEAVY = {"/performance": "Performance", "/report": "Report"}
PAUSE_SECONDS = 0.02
SPEED = 2.0
PATIENCE_SECONDS = 60
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
        beside = status_beside_performance(port, person) * 1000
        heavy = {text: patient(person, text, title) * 1000 for text, title in HEAVY.items()}
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
    rows += [
        Figure(
            f"{text}, {label}",
            "ms",
            value,
            note=f"no answer within {PATIENCE_SECONDS} s"
            if value >= PATIENCE_SECONDS * 1000
            else "one sample, not the first",
        )
        for text, value in heavy.items()
    ]
    rows.append(
        Figure(
            f"/status while /performance is made, {label}", "ms", beside, goal=GOAL_MS,
            note="asked by another person 50 ms later, one sample; the first picture of the process, so matplotlib is "
            f"loaded too; memory {before:.0f} MiB before, {after:.0f} MiB after all pictures",
        )
    )  # fmt: skip
    slowest = max(taken, key=lambda text: percentile(taken[text], 50))
    rows.append(figure(f"slowest screen ({slowest}), {label}", "ms", taken[slowest], goal=GOAL_MS))
    return rows


def patient(person: Person, text: str, title: str) -> float:
    """Seconds until the answer, or as long as we wait for it."""
    try:
        return person.ask(text, title, PATIENCE_SECONDS)[0]
    except NoAnswer:
        return PATIENCE_SECONDS


def status_beside_performance(port: int, busy: Person) -> float:
    """Seconds that one person waits for /status while another waits for a picture."""
    other = Person(port, TRADER)
    try:
        with ThreadPoolExecutor(1) as pool:
            picture = pool.submit(patient, busy, "/performance", "Performance")
            time.sleep(0.05)
            taken = patient(other, "/status", "Status")
            picture.result()
        return taken
    finally:
        other.close()


def memory(process: subprocess.Popen[str]) -> float:
    return psutil.Process(process.pid).memory_info().rss / 1024**2
