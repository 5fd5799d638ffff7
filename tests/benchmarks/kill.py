"""A kill of 100 orders in three accounts, 50 ms from each venue: until it is stored, and until all are verified empty."""

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.access.roles import CONSOLE
from core.engine import Engine
from core.trading.switch import GLOBAL
from risk.verdict import Approved
from tests.benchmarks.risk import first_moment
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, STILL, intent, over, program, scratch

ORDERS = 100
VENUES = ("north", "west")  # beside the sandbox's own, "paper"
LATENCY = 0.05
SYMBOLS = ("AAPL", "IBM", "MSFT")


async def run() -> list[Figure]:
    limits = {**NEVER_IN_THE_WAY, **NEVER_HALTED, "stale_quote_seconds": None, "price_drift_percent": 1000}
    more = {name: {"broker": {"adapter": "paper"}, "limits": limits} for name in VENUES}
    settings = over(STILL, limits, strategies=[], accounts=more)
    with scratch() as folder:
        sync = fdatasync_ms(folder, many(500, 100))
        async with program(folder, settings) as (made, _server):
            await first_moment(made.engine)
            for desk in made.engine.floor:
                slow_down(desk.broker)
            trials = [await one_kill(made) for _ in range(many(30, 3))]
    stored, empty = (list(column) for column in zip(*trials, strict=True))
    beside = f"fdatasync {told(sync)}"
    return [
        figure("kill → HALT on the disk", "ms", stored, percent=99, goal=250, reference=beside,
               note="state, audit line, alert and what is owed, in one commit, before any venue is asked"),
        figure(f"kill → {ORDERS} orders on {len(VENUES) + 1} venues verified empty", "s", empty, percent=95, goal=5,
               reference=f"{LATENCY * 1000:.0f} ms from each venue; {beside}",
               note="each cancelled one by one and in parallel; each venue's own list asked again"),
    ]  # fmt: skip


def slow_down(broker: Any) -> None:
    """Every call that a kill makes takes as long as to a venue far away."""
    for name in ("cancel_order", "get_open_orders", "find_order"):
        setattr(broker, name, far(getattr(broker, name)))


def far(call: Any) -> Any:
    async def slow(*arguments: Any) -> Any:
        await asyncio.sleep(LATENCY)
        return await call(*arguments)

    return slow


async def one_kill(made: Any) -> tuple[float, float]:
    """(milliseconds until the halt is on the disk, seconds until every venue has said that nothing is open)."""
    engine: Engine = made.engine
    await place(engine)
    store, stored = engine.switch.store, []

    async def timed(scopes: Any) -> None:
        await store(scopes)
        if GLOBAL in scopes:
            stored.append(time.perf_counter())

    engine.switch.store = timed  # type: ignore[method-assign]
    begin = time.perf_counter()
    result = await made.service.halt(CONSOLE, "measuring")
    taken = time.perf_counter() - begin
    engine.switch.store = store  # type: ignore[method-assign]
    left = [order for desk in engine.floor for order in desk.orders.open_orders]
    if not result.ok or left:
        raise RuntimeError(f"{len(left)} orders are open after the kill: {result.message}")
    await made.service.resume(CONSOLE)
    return (stored[0] - begin) * 1000, taken


async def place(engine: Engine) -> None:
    """100 orders far from the market, good till cancelled, a third at each venue."""
    desks = list(engine.floor)
    for number in range(ORDERS):
        desk, symbol = desks[number % len(desks)], SYMBOLS[number % len(SYMBOLS)]
        limit = (engine.market.quotes[symbol].mid / 2).quantize(Decimal("0.01")) - Decimal(number) / 100
        wanted = replace(intent(engine, symbol, 1, limit=limit), account=desk.account)
        verdict = desk.gate.review(wanted, desk.view())
        if not isinstance(verdict, Approved):
            raise RuntimeError(f"an order was denied: {verdict}")
        await desk.orders.submit(verdict)
