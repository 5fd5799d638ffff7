"""What every strategy is to hold: its exposure, turned into units once, when the exposure changes.

Goals are stored before they are ordered, with the exposure that they were sized for. A restart therefore
neither sizes anew what is held already, nor forgets an exit that was decided and not yet ordered. A position that a
stop or target has closed stays closed until its strategy wishes something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.money import ZERO
from core.errors import UnknownName
from core.store.along import Stored, store
from core.store.goals import drop_goals, load_goals, put_goals, without
from core.strategy.manager import Instance, StrategyManager
from core.trading.desk import Desk
from core.trading.market import Market
from risk.sizer import Sized, SizingInputs
from risk.sizing.volatility_target import annual_volatility

_VOLATILITY_BARS = 60


@dataclass(frozen=True, slots=True)
class Goal:
    """The signed quantity that a strategy is to hold, the exposure that it stands for, and why.

    `exposure` is None while no size is known: the next bar tries again. `barred` is the wish that a protective exit
    has ended: while the strategy wishes just that, it opens nothing.
    """

    quantity: Decimal
    exposure: float | None
    reason: str
    barred: float | None = None

    def stored(self) -> dict[str, object]:
        """As it is stored."""
        return {"quantity": self.quantity, "exposure": self.exposure, "reason": self.reason, "barred": self.barred}


class Goals:
    """The goals of all strategies of one desk."""

    def __init__(self, strategies: StrategyManager, desk: Desk, market: Market) -> None:
        self._strategies = strategies
        self._desk = desk
        self._market = market
        self._goals: dict[tuple[str, str], Goal] = {}
        self._stored: dict[tuple[str, str], Goal] | None = None
        self._loading = asyncio.Lock()
        self._spent: dict[tuple[str, str], Decimal] = {}  # by fees, as far as the goals know it

    def _follow(self) -> None:
        """What fees have taken out of a holding is not bought back. The stored goals know it already."""
        for key, total in self._desk.portfolio.spent.items():
            units, self._spent[key] = total - self._spent.get(key, ZERO), total
            for goals in (self._goals, self._stored or {}):
                if units and (goal := goals.get(key)) is not None:
                    goals[key] = replace(goal, quantity=without(goal.quantity, units))

    async def load(self) -> None:
        """Take up the stored goals, once, however many ask for it."""
        async with self._loading:
            if self._stored is None:
                rows = await load_goals(self._desk.account)
                stored = {
                    (row.strategy, row.symbol): Goal(row.quantity, row.exposure, row.reason, row.barred) for row in rows
                }
                self._goals, self._stored = dict(stored), stored
                self._spent = dict(self._desk.portfolio.spent)
            self._follow()

    async def save(self) -> None:
        """Store the goals that have changed, in a commit of their own."""
        if self._goals != self._stored:
            await store(self)

    async def write(self) -> Stored:
        """Store the goals that have changed, inside a transaction; see `core.store.along`."""
        self._follow()
        before, now = self._stored or {}, dict(self._goals)
        if changed := {key: goal.stored() for key, goal in now.items() if before.get(key) != goal}:
            await put_goals(self._desk.account, changed)

        def stored() -> None:
            self._stored = now

        return stored

    async def hand_over(self, name: str, other: Goals) -> Stored:
        """A strategy goes on with the `other` goals, inside a transaction. What it had closed stays closed there.

        What it wished and never got is sized anew, by what there is in the other account.
        """
        mine = {key: goal for key, goal in self._goals.items() if key[0] == name}
        kept = {key: goal for key, goal in mine.items() if not goal.quantity and not self._is_unshorted(goal)}
        await drop_goals(self._desk.account, name)
        await drop_goals(other._desk.account, name)
        await put_goals(other._desk.account, {key: goal.stored() for key, goal in kept.items()})

        def stored() -> None:
            self._forget(name)
            other._take(name, kept)

        return stored

    def _is_unshorted(self, goal: Goal) -> bool:
        """Whether it is zero for no other reason than that nothing can be sold short here."""
        is_short = goal.barred is None and goal.exposure is not None and goal.exposure < 0
        return is_short and not self._desk.broker.capabilities.shorting

    def _forget(self, name: str) -> None:
        for goals in (self._goals, self._stored or {}):
            for key in [key for key in goals if key[0] == name]:
                del goals[key]

    def _take(self, name: str, goals: Mapping[tuple[str, str], Goal]) -> None:
        self._forget(name)
        self._goals.update(goals)
        if self._stored is not None:
            self._stored.update(goals)

    def __getitem__(self, key: tuple[str, str]) -> Goal:
        self._follow()
        return self._goals[key]

    def be_flat(self, strategy: str, symbol: str, reason: str) -> None:
        """A person has flattened it."""
        self._goals[strategy, symbol] = Goal(ZERO, 0.0, reason)

    def keep_at(self, strategy: str, symbol: str, quantity: Decimal, reason: str) -> None:
        """A person has closed a part by hand: it stays so until the strategy wishes something else."""
        known = self._goals.get((strategy, symbol))
        exposure = self._wish(strategy, symbol) if known is None else known.exposure
        self._goals[strategy, symbol] = Goal(quantity, exposure, reason)

    def get(self, key: tuple[str, str]) -> Goal | None:
        """A goal, or None if there is none yet."""
        return self._goals.get(key)

    def restore(self, goals: Mapping[tuple[str, str], Goal | None]) -> None:
        """Put back what was set for an order that never came to be; a goal that was new stays."""
        self._goals |= {key: goal for key, goal in goals.items() if goal is not None}

    def bar(self, strategy: str, symbol: str, reason: str) -> None:
        """A protective exit closes it: it stays closed until the strategy wishes something else."""
        known = self._goals.get((strategy, symbol))
        if known is None or known.barred is None:
            exposure = None if known is None else known.exposure
            self._goals[strategy, symbol] = Goal(ZERO, exposure, reason, self._wish(strategy, symbol))

    def is_barred(self, strategy: str, symbol: str) -> bool:
        """Whether a protective exit has ended what the strategy still wishes."""
        known = self._goals.get((strategy, symbol))
        return known is not None and known.barred is not None and known.barred == self._wish(strategy, symbol)

    def _wish(self, strategy: str, symbol: str) -> float:
        """What the strategy itself wishes, whatever conflicts leave of it; nothing for one that is not ours."""
        try:
            return self._strategies.get(strategy).exposures.get(symbol, 0.0)
        except UnknownName:
            return 0.0

    def size(self, strategy: str, symbol: str, exposure: float) -> None:
        """Give a strategy a new goal if its exposure is another than the one that it was sized for."""
        if self.is_barred(strategy, symbol):
            return
        known = self._goals.get((strategy, symbol))
        if known is None or known.exposure != exposure or known.barred is not None:
            self._goals[strategy, symbol] = self._goal(self._strategies.get(strategy), symbol, exposure)

    def _goal(self, instance: Instance, symbol: str, exposure: float) -> Goal:
        if exposure == 0:
            return Goal(ZERO, 0.0, instance.last_signal)
        if exposure < 0 and not self._desk.broker.capabilities.shorting:
            return Goal(ZERO, exposure, f"flat: nothing can be sold short here ({instance.last_signal})")
        sized = self._sized(instance, symbol, exposure)
        if sized.quantity or not sized.reason:
            return Goal(sized.quantity, exposure, instance.last_signal)
        held = self._desk.portfolio.lot(instance.name, symbol).quantity
        keeps = held if (held > 0) == (exposure > 0) else ZERO  # leaving the wrong side needs no size
        return Goal(keeps, None, f"no size: {sized.reason}")

    def _sized(self, instance: Instance, symbol: str, exposure: float) -> Sized:
        quote, equity = self._market.quotes.get(symbol), self._desk.portfolio.equity
        if quote is None or equity is None:
            return Sized(ZERO, "price or equity is not known")
        history = self._strategies.history(symbol) if instance.sizer.needs_volatility else None
        volatility = annual_volatility(list(history.last(_VOLATILITY_BARS).close)) if history else None
        instrument = self._desk.portfolio.instruments.get(symbol)
        if instrument is None:
            return Sized(ZERO, "by which rules it is traded is not known")
        inputs = SizingInputs(instrument, quote.mid, equity, volatility)
        return instance.sizer.explain(exposure, inputs)
