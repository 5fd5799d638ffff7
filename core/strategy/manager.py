"""The strategy manager: which strategies run, what they last asked for, and what happens when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from brokers.market import Bar
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.errors import UnknownName
from core.events import Events, StrategyChanged
from core.market.history import History
from core.settings import StrategySettings
from core.store.along import Stored
from core.store.control import strategy_rows
from core.store.database import transaction
from core.store.strategies import put_strategies
from core.strategy.conflicts import Wish
from core.strategy.host import Call, Host, Outcome
from core.strategy.registry import build_strategy
from core.strategy.sdk import Signal, Strategy
from core.trading.protection.spec import ExitSpec, Source
from core.views import StrategyStatus
from risk.sizer import Sizer, build_sizer

T = TypeVar("T")

# After so many good rounds in a row earlier failures are forgiven.
_FORGIVEN_AFTER = 20


@dataclass(slots=True)
class Instance:
    """One strategy as configured, and how it stands."""

    settings: StrategySettings
    strategy: Strategy[Any]
    sizer: Sizer
    status: StrategyStatus = StrategyStatus.STOPPED
    exposures: dict[str, float] = field(default_factory=dict)
    last_bars: dict[str, datetime] = field(default_factory=dict)  # the newest bar seen, by symbol
    exits: dict[str, ExitSpec] = field(default_factory=dict)  # what its last signal said of exits, by symbol
    running_since: datetime | None = None
    bars_seen: int = 0
    signals: int = 0
    last_signal: str = ""
    last_signal_at: datetime | None = None
    error: str = ""
    restarts: int = 0
    good_rounds: int = 0

    @property
    def name(self) -> str:
        """Its name, unique and for ever."""
        return self.settings.name

    @property
    def trades(self) -> bool:
        """Whether its wishes count: running, or paused and only reducing."""
        return self.status in (StrategyStatus.RUNNING, StrategyStatus.PAUSED)

    def draft(self) -> Instance:
        """A copy to be changed and stored, and only then believed in."""
        made = object.__new__(Instance)
        made.adopt(self)
        made.exposures, made.last_bars, made.exits = dict(self.exposures), dict(self.last_bars), dict(self.exits)
        return made

    def adopt(self, draft: Instance) -> None:
        """Become what has been stored."""
        for name in Instance.__slots__:
            setattr(self, name, getattr(draft, name))


class StrategyManager:
    """Holds the instances. What people order is stored at once; what strategies decide, with the orders that follow.

    Until then memory is newer than the disk: a process that dies in between sees the same bar again, and decides again.
    """

    def __init__(
        self,
        settings: Sequence[StrategySettings],
        host: Host,
        *,
        trading_clock: Clock,
        alerts: Alerts,
        events: Events,
        history_bars: int = 600,
    ) -> None:
        self._host = host
        self._clock = trading_clock
        self._alerts = alerts
        self._events = events
        self._bound = history_bars
        self._instances = {each.name: _build(each) for each in settings}
        self._histories: dict[str, History] = {}
        self._unsaved: dict[str, int] = {}  # by name, which round it is that is not stored
        self._round = 0
        self._lock = asyncio.Lock()  # what people order and what strategies decide is stored one after another

    async def load(self) -> None:
        """Take up how every strategy stood; a new one starts if its settings say so."""
        stored = await strategy_rows()
        for instance in self._instances.values():
            row = stored.get(instance.name)
            if row is None:
                if instance.settings.start:
                    await self._set(instance, StrategyStatus.RUNNING)
                continue
            instance.status = StrategyStatus(row.status)
            instance.exposures = _of_symbols(instance, row.exposures, float)
            instance.last_bars = _of_symbols(instance, row.last_bars, datetime.fromisoformat)
            instance.exits = _of_symbols(instance, row.exits or {}, ExitSpec.model_validate)
            instance.running_since = row.running_since
            instance.bars_seen, instance.signals = row.bars_seen, row.signals
            instance.last_signal, instance.last_signal_at = row.last_signal, row.last_signal_at
            instance.error, instance.restarts = row.error, row.restarts

    def warm_up(self, bars: Mapping[str, Sequence[Bar]]) -> None:
        """Show the past, so that a restart goes on exactly where it was."""
        for symbol, past in bars.items():
            self._histories[symbol] = History(symbol, bound=self._bound, bars=past)

    # --- looking -----------------------------------------------------------------------------------

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Every strategy, in the order of the settings."""
        return tuple(self._instances.values())

    def get(self, name: str) -> Instance:
        """One strategy. Raises `UnknownName` with near misses."""
        if name not in self._instances:
            raise UnknownName("strategy", name, self._instances)
        return self._instances[name]

    def exits(self, name: str, symbol: str) -> tuple[ExitSpec | None, Source]:
        """How a strategy's position is to be protected: by its last signal, else by its settings."""
        instance = self._instances.get(name)
        if instance is None:
            return None, Source.SETTINGS
        if symbol in instance.exits:
            return instance.exits[symbol], Source.SIGNAL
        return instance.settings.exits, Source.SETTINGS

    def history(self, symbol: str) -> History | None:
        """The bars of a symbol so far."""
        return self._histories.get(symbol)

    def wishes(self, symbol: str, names: Collection[str] | None = None) -> list[Wish]:
        """What every trading strategy (or those of `names`) wants of `symbol` now."""
        return [
            Wish(each.name, each.exposures[symbol], each.settings.priority)
            for each in self._instances.values()
            if each.trades and symbol in each.exposures and (names is None or each.name in names)
        ]

    # --- people's commands -------------------------------------------------------------------------

    async def start(self, name: str) -> bool:
        """Let a strategy trade; False if it already does. Unless it was paused it begins with a clean slate."""
        instance = self.get(name)
        async with self._lock:
            if instance.status is StrategyStatus.RUNNING:
                return False
            draft = instance.draft()
            if instance.status is StrategyStatus.FAILED:
                _rebuild(draft)
            if instance.status is not StrategyStatus.PAUSED:
                draft.error, draft.restarts, draft.good_rounds = "", 0, 0
            await self._set(draft, StrategyStatus.RUNNING)
            instance.adopt(draft)
        await self._tell(name)
        return True

    async def pause(self, name: str) -> bool:
        """Let a strategy only reduce what it holds; False if it is not running."""
        return await self._restrict(name, StrategyStatus.PAUSED, {StrategyStatus.RUNNING})

    async def stop(self, name: str) -> bool:
        """Stop listening to a strategy; what it holds stays. False if it is stopped already."""
        return await self._restrict(name, StrategyStatus.STOPPED, set(StrategyStatus) - {StrategyStatus.STOPPED})

    async def forget_wishes(self, name: str) -> None:
        """A person flattens it: it wants nothing until its next signal, and opens nothing until started."""
        instance = self.get(name)
        async with self._lock:
            instance.exposures = dict.fromkeys(instance.exposures, 0.0)
            if instance.status is StrategyStatus.RUNNING:
                instance.status = StrategyStatus.PAUSED
            await self._store(instance)
        await self._tell(name)

    async def _restrict(self, name: str, status: StrategyStatus, before: set[StrategyStatus]) -> bool:
        """Trust a strategy with less: that counts at once, even if the disk then fails."""
        instance = self.get(name)
        async with self._lock:
            if instance.status not in before:
                return False
            await self._set(instance, status)
        await self._tell(name)
        return True

    # --- every bar ---------------------------------------------------------------------------------

    def observe(self, bars: Iterable[Bar]) -> None:
        """Bars become history, whether or not anyone may trade."""
        for bar in bars:
            self._histories.setdefault(bar.symbol, History(bar.symbol, bound=self._bound)).append(bar)

    async def decide(self, bars: Mapping[str, Bar], names: Collection[str] | None = None) -> list[Signal]:
        """Show new bars to every strategy that trades (of `names`, if given), whatever their accounts, at once.

        Returns the signals that count. `write` stores what came of it.
        """
        awake = [each for each in self._instances.values() if each.trades and (names is None or each.name in names)]
        calls = [call for each in awake for call in self._calls(each, bars)]
        if not calls:
            return []
        outcomes = await self._host.decide(calls)
        by_name: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            by_name.setdefault(outcome.call.name, []).append(outcome)
        async with self._lock:
            accepted = await self._take_round(by_name)
        for name, each in by_name.items():
            if any(outcome.error for outcome in each):
                await self._tell(name)
        return accepted

    def _calls(self, instance: Instance, bars: Mapping[str, Bar]) -> Iterable[Call]:
        """A call for each bar that is new to it. It gets a copy of the history: what it does to it stays with it."""
        for symbol in instance.settings.symbols:
            bar = bars.get(symbol)
            seen = instance.last_bars.get(symbol)
            if bar is not None and (seen is None or bar.at > seen):
                exposure = instance.exposures.get(symbol, 0.0)
                yield Call(instance.name, instance.strategy, bar, copy(self._histories[symbol]), exposure)

    async def _take_round(self, by_name: Mapping[str, Sequence[Outcome]]) -> list[Signal]:
        """Believe what came of a round. Whoever was stopped while it thought is no longer listened to."""
        heard = [self._instances[name] for name in by_name if self._instances[name].trades]
        errors = {each.name: _errors(each, by_name[each.name]) for each in heard}
        self._round += 1
        if any(errors.values()):
            return await self._take_failed(heard, by_name, errors)
        self._unsaved |= dict.fromkeys(errors, self._round)
        return [signal for each in heard for signal in _taken(each, by_name[each.name])]

    async def _take_failed(
        self,
        heard: Sequence[Instance],
        by_name: Mapping[str, Sequence[Outcome]],
        errors: Mapping[str, Sequence[str]],
    ) -> list[Signal]:
        """A failure is told of in the commit that stores it, so that is done at once, and believed when it is."""
        drafts = [each.draft() for each in heard]
        accepted: list[Signal] = []
        async with transaction():
            for draft in drafts:
                accepted += _taken(draft, by_name[draft.name], well=not errors[draft.name])
                if errors[draft.name]:
                    await self._failed(draft, errors[draft.name][0])
            await put_strategies(_row(draft) for draft in drafts)
        for instance, draft in zip(heard, drafts, strict=True):
            instance.adopt(draft)
        return accepted

    async def write(self, names: Collection[str] | None = None) -> Stored:
        """Store what strategies (of `names`) have decided, inside a transaction; see `core.store.along`."""
        written = {name: number for name, number in self._unsaved.items() if names is None or name in names}
        await put_strategies(_row(self._instances[name]) for name in written)

        def stored() -> None:
            for name, number in written.items():
                if self._unsaved.get(name) == number:
                    del self._unsaved[name]

        return stored

    async def _failed(self, draft: Instance, error: str) -> None:
        """Isolate, report, and start again with a fresh instance as often as its settings allow."""
        draft.error, draft.good_rounds = error, 0
        draft.restarts += 1
        gone = draft.restarts > draft.settings.max_restarts
        _rebuild(draft)
        if gone:
            draft.status = StrategyStatus.FAILED
        note = (
            "It is stopped; its positions stay."
            if gone
            else f"Restarted ({draft.restarts} of {draft.settings.max_restarts})."
        )
        alert = Alert(
            "strategy",
            Severity.CRITICAL if gone else Severity.WARNING,
            f"Strategy {draft.name} {'has FAILED' if gone else 'raised an error'}",
            f"{error[:300]}\n{note}",
            strategy=draft.name,
        )
        await self._alerts.add(alert)

    async def _set(self, instance: Instance, status: StrategyStatus) -> None:
        if status is StrategyStatus.RUNNING and instance.status is not StrategyStatus.PAUSED:
            instance.running_since = self._clock.now()
        instance.status = status
        await self._store(instance)

    async def _tell(self, name: str) -> None:
        await self._events.publish(StrategyChanged(self._clock.now(), name))

    async def _store(self, instance: Instance) -> None:
        await put_strategies([_row(instance)])


