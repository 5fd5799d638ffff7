"""The strategy manager on a real database: what counts, what is stored, and what a failure costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tortoise.exceptions import OperationalError

from brokers.market import Bar
from core.alerts.outbox import Alerts
from core.clock import ManualClock
from core.errors import UnknownName
from core.events import Events, StrategyChanged
from core.settings import StrategySettings
from core.store.along import store
from core.store.database import Database, transaction
from core.store.models import AlertRow, StrategyRow
from core.strategy import manager as module
from core.strategy.host import Call, Outcome
from core.strategy.manager import StrategyManager, _reduced
from core.strategy.sdk import Signal
from core.views import StrategyStatus
from tests.core.strategy.rogues import bar


@dataclass
class ScriptedHost:
    """Answers with what the test wrote: exposures by (name, symbol), or an error by name."""

    wants: dict[tuple[str, str], float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    meanwhile: Any = None

    async def decide(self, calls: Any) -> list[Outcome]:
        if self.meanwhile is not None:
            await self.meanwhile()
        return [self._answer(each) for each in calls]

    def _answer(self, call: Call) -> Outcome:
        self.seen.append((call.name, call.bar.symbol, len(call.history)))
        if error := self.errors.get(call.name):
            return Outcome(call, error=error)
        signals = [
            Signal(name, symbol, exposure, "told to", call.bar.at)
            for (name, symbol), exposure in self.wants.items()
            if name == call.name
        ]
        return Outcome(call, tuple(signals))

    async def close(self) -> None: ...


class Stage:
    def __init__(self, clock: ManualClock, **over: Any) -> None:
        raw = {"name": "one", "kind": "trend", "symbols": ("AAPL", "IBM"), "max_restarts": 2, **over}
        self.settings = [StrategySettings.model_validate(raw)]
        self.clock = clock
        self.host = ScriptedHost()
        self.told: list[str] = []
        self.manager = self.build()

    def build(self) -> StrategyManager:
        events = Events()
        events.subscribe(StrategyChanged, self._tell)
        alerts = Alerts(["telegram:1"], self.clock, self.clock)
        return StrategyManager(self.settings, self.host, trading_clock=self.clock, alerts=alerts, events=events)

    async def _tell(self, event: StrategyChanged) -> None:
        self.told.append(event.name)

    async def restart(self) -> None:
        self.manager = self.build()
        await self.manager.load()

    async def show(self, day: int, *symbols: str) -> list[Signal]:
        bars: Mapping[str, Bar] = {each: bar(each, day) for each in symbols or ("AAPL", "IBM")}
        self.manager.observe(bars.values())
        signals = await self.manager.decide(bars)
        await store(self.manager)
        return signals

    @property
    def one(self) -> module.Instance:
        return self.manager.get("one")


@pytest.fixture
async def stage(database: Database, clock: ManualClock) -> Stage:
    stage = Stage(clock)
    await stage.manager.load()
    return stage


async def test_two_symbols_of_one_moment_are_both_shown(stage: Stage) -> None:
    """In one batch, in two batches one after another, and once each after a restart."""
    await stage.show(0)
    await stage.show(1, "AAPL")
    await stage.show(1, "IBM")
    assert [(symbol, bars) for _, symbol, bars in stage.host.seen] == [("AAPL", 1), ("IBM", 1), ("AAPL", 2), ("IBM", 2)]
    await stage.restart()
    await stage.show(1)
    assert len(stage.host.seen) == 4
    await stage.show(2)
    assert len(stage.host.seen) == 6
    assert stage.one.bars_seen == 6


async def test_a_restart_goes_on_exactly_there(stage: Stage) -> None:
    """Wishes, counters, errors and status survive; symbols that it no longer trades are forgotten."""
    stage.host.wants = {("one", "AAPL"): 0.5, ("one", "IBM"): -1.0}
    await stage.show(0)
    await stage.manager.pause("one")
    stage.settings = [stage.settings[0].model_copy(update={"symbols": ("AAPL",)})]
    await stage.restart()
    assert stage.one.exposures == {"AAPL": 0.5}
    assert (stage.one.status, stage.one.signals, stage.one.bars_seen) == (StrategyStatus.PAUSED, 2, 2)


async def test_a_strategy_cannot_spoil_the_history(stage: Stage) -> None:
    """It gets a copy: a bar that it appends is not there for the next, nor in the way of the real one."""

    class Spoiler(ScriptedHost):
        def _answer(self, call: Call) -> Outcome:
            call.history.append(bar(call.bar.symbol, 900))
            return Outcome(call)

    stage.host.__class__ = Spoiler
    for day in range(3):
        await stage.show(day)
    history = stage.manager.history("AAPL")
    assert history is not None
    assert len(history) == 3


@pytest.mark.parametrize(
    ("held", "wanted", "left"), [(1.0, 0.4, 0.4), (1.0, 0.0, 0.0), (1.0, -1.0, 0.0), (0.4, 1.0, 0.4), (-0.5, 1.0, 0.0), (0.0, 1.0, 0.0)]
)  # fmt: skip
async def test_paused_means_only_reduce(stage: Stage, held: float, wanted: float, left: float) -> None:
    """One that wants to turn around while it is paused at least gets out."""
    stage.host.wants = {("one", "AAPL"): held}
    await stage.show(0)
    await stage.manager.pause("one")
    stage.host.wants = {("one", "AAPL"): wanted}
    await stage.show(1)
    await stage.show(2)
    assert stage.one.exposures.get("AAPL", 0.0) == left


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_reduced_wish_never_grows_nor_turns(before: float, wanted: float) -> None:
    """Whatever is wanted, what is left lies between flat and what was."""
    left = _reduced(before, wanted)
    assert abs(left) <= abs(before)
    assert left * before >= 0


async def test_failures_restart_it_until_it_has_failed(stage: Stage) -> None:
    """Two restarts are allowed; a round with two failing symbols is one failure; the alerts are stored."""
    stage.host.errors = {"one": "ValueError: no"}
    statuses = []
    for day in range(4):
        await stage.show(day)
        statuses.append((str(stage.one.status), stage.one.restarts))
    running, failed = str(StrategyStatus.RUNNING), str(StrategyStatus.FAILED)
    assert statuses == [(running, 1), (running, 2), (failed, 3), (failed, 3)]
    assert [row.severity for row in await AlertRow.all().order_by("id")] == ["WARNING", "WARNING", "CRITICAL"]
    await stage.restart()
    assert stage.one.status is StrategyStatus.FAILED
    assert stage.one.error == "ValueError: no"


@pytest.mark.parametrize("stop_first", [False, True])
async def test_starting_a_failed_one_is_a_clean_slate(stage: Stage, stop_first: bool) -> None:
    """Also if it was stopped in between: it has all its restarts again, and a new instance."""
    stage.host.errors = {"one": "no"}
    for day in range(3):
        await stage.show(day)
    if stop_first:
        await stage.manager.stop("one")
    assert await stage.manager.start("one")
    assert (stage.one.restarts, stage.one.error) == (0, "")
    await stage.show(5)
    assert stage.one.status is StrategyStatus.RUNNING


async def test_good_rounds_forgive_but_good_symbols_do_not(stage: Stage) -> None:
    """Twenty good rounds, not twenty good symbols beside a bad one."""
    stage.host.errors = {"one": "no"}
    await stage.show(0)
    stage.host.errors = {}
    for day in range(1, 20):
        await stage.show(day)
    assert stage.one.restarts == 1
    await stage.show(20)
    assert stage.one.restarts == 0


async def test_a_signal_for_a_foreign_symbol_is_a_failure_and_moves_nothing(stage: Stage) -> None:
    """Its own signals of the same round still count."""
    stage.host.wants = {("one", "TSLA"): 1.0, ("one", "AAPL"): 0.5}
    accepted = await stage.show(0)
    assert {signal.symbol for signal in accepted} == {"AAPL"}
    assert stage.one.exposures == {"AAPL": 0.5}
    assert "TSLA, which is not one of its symbols" in stage.one.error
    assert stage.manager.wishes("TSLA") == []


@pytest.mark.parametrize("order", ["stop", "forget_wishes"])
async def test_what_a_person_orders_while_it_thinks_wins(stage: Stage, order: str) -> None:
    """An answer that comes after a stop or a flatten opens nothing."""
    stage.host.wants = {("one", "AAPL"): 1.0}
    stage.host.meanwhile = lambda: getattr(stage.manager, order)("one")
    assert await stage.show(0) == []
    assert stage.one.exposures.get("AAPL", 0.0) == 0.0
    assert stage.one.status in (StrategyStatus.STOPPED, StrategyStatus.PAUSED)


async def test_a_round_that_cannot_be_stored_is_stored_later(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided waits for the next commit; a process that dies before it is shown the same bar again."""
    stage.host.wants = {("one", "AAPL"): 1.0}

    async def full(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(module, "put_strategies", full)
        with pytest.raises(OperationalError):
            await stage.show(0)
    assert (await StrategyRow.get(name="one")).exposures == {}
    await store(stage.manager)
    assert (await StrategyRow.get(name="one")).exposures == {"AAPL": 1.0}


async def test_a_decision_that_was_not_stored_is_made_again(stage: Stage) -> None:
    """A death between decision and commit loses nothing: the bar is new to whoever starts next."""
    stage.host.wants = {("one", "AAPL"): 1.0}
    new = {"AAPL": bar("AAPL", 0)}
    stage.manager.observe(new.values())
    assert len(await stage.manager.decide(new)) == 1
    await stage.restart()
    assert stage.one.exposures == {}
    stage.manager.observe(new.values())
    assert len(await stage.manager.decide(new)) == 1


async def test_what_changed_during_the_commit_is_stored_by_the_next(stage: Stage) -> None:
    """A round that comes between writing and the commit's end does not count as stored."""
    stage.host.wants = {("one", "AAPL"): 1.0}
    first, second = ({"AAPL": bar("AAPL", day)} for day in (0, 1))
    stage.manager.observe(first.values())
    await stage.manager.decide(first)
    async with transaction():
        stored = await stage.manager.write()
        stage.manager.observe(second.values())
        await stage.manager.decide(second)
    stored()
    await store(stage.manager)
    assert (await StrategyRow.get(name="one")).bars_seen == 2


async def test_a_failure_is_told_and_stored_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert of a strategy's error and its new state are one commit, or neither."""

    async def full(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    stage.host.errors = {"one": "ValueError: no"}
    new = {"AAPL": bar("AAPL", 0)}
    stage.manager.observe(new.values())
    with monkeypatch.context() as patched:
        patched.setattr(module, "put_strategies", full)
        with pytest.raises(OperationalError):
            await stage.manager.decide(new)
    assert (await AlertRow.all().count(), stage.one.error) == (0, "")
    await stage.manager.decide(new)
    assert (await AlertRow.all().count(), (await StrategyRow.get(name="one")).restarts) == (1, 1)


async def test_less_trust_counts_at_once_more_only_when_stored(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk fails, a stop has still stopped it, and a start has not started it."""

    async def full(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr(module, "put_strategies", full)
    with pytest.raises(OperationalError):
        await stage.manager.stop("one")
    assert stage.one.status is StrategyStatus.STOPPED
    with pytest.raises(OperationalError):
        await stage.manager.start("one")
    assert stage.one.status is StrategyStatus.STOPPED


async def test_commands_say_whether_they_changed_anything(stage: Stage) -> None:
    """And tell those who listen; an unknown name gets near misses."""
    manager = stage.manager
    stage.told.clear()
    assert [await manager.start("one"), await manager.pause("one"), await manager.pause("one")] == [False, True, False]
    assert [await manager.stop("one"), await manager.stop("one"), await manager.start("one")] == [True, False, True]
    await manager.forget_wishes("one")
    assert stage.told == ["one"] * 4
    with pytest.raises(UnknownName, match="Did you mean one"):
        await manager.start("onee")


async def test_a_new_strategy_starts_as_its_settings_say(database: Database, clock: ManualClock) -> None:
    """`start: false` waits for a person."""
    stage = Stage(clock, start=False)
    await stage.manager.load()
    assert stage.one.status is StrategyStatus.STOPPED
    assert await stage.show(0) == []
    assert stage.host.seen == []
