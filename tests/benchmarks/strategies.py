"""How long 1,000 strategies think about the close of one bar, and how long it takes with their state stored."""

import inspect
import time
from collections.abc import Sequence
from typing import Any

from core.engine import Engine
from core.market.archive import bundled_archive
from core.market.history import History
from core.store.along import store
from core.strategy.host import Call, ThreadHost
from core.strategy.registry import build_strategy
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import NEVER_HALTED, STILL, engine, over, scratch

COUNT = 1000
KINDS = ("trend", "mean_reversion", "breakout")
WARM = 600
GOAL_MS = 250


async def run() -> list[Figure]:
    return [await thinking(), *await storing()]


async def thinking() -> Figure:
    host = ThreadHost(30.0)
    series = {symbol: bundled_archive().load(symbol).bars for symbol in ("AAPL", "IBM", "MSFT")}
    histories = {symbol: History(symbol, bound=WARM, bars=bars[:WARM]) for symbol, bars in series.items()}
    made = [build_strategy(KINDS[each % 3], f"s{each}", [list(series)[each // 3 % 3]], {}) for each in range(COUNT)]
    taken = []
    try:
        for number in range(many(100, 5)):
            new = {symbol: bars[WARM + number] for symbol, bars in series.items()}
            for symbol, bar in new.items():
                histories[symbol].append(bar)
            calls = [call(each, new[each.symbols[0]], histories[each.symbols[0]]) for each in made]
            begin = time.perf_counter()
            outcomes = await host.decide(calls)
            taken.append((time.perf_counter() - begin) * 1000)
            if len(outcomes) != COUNT or any(outcome.error for outcome in outcomes):
                raise RuntimeError("a strategy failed")
    finally:
        await host.close()
    return figure(
        "1,000 strategies, one bar", "ms", taken, goal=GOAL_MS,
        note="in one thread, a third of each kind, default parameters, histories of 600 bars; goal of a later issue",
    )  # fmt: skip


def call(strategy: Any, bar: Any, history: History) -> Call:
    """A call, whether or not `Call` wants the instance's name."""
    given = {"strategy": strategy, "bar": bar, "history": history, "exposure": 0.0, "name": strategy.name}
    return Call(**{name: given[name] for name in inspect.signature(Call).parameters})


async def storing() -> list[Figure]:
    """The same through the manager, which stores every instance before a signal counts."""
    definitions = [
        {"name": f"s{each}", "kind": KINDS[each % 3], "symbols": [("AAPL", "IBM", "MSFT")[each // 3 % 3]]}
        for each in range(COUNT)
    ]
    with scratch() as folder:
        sync = fdatasync_ms(folder, 200)
        settings = over(STILL, NEVER_HALTED, strategies=definitions, strategy_seconds=30)
        async with engine(folder, settings) as made:
            taken = await decisions(made, many(10, 2))
    return [
        figure(
            "1,000 strategies, one bar, all states stored", "ms", taken, percent=100,
            reference=f"fdatasync {told(sync)}", note="StrategyManager.decide and write: one transaction, 1,000 upserts",
        )
    ]  # fmt: skip


async def decisions(made: Engine, count: int) -> Sequence[float]:
    """Milliseconds of each decision; the feed is not running."""
    await made._database.open()
    series = {symbol: bundled_archive().load(symbol).bars for symbol in ("AAPL", "IBM", "MSFT")}
    made.strategies.warm_up({symbol: bars[:WARM] for symbol, bars in series.items()})
    await made.strategies.load()
    taken = []
    for number in range(count):
        new = {symbol: bars[WARM + number] for symbol, bars in series.items()}
        made.strategies.observe(new.values())
        begin = time.perf_counter()
        await made.strategies.decide(new)
        await store(made.strategies)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken
