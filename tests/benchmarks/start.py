"""How long the sandbox takes from its start to the first answer, and how much memory it needs."""

import compileall
import http.client
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.person import Person
from tests.benchmarks.support.process import running
from tests.benchmarks.support.rig import scratch

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "core", "brokers", "risk")
MIB = 1024 * 1024
SETTLED_SECONDS = 4.0


def run() -> list[Figure]:
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=2)
    runs = [one_start() for _ in range(many(5, 2))]
    telegram = [imported("telegram") for _ in range(many(5, 2))]
    empty = [imported("sys") for _ in range(many(5, 2))]
    beside = f"import telegram {told(telegram, 's')}"
    page, command, memory, picture = (list(column) for column in zip(*runs, strict=True))
    return [
        figure("start → first answer to GET /", "s", page, percent=100, goal=3, reference=beside),
        figure(
            "start → first answer to /status", "s", command, percent=100, goal=3, reference=beside,
            note="a new data directory each time: the schema is made and the books are opened",
        ),
        figure(
            "memory with all strategies running", "MiB", memory, percent=100, goal=150,
            reference=f"start of Python {told(empty, 's')}", note=f"RSS {SETTLED_SECONDS:g} s after the first answer",
        ),
        figure(
            "memory after the first picture", "MiB", picture, percent=100,
            note="RSS after /performance, which loads matplotlib and stays",
        ),
    ]  # fmt: skip


def one_start() -> tuple[float, float, float, float]:
    """Seconds to page and command, MiB settled and after a picture."""
    port = free_port()
    with scratch() as folder:
        begin = time.perf_counter()
        arguments = ["-m", "bot", "sandbox", "--no-browser", "--port", str(port), "--data-dir", str(folder)]
        with running(arguments) as process:
            wait_for_page(port, begin)
            page = time.perf_counter() - begin
            person = Person(port)
            person.ask("/status", "Status")
            command = time.perf_counter() - begin
            time.sleep(SETTLED_SECONDS)
            settled = memory(process)
            person.ask("/performance", "Performance")
            person.close()
            return page, command, settled, memory(process)


def wait_for_page(port: int, begin: float) -> None:
    while time.perf_counter() - begin < 60:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    raise RuntimeError("the sandbox does not answer")


def memory(process: subprocess.Popen[str]) -> float:
    return psutil.Process(process.pid).memory_info().rss / MIB


def imported(module: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - begin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
