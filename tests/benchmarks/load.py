"""How many orders a second are stored, sent, accepted and cancelled again, one after the other and many at once.

Limit orders far from the market go through the risk gate, the durable write-ahead commit, the paper venue, and the
commit of the acceptance; cancelling is two commits more. Many at once share commits; one after the other they cannot.
"""

import asyncio
import time
from decimal import Decimal

from core.engine import Engine
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, many, percentile, told
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, STILL, engine, intent, over, scratch, send

AT_ONCE = (1, 10, 50)
FAR = Decimal("0.5")
SETTINGS = over(STILL, {**NEVER_IN_THE_WAY, **NEVER_HALTED, "max_open_orders": 100_000})


async def run() -> list[Figure]:
    figures = []
    for together in AT_ONCE:
        with scratch() as folder:
            sync = fdatasync_ms(folder, many(300, 50))
            async with engine(folder, SETTINGS) as made:
                await made.start()
                await quoted(made)
                count = many(1000, 100)
                took = await sent(made, count, together)
        label = "one after the other" if together == 1 else f"{together} at once"
        figures.append(
            Figure(
                f"orders placed and cancelled a second, {label}", "1/s", count / took,
                reference=f"fdatasync {told(sync)}: at most {1000 / percentile(sync, 50):.0f} commits/s",
                note=f"{count} orders; four commits each, and the venue's own",
            )
        )  # fmt: skip
    return figures


async def quoted(made: Engine) -> None:
    """Wait until there is a price."""
    while "AAPL" not in made.market.quotes:
        await asyncio.sleep(0.01)


async def sent(made: Engine, count: int, together: int) -> float:
    """Seconds for `count` orders from `together` senders."""
    left = iter(range(count))

    async def sender() -> None:
        for _ in left:
            order = await send(made, intent(made, "AAPL", 1, limit=FAR))
            await made.floor.first.orders.cancel(order.id, "benchmark")

    begin = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(together)))
    return time.perf_counter() - begin
