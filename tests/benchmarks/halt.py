"""How long /halt takes with 100 open orders: until no new one can go out, and until the reply says that none is open."""

import asyncio
import time
from decimal import Decimal
from typing import Any

from bot.program import Program
from core.access.roles import CONSOLE
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.benchmarks.risk import first_moment
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.person import Person
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, STILL, intent, over, program, scratch, send

ORDERS = 100


async def run() -> list[Figure]:
    settings = over(STILL, {**NEVER_IN_THE_WAY, **NEVER_HALTED}, strategies=[])
    with scratch() as folder:
        sync = fdatasync_ms(folder, many(500, 100))
        async with program(folder, settings) as (made, server):
            await first_moment(made.engine)
            person = await asyncio.to_thread(Person, server.port)
            try:
                trials = [await one_halt(made, person) for _ in range(many(20, 3))]
            finally:
                person.close()
    stopped, replied = (list(column) for column in zip(*trials, strict=True))
    beside = f"fdatasync {told(sync)}"
    return [
        figure("/halt → halted, stored", "ms", stopped, percent=95, reference=beside,
               note="from the person's message until no strategy's order can go out any more"),
        figure(f"/halt → reply, {ORDERS} orders open", "s", replied, percent=95, goal=5, reference=beside,
               note="every order cancelled one by one, and the venue asked again: it has none"),
    ]  # fmt: skip


async def one_halt(made: Program, person: Person) -> tuple[float, float]:
    """(milliseconds until halted, seconds until the reply)."""
    await place(made)
    begin = time.perf_counter()
    halted: list[float] = []
    stored = made.engine.switch.set

    async def timed(scope: str, state: TradingState, *more: Any) -> None:
        await stored(scope, state, *more)
        if scope == GLOBAL and state is TradingState.HALTED:
            halted.append(time.perf_counter())

    made.engine.switch.set = timed
    try:
        taken, text = await asyncio.to_thread(person.ask, "/halt measuring", "✅ Trading is HALTED.")
    finally:
        made.engine.switch.set = stored
    # The reply lists at most 30 lines, so the last one, "no open orders", may not be in it: look ourselves.
    left = await made.engine.floor.first.broker.get_open_orders()
    if left or made.engine.floor.first.orders.open_orders or "HALTED" not in text:
        raise RuntimeError(f"{len(left)} orders are open after the halt: {text}")
    await made.service.resume(CONSOLE)
    return (halted[0] - begin) * 1000, taken


async def place(made: Program) -> None:
    """100 orders far from the market, good till cancelled."""
    engine = made.engine
    prices = {symbol: engine.market.quotes[symbol].mid for symbol in ("AAPL", "IBM", "MSFT")}
    for number in range(ORDERS):
        symbol = list(prices)[number % len(prices)]
        limit = (prices[symbol] / 2).quantize(Decimal("0.01")) - Decimal(number) / 100
        await send(engine, intent(engine, symbol, 1, limit=limit))
    if len(await engine.floor.first.broker.get_open_orders()) != ORDERS:
        raise RuntimeError("not every order is open")
