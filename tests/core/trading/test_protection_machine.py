"""Brackets under random markets, wishes, faults, halts and crashes, over the real paper venue; then it heals.

At every moment: nobody's position turns round, and every position has a guard unless trading is halted. On a good line
the stops at the venue are never larger than what the account holds. After healing and ten seconds: the books equal the
venue, what is flat has no exit order, and what is held is protected.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.trading.protection.guard import Holder
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.core.trading.exits_stage import BRACKET, STOP, at_venue, spec, without
from tests.core.trading.stage import Stage, Strategies, dec

FAULTS = ["ok", "ok", "lost", "never", "no", "down"]
SPECS = {"alpha": BRACKET, "beta": STOP, "gamma": {"trailing": {"percent": 3}, "max_bars": 6}}
LONG, SHORT = ("alpha", "gamma"), ("beta",)


class Brackets(RuleBasedStateMachine):
    """Two strategies that only ever buy and one that only ever sells short, on one instrument."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stage: Stage | None = None
        self.price = dec(100)
        self.faulty = False

    def run(self, work: Any) -> Any:
        """Do something in the machine's own loop."""
        return self.runner.run(work)

    @initialize(
        faulty=st.booleans(),
        kinds=st.sampled_from([["market", "limit"], ["market", "limit", "stop"], None]),
        lacks=st.sets(st.sampled_from(["modify", "oco"])),
    )
    def open(self, faulty: bool, kinds: list[str] | None, lacks: set[str]) -> None:
        """A desk on a venue of one kind or another."""
        self.faulty, self.lacks = faulty, lacks
        options = {"slippage": {"model": "fixed", "value": 0}, **({"order_types": kinds} if kinds else {})}
        self.run(self._open(options))

    async def _open(self, options: dict[str, Any]) -> None:
        strategies = Strategies(*SPECS)
        for name, instance in strategies.instances.items():
            instance.exits, instance.units = spec(SPECS[name]), 7
        self.stage = await Stage.open(Path(self.folder.name), strategies=strategies, **options)
        await self.stage.start()
        self._limit()
        await self.stage.tick(self.price, spread=0)

    def _limit(self) -> None:
        """What the venue lacks, it lacks after a restart, too."""
        assert self.stage
        without(self.stage, *self.lacks)

    @rule(change=st.integers(-40, 40), volume=st.sampled_from([None, None, 3, 20]))
    def market(self, change: int, volume: int | None) -> None:
        """The price moves by up to four percent, and exits are looked after."""
        self.price = max((self.price * (1000 + change) / 1000).quantize(dec("0.01")), dec(1))
        self.run(self._look(volume))

    async def _look(self, volume: int | None = None) -> None:
        assert self.stage
        more = {} if volume is None else {"volume": dec(volume)}
        await self.stage.tick(self.price, spread=0, **more)
        await self.stage.pipeline.keep()
        await self.stage.broker.settled()

    @rule(name=st.sampled_from(sorted(SPECS)), wish=st.sampled_from([0.0, 0.4, 1.0]))
    def decide(self, name: str, wish: float) -> None:
        """A strategy wishes something, and the bar is over."""
        assert self.stage
        self.stage.strategies.want(name, wish if name in LONG else -wish)
        if "ACME" not in self.stage.market.quotes:  # just started
            self.run(self._look())
        self.run(self.stage.bar())

    @rule(place=st.lists(st.sampled_from(FAULTS), max_size=2), cancel=st.lists(st.sampled_from(FAULTS), max_size=2))
    def bad_line(self, place: list[str], cancel: list[str]) -> None:
        """The next calls may fail, in one way or another."""
        if self.faulty and self.stage:
            self.stage.broker.plan("place", *place)
            self.stage.broker.plan("cancel", *cancel)

    @rule()
    def crash(self) -> None:
        """The process dies and starts again."""
        assert self.stage
        self.stage.broker._plans.clear()
        self.run(self.stage.crash_and_restart())
        self._limit()

    @rule(halted=st.booleans())
    def halt(self, halted: bool) -> None:
        """A person halts or resumes."""
        self.run(self._halt(TradingState.HALTED if halted else TradingState.ACTIVE))

    async def _halt(self, state: TradingState) -> None:
        assert self.stage
        await self.stage.switch.set(GLOBAL, state, "test", "test")
        if state is TradingState.HALTED:
            await self.stage.sweep("halt", seconds=0)
        await self.stage.pipeline.keep()

    @rule()
    def reconcile(self) -> None:
        """Books and venue are compared."""
        assert self.stage
        self.run(self.stage.desk.reconcile())

    # --- what always holds -------------------------------------------------------------------------

    @invariant()
    def nobody_turns_round(self) -> None:
        """Exits close and never open."""
        if self.stage:
            assert all(self.stage.held(name) >= 0 for name in LONG)
            assert all(self.stage.held(name) <= 0 for name in SHORT)

    @invariant()
    def stops_fit_what_is_held(self) -> None:
        """On a good line what rests at the venue is never larger than the position there."""
        if self.stage and not self.faulty:
            self.run(self._stops_fit())

    async def _stops_fit(self) -> None:
        assert self.stage
        groups: dict[str, Any] = {}
        for number, order in enumerate(await at_venue(self.stage)):
            if order.type.is_conditional:
                key = order.oco_group or str(number)
                groups[key] = max(groups.get(key, dec(0)), order.remaining)
        assert sum(groups.values(), dec(0)) <= abs(self.stage.desk.portfolio.quantity("ACME"))

    # --- in the end --------------------------------------------------------------------------------

    def teardown(self) -> None:
        """It heals; then everything is as it must be."""
        try:
            if self.stage:
                self.run(self._heal())
                self.run(self._converged())
        finally:
            if self.stage:
                self.run(self.stage.close())
            self.runner.close()
            self.folder.cleanup()

    async def _heal(self) -> None:
        assert self.stage
        self.stage.broker._plans.clear()
        await self.stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "test")
        for _ in range(4):
            await self.stage.desk.reconcile()
            for clock in (self.stage.wall, self.stage.market_clock):
                clock.advance(40)
            await self._look()
        for _ in range(10):
            await self._look()

    async def _converged(self) -> None:
        assert self.stage
        await self.stage.check()
        await self._stops_fit()
        guards = {each.strategy: each for each in self.stage.pipeline.protection.guards}
        held = {name for name in SPECS if self.stage.held(name)}
        assert set(guards) == held
        assert all(each.holder is not Holder.NOBODY for each in guards.values())
        exits = [each for each in await at_venue(self.stage) if each.type.is_conditional]
        assert held or not exits


Brackets.TestCase.settings = settings(
    max_examples=int(os.environ.get("BRACKETS", "10")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
TestBrackets = Brackets.TestCase
