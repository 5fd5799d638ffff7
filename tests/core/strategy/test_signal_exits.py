"""Exits that come with a signal count in place of the settings, across restarts, until the next signal."""

from __future__ import annotations

from core.clock import ManualClock
from core.store.along import store
from core.store.database import Database
from core.strategy.host import Call, Outcome
from core.strategy.sdk import Signal
from core.trading.protection.spec import ExitSpec, Source
from tests.core.strategy.rogues import bar
from tests.core.strategy.test_manager import Stage

SETTINGS = {"stop_loss": {"percent": 5}}
TIGHT = ExitSpec.model_validate({"stop_loss": {"percent": 1}})


async def test_a_signals_exits_count_until_its_next_word(database: Database) -> None:
    """A signal that only repeats the exposure may move them; a new exposure without exits takes them away."""
    del database
    words: list[tuple[float, ExitSpec | None]] = []

    def answer(call: Call) -> Outcome:
        exposure, exits = words.pop(0)
        return Outcome(call, (Signal("one", "AAPL", exposure, "told to", call.bar.at, exits),))

    stage = Stage(ManualClock(bar("AAPL", 1).at), exits=SETTINGS)
    stage.host._answer = answer
    await stage.manager.load()
    assert stage.manager.exits("one", "AAPL") == (ExitSpec.model_validate(SETTINGS), Source.SETTINGS)
    words += [(1.0, TIGHT), (1.0, None), (0.0, None)]
    sources = []
    for day in (1, 2, 3):
        one = bar("AAPL", day)
        stage.manager.observe([one])
        await stage.manager.decide({"AAPL": one})
        await store(stage.manager)
        await stage.restart()
        stage.manager.warm_up({"AAPL": [bar("AAPL", each) for each in range(1, day + 1)]})
        sources.append(stage.manager.exits("one", "AAPL")[1])
    assert sources == [Source.SIGNAL, Source.SIGNAL, Source.SETTINGS]
