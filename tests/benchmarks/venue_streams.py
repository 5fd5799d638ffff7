"""How many events a second come through the stream of a venue: socket, ccxt.pro, our reading, reader; beside bare ccxt.

The venue is a process of its own and sends everything at once, as bytes that were ready before; counted is from then
until the reader has the last of them. Ours and bare ccxt.pro take turns, each on a venue of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks.support.figure import Figure, many, percentile
from tests.benchmarks.support.rig import scratch
from tests.benchmarks.support.venue import BARE, FIRST_PRICE, OURS, SYMBOL, Side, never_limited, order_of, venues

TURNS = 5
LONGEST_SECONDS = 60
OPENING_SECONDS, PAUSE_SECONDS = 2.0, 0.1
Read = Callable[[int], Awaitable[None]]
"""Reads until the event of this number has come."""


async def run() -> list[Figure]:
    never_limited()
    with scratch() as folder, venues(folder) as sides:
        broker = sides[OURS].broker("main", folder)
        await broker.connect()
        try:
            async with sides[BARE].bare() as ccxt:
                await ccxt.load_markets()
                reports = await in_turns(
                    sides, "reports", many(4000, 1000), {OURS: our_reports(broker), BARE: bare_reports(ccxt)}
                )
                quotes = await in_turns(
                    sides, "quotes", many(20_000, 4000), {OURS: our_quotes(broker), BARE: bare_quotes(ccxt)}
                )
        finally:
            await broker.disconnect()
    return [told("Order reports", reports), told("Quotes", quotes)]


async def in_turns(sides: dict[str, Side], what: str, count: int, reads: dict[str, Read]) -> dict[str, list[float]]:
    """Events a second of each; the first turn opens the streams and warms up."""
    rates: dict[str, list[float]] = {name: [] for name in reads}
    for turn in range(TURNS + 1):
        for name, read in reads.items():
            last = (turn + 1) * count - 1
            await sides[name].told("prepare", what=what, first=turn * count, count=count)
            rate = count / await burst(sides[name], read(last), PAUSE_SECONDS if turn else OPENING_SECONDS)
            rates[name] += [rate] if turn else []
    return rates


async def burst(side: Side, reading: Awaitable[None], pause: float) -> float:
    """Seconds from the moment that the venue sends until the last event is read."""
    task = asyncio.ensure_future(reading)
    try:
        await asyncio.sleep(pause)
        at = await side.told("fire")
        await asyncio.wait_for(task, LONGEST_SECONDS)
    finally:
        task.cancel()
    return asyncio.get_running_loop().time() - at / 1e9


def told(name: str, rates: dict[str, list[float]]) -> Figure:
    """The middle of all turns, and the worst."""
    ours, bare = percentile(rates[OURS], 50), percentile(rates[BARE], 50)
    return Figure(
        f"{name} through the stream path", "/s", ours, min(rates[OURS]), "worst", samples=TURNS,
        reference=f"bare ccxt.pro {bare:,.0f} /s: {ours / bare:.2f} x", note=f"{1e6 / ours:.0f} µs an event",
    )  # fmt: skip


def our_reports(broker: Any) -> Read:
    """Every report counts: none may be missing."""
    reports = broker.reports()

    async def read(last: int) -> None:
        async for report in reports:
            if report.client_order_id == order_of(last) and not report.state.is_open:
                return

    return read


def our_quotes(broker: Any) -> Read:
    """A slow reader gets the newest: the last one always comes."""
    quotes = broker.quotes([SYMBOL])

    async def read(last: int) -> None:
        async for quote in quotes:
            if quote.bid > FIRST_PRICE + last:
                return

    return read


def bare_reports(ccxt: Any) -> Read:
    """`watch_orders`, as its manual shows."""

    async def read(last: int) -> None:
        while True:
            for order in await ccxt.watch_orders(SYMBOL):
                if order["clientOrderId"] == order_of(last) and order["status"] == "closed":
                    return

    return read


def bare_quotes(ccxt: Any) -> Read:
    """`watch_bids_asks`, as its manual shows."""

    async def read(last: int) -> None:
        while (await ccxt.watch_bids_asks([SYMBOL]))[SYMBOL]["bid"] < FIRST_PRICE + last:
            pass

    return read
