"""What a connected venue costs: memory by number of accounts, seconds and requests of `connect`, with 3,000 symbols.

Every figure comes from processes that do nothing else. The venue lists 3,000 spot symbols, each told as long-winded as
the real one does. Memory is what comes on top of the whole program with no account at a real venue; what that takes
by itself is measured, too, and that it has loaded neither ccxt nor aiohttp.
"""

import json
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.benchmarks.support.figure import Figure, figure, many, percentile, told
from tests.benchmarks.support.rig import scratch
from tests.benchmarks.support.venue import OURS, Side, venues

SYMBOLS = 3000


def run() -> list[Figure]:
    with scratch() as folder, venues(folder) as few:
        small = Station(folder, few[OURS]).measured(["live"])
    with scratch() as folder, venues(folder, SYMBOLS) as sides:
        station = Station(folder, sides[OURS])
        nobody = station.measured([])
        accounts = {count: station.measured(["live"] * count) for count in (1, 2, 5)}
        apart = station.measured(["live", "testnet", "demo"])
        bare = {count: station.measured(["live"] * count, bare=True) for count in (1, 2)}
        requests = station.requests_of(["live"])
        size, plain = station.plain_answer()
    if any(each["loaded"] for each in nobody):
        raise RuntimeError(f"without an account at a real venue the program has loaded {nobody[0]['loaded']}")
    return [
        *memory(nobody, small, accounts, apart, bare),
        *connecting(
            accounts[1], accounts[2], bare[1], requests, f"the answer alone, {size:.1f} MB: {told(plain, 's')}"
        ),
    ]


class Station:
    """Starts the processes that are measured, one after the other."""

    def __init__(self, folder: Path, side: Side) -> None:
        self._folder = folder
        self._side = side

    def measured(self, ways: list[str], *, bare: bool = False) -> list[dict[str, Any]]:
        """What some processes with these ways tell."""
        return [self._one(ways, bare=bare) for _ in range(many(3, 1))]

    def _one(self, ways: list[str], *, bare: bool) -> dict[str, Any]:
        told = {
            "port": self._side.port,
            "ca": self._side.ca,
            "ways": ways,
            "bare": bare,
            "folder": str(self._folder),
        }
        command = [sys.executable, "-m", "tests.benchmarks.support.connected", json.dumps(told)]
        done = subprocess.run(command, check=True, timeout=120, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.splitlines()[-1])

    def requests_of(self, ways: list[str]) -> list[str]:
        """Every request of a process with these ways."""
        before = len(self._side.tell("requests"))
        self._one(ways, bare=False)
        return [route for route, _ in self._side.tell("requests", since=before)]

    def plain_answer(self) -> tuple[float, list[float]]:
        """MB of the list of symbols, and seconds to get it with nothing of ours or ccxt's."""
        context = ssl.create_default_context(cadata=self._side.ca)
        context.check_hostname = False
        request = urllib.request.Request(f"https://127.0.0.1:{self._side.port}/api/v3/exchangeInfo")
        request.add_header("Host", "api.binance.com")
        seconds, size = [], 0
        for _ in range(many(3, 1)):
            begin = time.perf_counter()
            with urllib.request.urlopen(request, timeout=60, context=context) as response:
                size = len(response.read())
            seconds.append(time.perf_counter() - begin)
        return size / 1e6, seconds


def memory(
    nobody: list[dict[str, Any]],
    small: list[dict[str, Any]],
    accounts: dict[int, list[dict[str, Any]]],
    apart: list[dict[str, Any]],
    bare: dict[int, list[dict[str, Any]]],
) -> list[Figure]:
    """MiB, each but the first on top of the program itself."""
    empty = percentile([each["rss"] for each in nobody], 50)

    def more(runs: list[dict[str, Any]], name: str = "rss") -> list[float]:
        return [each[name] - empty for each in runs]

    def row(name: str, runs: list[dict[str, Any]], beside: str = "") -> Figure:
        note = f"peak while connecting +{max(more(runs, 'peak')):.0f} MiB"
        return figure(name, "MiB", more(runs), percent=100, reference=beside, note=note)

    one, two = f"bare ccxt.pro +{told(more(bare[1]), 'MiB')}", f"bare ccxt.pro +{told(more(bare[2]), 'MiB')}"
    return [
        figure("Memory of the program's code, no account at a real venue", "MiB", [each["rss"] for each in nobody],
               percent=100, reference="neither ccxt nor aiohttp is loaded"),
        row("– one account at Binance, 3 symbols listed: +", small),
        row("– one account, 3,000 symbols listed: +", accounts[1], one),
        row("– two accounts there: +", accounts[2], two),
        row("– five accounts there: +", accounts[5]),
        row("– three venues that share nothing (live, testnet, demo): +", apart),
    ]  # fmt: skip


def connecting(
    first: list[dict[str, Any]], two: list[dict[str, Any]], bare: list[dict[str, Any]], requests: list[str], plain: str
) -> list[Figure]:
    """Seconds and requests."""
    seconds = [each["seconds"][0] for each in first]
    second = [each["seconds"][1] for each in two]
    beside = f"bare ccxt.pro, import included {told([each['seconds'][0] for each in bare], 's')}; {plain}"
    return [
        figure("`connect()`, first account, 3,000 symbols, import included", "s", seconds, percent=100,
               reference=beside),
        figure("`connect()`, second account there", "s", second, percent=100, reference=beside),
        Figure("Requests of a `connect()`", "", len(requests), note=", ".join(requests)),
    ]  # fmt: skip