def _row(instance: Instance) -> dict[str, Any]:
    """An instance as it is stored."""
    return {
        "name": instance.name,
        "status": instance.status.value,
        "exposures": instance.exposures,
        "last_bars": {symbol: at.isoformat() for symbol, at in instance.last_bars.items()},
        "running_since": instance.running_since,
        "bars_seen": instance.bars_seen,
        "signals": instance.signals,
        "last_signal": instance.last_signal,
        "last_signal_at": instance.last_signal_at,
        "error": instance.error,
        "restarts": instance.restarts,
        "exits": {symbol: exits.stored() for symbol, exits in instance.exits.items()},
    }


def _taken(instance: Instance, outcomes: Sequence[Outcome], *, well: bool = True) -> list[Signal]:
    """What an instance has decided becomes how it stands; the signals that count. `well`: nothing went wrong."""
    accepted = []
    for outcome in outcomes:
        instance.last_bars[outcome.call.bar.symbol] = outcome.call.bar.at
        instance.bars_seen += 1
        accepted += [signal for signal in outcome.signals if _accept(instance, signal)]
    if well:
        instance.good_rounds += 1
        if instance.good_rounds >= _FORGIVEN_AFTER:
            instance.restarts = 0
    return accepted


def _accept(draft: Instance, signal: Signal) -> bool:
    """Whether a signal counts: about its own symbols, and while paused only as far as it reduces."""
    if signal.symbol not in draft.settings.symbols:
        return False
    before = draft.exposures.get(signal.symbol, 0.0)
    exposure = _reduced(before, signal.exposure) if draft.status is StrategyStatus.PAUSED else signal.exposure
    if exposure == before:
        _set_exits(draft, signal, keep=signal.exits is None)
        return False
    _set_exits(draft, signal)
    draft.exposures[signal.symbol] = exposure
    draft.signals += 1
    draft.last_signal = f"{signal.symbol} {exposure:+.0%}: {signal.reason}"
    draft.last_signal_at = signal.at
    return True


