"""How long a command takes through HTTP while another user floods the bot with commands."""

import threading
import time
from typing import Self

from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.person import TRADER, Person
from tests.benchmarks.support.process import relaxed_sandbox
from tests.benchmarks.support.rig import scratch

SPEED = 2.0
FLOOD_PER_SECOND = 50
FLOOD = ("/status", "/positions", "/fills", "/orders", "/pnl", "/nonsense", "/performance")
PAUSE_SECONDS = 0.05
GOAL_MS = 50


def run() -> list[Figure]:
    with scratch() as folder, relaxed_sandbox(folder, SPEED) as (_, port):
        person = Person(port)
        person.ask("/status", "Status")
        quiet = asked(person)
        flooder = Flood(port)
        with flooder:
            time.sleep(1.0)
            flooded, rate = asked(person), flooder.rate
        person.close()
    return [
        figure("command → reply, nobody else", "ms", quiet, goal=GOAL_MS),
        figure(
            "command → reply, another user floods", "ms", flooded, goal=GOAL_MS,
            reference=f"nobody else: {told(quiet)}",
            note=f"the other sends {rate:.0f} commands a second ({', '.join(FLOOD)}); chat rate limits off, ours on",
        ),
    ]  # fmt: skip


def asked(person: Person) -> list[float]:
    """Milliseconds of `/status`, so often."""
    taken = []
    for _ in range(many(200, 20)):
        taken.append(person.ask("/status", "Status")[0] * 1000)
        time.sleep(PAUSE_SECONDS)
    return taken


class Flood:
    """Another person who never waits for an answer, in a thread."""

    def __init__(self, port: int) -> None:
        self._person = Person(port, TRADER)
        self._stop = threading.Event()
        self._sent = 0
        self._began = time.perf_counter()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._person.close()

    @property
    def rate(self) -> float:
        """Commands a second so far."""
        return self._sent / (time.perf_counter() - self._began)

    def _run(self) -> None:
        while not self._stop.wait(1 / FLOOD_PER_SECOND):
            self._person.say(FLOOD[self._sent % len(FLOOD)])
            self._sent += 1
