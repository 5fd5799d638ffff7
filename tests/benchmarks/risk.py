"""What the risk gate costs, and how long it takes from the tick that breaches a limit to the alert in the chat."""

import asyncio
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.program import Program
from brokers.market import Bar
from core.access.roles import CONSOLE
from core.alerts.channel import Severity
from core.engine import Engine
from core.market.replay import BarBatch
from risk.gate import RiskGate
from risk.limits import RiskLimits
from risk.view import TradingState
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import (
    NEVER_HALTED,
    NEVER_IN_THE_WAY,
    STILL,
    engine,
    intent,
    over,
    program,
    scratch,
    send,
)

SYMBOLS = ("AAPL", "IBM", "MSFT")


async def run() -> list[Figure]:
    return [*await gate(), *await breach()]


async def gate() -> list[Figure]:
    settings = over(STILL, {**NEVER_IN_THE_WAY, **NEVER_HALTED}, strategies=[])
    with scratch() as folder:
        async with engine(folder, settings) as made:
            await made.start()
            await first_moment(made)
            for number in range(20):
                symbol = SYMBOLS[number % 3]
                mid = made.market.quotes[symbol].mid
                wish = intent(made, symbol, 10 + number, limit=made_price(mid, number))
                await send(made, wish)
            wish = intent(made, "AAPL", 10)
            view = made.floor.first.view()
            alone = [microseconds(lambda: made.floor.first.gate.review(wish, view)) for _ in range(many(5000, 300))]
            whole = [
                microseconds(lambda: made.floor.first.gate.review(wish, made.floor.first.view()))
                for _ in range(many(5000, 300))
            ]
            strict = RiskGate(RiskLimits())
            denied = [microseconds(lambda: strict.review(wish.resized(Decimal(50_000)), view)) for _ in range(300)]
            return [
                figure("risk gate, one review that approves", "µs", alone, note="20 open orders, three symbols"),
                figure("risk gate with a new view of the account", "µs", whole),
                figure("risk gate, a denial with the largest size", "µs", denied, note="reviews the offered size too"),
            ]


def microseconds(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e6


def made_price(mid: Decimal, number: int) -> Decimal:
    return (mid / 2).quantize(Decimal("0.01")) - Decimal(number) / 100


async def first_moment(made: Engine) -> None:
    """Wait until the market has prices; then it stands still."""
    async with asyncio.timeout(20):
        while not made.market.quotes:
            await asyncio.sleep(0.01)
    async with made.rounds.between():
        return


async def breach() -> list[Figure]:
    settings = over(STILL, NEVER_IN_THE_WAY, strategies=[])
    with scratch() as folder:
        sync = fdatasync_ms(folder, 200)
        async with program(folder, settings) as (made, _):
            await first_moment(made.engine)
            first, last = await breaches(made, many(40, 4))
    beside = f"fdatasync {told(sync)}"
    return [
        figure("tick that breaches → alert accepted", "ms", first, goal=1000, reference=beside,
               note="by the chat server, for the first of three people; the halt is stored before"),
        figure("tick that breaches → accepted for all three", "ms", last, goal=1000, reference=beside),
    ]  # fmt: skip


async def breaches(made: Program, count: int) -> tuple[list[float], list[float]]:
    """AAPL halves in a day, `count` times; milliseconds until the first and the last alert."""
    deliver = made.chat.channel.deliver
    accepted: list[float] = []

    async def timed(recipient: str, message: Any) -> None:
        await deliver(recipient, message)
        if message.severity is Severity.CRITICAL and "BREACH" in message.title:
            accepted.append(time.perf_counter())

    made.chat.channel.deliver = timed
    engine_ = made.engine
    price = engine_.market.quotes["AAPL"].last
    quantity = int(Decimal(50_000) / price)
    await send(engine_, intent(engine_, "AAPL", quantity))
    for _ in range(3):  # a tick fills at most a tenth of its volume
        await moment(engine_, price)
    first, last = [], []
    for _ in range(count):
        await moment(engine_, price)
        result = await made.service.resume(CONSOLE)
        if engine_.switch.gravest("paper").state is not TradingState.ACTIVE:
            raise RuntimeError(result.message)
        await asyncio.sleep(0.3)  # alerts of the resumption are out
        accepted.clear()
        begin = time.perf_counter()
        await moment(engine_, price / 2)
        async with asyncio.timeout(20):
            while len(accepted) < 3:
                await asyncio.sleep(0.001)
        first.append((accepted[0] - begin) * 1000)
        last.append((accepted[2] - begin) * 1000)
    return first, last


async def moment(made: Engine, price: Decimal) -> None:
    """A day of AAPL at one price."""
    at = made.trading_clock.now() + timedelta(days=1)
    bar = Bar("AAPL", at, price, price, price, price, Decimal(1_000_000_000))
    async with made.rounds.between():
        await made.rounds.process(BarBatch(at, 0, {"AAPL": bar}))