def _set_exits(draft: Instance, signal: Signal, *, keep: bool = False) -> None:
    """Its newest word on exits counts; one that only repeats the exposure and says nothing of exits changes none."""
    if signal.exits is not None:
        draft.exits[signal.symbol] = signal.exits
    elif not keep:
        draft.exits.pop(signal.symbol, None)


def _errors(draft: Instance, outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong in a round; a round counts as one failure, however many symbols there are."""
    own, errors, foreign = draft.settings.symbols, list[str](), set[str]()
    for outcome in outcomes:
        if outcome.error:
            errors.append(outcome.error)
        foreign.update(signal.symbol for signal in outcome.signals if signal.symbol not in own)
    return errors + [f"gave a signal for {symbol[:40]}, which is not one of its symbols" for symbol in sorted(foreign)]


def _reduced(before: float, wanted: float) -> float:
    """What of a wish may count for who may only reduce; one that turns around still ends what there is."""
    if wanted * before <= 0:
        return 0.0
    return wanted if abs(wanted) < abs(before) else before


def _of_symbols(instance: Instance, stored: Mapping[str, Any], read: Callable[[Any], T]) -> dict[str, T]:
    """What is stored of the symbols that it still trades."""
    return {symbol: read(value) for symbol, value in stored.items() if symbol in instance.settings.symbols}


def _rebuild(instance: Instance) -> None:
    instance.strategy = _build(instance.settings).strategy


def _build(settings: StrategySettings) -> Instance:
    strategy = build_strategy(settings.kind, settings.name, settings.symbols, settings.parameters)
    return Instance(settings, strategy, build_sizer(settings.sizing))
