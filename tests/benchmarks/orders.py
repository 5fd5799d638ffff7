"""How long it takes from a strategy's signal to an order that the venue has accepted, with and without durable commits.

One strategy turns around with every bar of AAPL. The whole way is real: strategy thread, conflicts, sizing, risk gate,
write-ahead commit, paper broker, commit of the acceptance. Without the durable commit means `synchronous=OFF`.
"""

import asyncio
import time
from typing import Any

from core.engine import Engine
from core.strategy.registry import strategy
from core.strategy.sdk import Strategy, StrategyParameters
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, engine, over, scratch

SIGNALS: list[float] = []
KIND = "bench_turn"
SETTINGS = over(
    0,
    {**NEVER_IN_THE_WAY, **NEVER_HALTED},
    strategies=[{"name": "turn", "kind": KIND, "symbols": ["AAPL"], "sizing": {"method": "fixed", "units": 10}}],
)


class NoParameters(StrategyParameters):
    """None."""


@strategy(KIND)
class Turn(Strategy[NoParameters]):
    """Long, then short, then long: a signal with every bar."""

    title = "Turns with every bar"
    Parameters = NoParameters

    @property
    def warm_up(self):
        return 1

    def on_bar(self, bar, history, exposure):
        signal = self.signal(bar, -1.0 if exposure > 0 else 1.0, "turn")
        SIGNALS.append(time.perf_counter())
        return (signal,)


async def run() -> list[Figure]:
    figures = []
    for durable, label in ((True, "durable"), (False, "not durable")):
        with scratch() as folder:
            sync = fdatasync_ms(folder, many(500, 100))
            async with engine(folder, SETTINGS, durable=durable) as made:
                signal, order, commit = await measured(made, many(1000, 60))
            beside = f"fdatasync {told(sync)}"
            figures += [
                figure(f"signal → order accepted, {label}", "ms", signal, reference=beside),
                figure(f"  of it: gate → accepted, {label}", "ms", order, reference=beside),
                figure(f"  of it: write-ahead commit, {label}", "ms", commit, reference=beside),
            ]
    return figures


async def measured(made: Engine, count: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds from signal, from the gate, and of the first commit, for `count` accepted orders."""
    SIGNALS.clear()
    begun: list[float] = []
    sent: list[float] = []
    done: list[float] = []
    enough = asyncio.Event()
    review, place, submit = (
        made.floor.first.gate.review,
        made.floor.first.broker.place_order,
        made.floor.first.orders.submit,
    )

    def timed_review(intent: Any, view: Any) -> Any:
        begun.append(time.perf_counter())
        return review(intent, view)

    async def timed_place(request: Any) -> Any:
        sent.append(time.perf_counter())
        return await place(request)

    async def timed_submit(approved: Any) -> Any:
        submitted.append(time.perf_counter())
        live = await submit(approved)
        done.append(time.perf_counter())
        if live.venue_order_id == "":
            raise RuntimeError(f"an order was not accepted: {live.state}")
        if len(done) >= count:
            enough.set()
        return live

    submitted: list[float] = []
    made.floor.first.gate.review = timed_review
    made.floor.first.broker.place_order = timed_place
    made.floor.first.orders.submit = timed_submit
    await made.start()
    await asyncio.wait_for(enough.wait(), 300)
    if not len(SIGNALS[:count]) == len(begun[:count]) == len(sent[:count]) == count:
        raise RuntimeError("an order did not come from its signal")
    return (
        [(end - start) * 1000 for start, end in zip(SIGNALS, done[:count], strict=False)],
        [(end - start) * 1000 for start, end in zip(begun, done[:count], strict=False)],
        [(end - start) * 1000 for start, end in zip(submitted, sent[:count], strict=False)],
    )
