"""How long the loop stands while a venue's rules are read: 3,000 symbols, at the first connection and twice a day.

A task turns all the time; the longest stretch between two of its turns is told in processor time of this process, so
that whatever else the machine does counts for nothing. Beside it stands ccxt's own `load_markets` in the same process.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable
from pathlib import Path

from brokers.ccxt import markets
from brokers.ccxt.loading import load_exchange_class
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import scratch
from tests.benchmarks.support.venue import BARE, OURS, Side, venues

SYMBOLS = 3000
GOAL = 50.0


async def run() -> list[Figure]:
    await asyncio.to_thread(load_exchange_class, "binance")
    with scratch() as folder, venues(folder, SYMBOLS) as sides:
        first, again, bare = [], [], []
        for number in range(many(5, 1)):
            connecting, renewing = await ours(sides[OURS], folder, number)
            first.append(connecting)
            again.append(renewing)
            bare.append(await plain(sides[BARE]))
    beside = f"bare ccxt.pro {told([stall for stall, _ in bare])}"

    def row(name: str, runs: list[tuple[float, float]]) -> Figure:
        note = f"processor time; done after {told([seconds for _, seconds in runs], 's')}"
        return figure(name, "ms", [stall for stall, _ in runs], percent=100, goal=GOAL, reference=beside, note=note)

    return [
        row("Longest stand of the loop while 3,000 symbols are read, first connection", first),
        row("– while they are read anew", again),
    ]


async def ours(side: Side, folder: Path, number: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """A first connection, then the rules anew: longest stand (ms) and seconds of each."""
    markets.forget()
    broker = side.broker(f"account{number}", folder)
    connecting = await stand(broker.connect())
    (rules,) = markets._told.values()
    rules._at = rules._asked = -1e9
    asked = len(side.tell("requests", route="GET /api/v3/exchangeInfo"))
    renewing = await stand(broker.get_instruments())
    if len(side.tell("requests", route="GET /api/v3/exchangeInfo")) != asked + 1:
        raise RuntimeError("the rules were not asked for anew")
    await broker.disconnect()
    return connecting, renewing


async def plain(side: Side) -> tuple[float, float]:
    """What ccxt does by itself."""
    async with side.bare() as exchange:
        return await stand(exchange.load_markets(True))


async def stand(work: Awaitable[object]) -> tuple[float, float]:
    """The longest stretch in which the loop did not turn (ms), and how long all of it took (s)."""
    gc.collect()
    turning = asyncio.create_task(_turn())
    await asyncio.sleep(0.01)
    begin = time.perf_counter()
    await work
    seconds = time.perf_counter() - begin
    turning.cancel()
    (found,) = await asyncio.gather(turning, return_exceptions=True)
    if not isinstance(found, float):
        raise TypeError(found)
    return found * 1000, seconds


async def _turn() -> float:
    longest, last = 0.0, time.process_time()
    try:
        while True:
            await asyncio.sleep(0.001)
            now = time.process_time()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest
