"""The strategy manager: which strategies run, what they last asked for, and what happens when one fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from brokers.market import Bar
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.errors import UnknownName
from core.events import Events, StrategyChanged
from core.market.history import History
from core.settings import StrategySettings
from core.store.control import strategy_rows
from core.store.database import transaction
from core.store.strategies import put_strategy
from core.strategy.conflicts import Wish
from core.strategy.host import Call, Host, Outcome
from core.strategy.registry import build_strategy
from core.strategy.sdk import Signal, Strategy
from core.views import StrategyStatus
from risk.sizer import Sizer, build_sizer

log = structlog.get_logger(__name__)

# After so many good bars in a row earlier failures are forgiven.
_FORGIVEN_AFTER = 20


@dataclass(slots=True)
class Instance:
    """One strategy as configured, and how it stands."""

    settings: StrategySettings
    strategy: Strategy[Any]
    sizer: Sizer
    status: StrategyStatus = StrategyStatus.STOPPED
    exposures: dict[str, float] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)  # symbols whose exposure is new and not yet sized
    last_bar_at: datetime | None = None
    running_since: datetime | None = None
    bars_seen: int = 0
    signals: int = 0
    last_signal: str = ""
    last_signal_at: datetime | None = None
    error: str = ""
    restarts: int = 0
    good_bars: int = 0

    @property
    def name(self) -> str:
        """Its name, unique and for ever."""
        return self.settings.name

    @property
    def trades(self) -> bool:
        """Whether its wishes count: running, or paused and only reducing."""
        return self.status in (StrategyStatus.RUNNING, StrategyStatus.PAUSED)


class StrategyManager:
    """Holds the instances; their state is stored whenever it changes."""

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
            instance.exposures = {symbol: float(value) for symbol, value in row.exposures.items()}
            instance.last_bar_at, instance.running_since = row.last_bar_at, row.running_since
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

    def history(self, symbol: str) -> History | None:
        """The bars of a symbol so far."""
        return self._histories.get(symbol)

    def wishes(self, symbol: str) -> list[Wish]:
        """What every trading strategy wants of `symbol` now."""
        return [
            Wish(each.name, each.exposures[symbol], each.settings.priority)
            for each in self._instances.values()
            if each.trades and symbol in each.exposures
        ]

    # --- people's commands -------------------------------------------------------------------------

    async def start(self, name: str) -> bool:
        """Let a strategy trade; False if it already does. A failed one begins with a clean slate."""
        instance = self.get(name)
        if instance.status is StrategyStatus.RUNNING:
            return False
        if instance.status is StrategyStatus.FAILED:
            self._rebuild(instance)
            instance.error, instance.restarts = "", 0
        await self._set(instance, StrategyStatus.RUNNING)
        return True

    async def pause(self, name: str) -> bool:
        """Let a strategy only reduce what it holds; False if it is not running."""
        instance = self.get(name)
        if instance.status is not StrategyStatus.RUNNING:
            return False
        await self._set(instance, StrategyStatus.PAUSED)
        return True

    async def stop(self, name: str) -> bool:
        """Stop listening to a strategy; what it holds stays. False if it is stopped already."""
        instance = self.get(name)
        if instance.status is StrategyStatus.STOPPED:
            return False
        await self._set(instance, StrategyStatus.STOPPED)
        return True

    async def forget_wishes(self, name: str) -> None:
        """A person flattens it: it wants nothing until its next signal, and opens nothing until started."""
        instance = self.get(name)
        instance.exposures = dict.fromkeys(instance.exposures, 0.0)
        if instance.status is StrategyStatus.RUNNING:
            instance.status = StrategyStatus.PAUSED
        await self._store(instance)

    # --- every bar ---------------------------------------------------------------------------------

    def observe(self, bars: Iterable[Bar]) -> None:
        """Bars become history, whether or not anyone may trade."""
        for bar in bars:
            self._histories.setdefault(bar.symbol, History(bar.symbol, bound=self._bound)).append(bar)

    async def decide(self, bars: Mapping[str, Bar]) -> list[Signal]:
        """Show new bars to every strategy that trades; the signals that count. Stored before they are returned."""
        calls = [call for each in self._instances.values() if each.trades for call in self._calls(each, bars)]
        outcomes = await self._host.decide(calls)
        accepted: list[Signal] = []
        touched: dict[str, Instance] = {}
        for outcome in outcomes:
            instance = self._instances[outcome.call.strategy.name]
            touched[instance.name] = instance
            accepted += await self._take(instance, outcome)
        async with transaction():
            for instance in touched.values():
                await self._store(instance)
        return accepted

    def _calls(self, instance: Instance, bars: Mapping[str, Bar]) -> Iterable[Call]:
        for symbol in instance.settings.symbols:
            bar = bars.get(symbol)
            if bar is not None and (instance.last_bar_at is None or bar.at > instance.last_bar_at):
                exposure = instance.exposures.get(symbol, 0.0)
                yield Call(instance.strategy, bar, self._histories[symbol], exposure)

    async def _take(self, instance: Instance, outcome: Outcome) -> list[Signal]:
        instance.last_bar_at = outcome.call.bar.at
        instance.bars_seen += 1
        if outcome.error:
            await self._failed(instance, outcome.error)
            return []
        instance.good_bars += 1
        if instance.good_bars >= _FORGIVEN_AFTER:
            instance.restarts = 0
        return [signal for signal in outcome.signals if self._accept(instance, signal)]

    def _accept(self, instance: Instance, signal: Signal) -> bool:
        """Whether a signal counts: about its own symbols, and while paused only towards flat."""
        before = instance.exposures.get(signal.symbol, 0.0)
        if signal.symbol not in instance.settings.symbols or signal.exposure == before:
            return False
        reduces = abs(signal.exposure) < abs(before) and signal.exposure * before >= 0
        if instance.status is StrategyStatus.PAUSED and not reduces:
            return False
        instance.exposures[signal.symbol] = signal.exposure
        instance.changed.add(signal.symbol)
        instance.signals += 1
        instance.last_signal = f"{signal.symbol} {signal.exposure:+.0%}: {signal.reason}"
        instance.last_signal_at = signal.at
        return True

    async def _failed(self, instance: Instance, error: str) -> None:
        """Isolate, report, and start again with a fresh instance as often as its settings allow."""
        instance.error, instance.good_bars = error[:500], 0
        instance.restarts += 1
        gone = instance.restarts > instance.settings.max_restarts
        self._rebuild(instance)
        if gone:
            instance.status = StrategyStatus.FAILED
        note = (
            "It is stopped; its positions stay."
            if gone
            else f"Restarted ({instance.restarts} of {instance.settings.max_restarts})."
        )
        alert = Alert(
            "strategy",
            Severity.CRITICAL if gone else Severity.WARNING,
            f"Strategy {instance.name} {'has FAILED' if gone else 'raised an error'}",
            f"{error[:300]}\n{note}",
        )
        await self._alerts.add(alert)
        await self._events.publish(StrategyChanged(self._clock.now(), instance.name))

    def _rebuild(self, instance: Instance) -> None:
        instance.strategy = _build(instance.settings).strategy

    async def _set(self, instance: Instance, status: StrategyStatus) -> None:
        if status is StrategyStatus.RUNNING and instance.status is not StrategyStatus.PAUSED:
            instance.running_since = self._clock.now()
        instance.status = status
        await self._store(instance)
        await self._events.publish(StrategyChanged(self._clock.now(), instance.name))

    @staticmethod
    async def _store(instance: Instance) -> None:
        await put_strategy(
            instance.name,
            status=instance.status.value,
            exposures=instance.exposures,
            last_bar_at=instance.last_bar_at,
            running_since=instance.running_since,
            bars_seen=instance.bars_seen,
            signals=instance.signals,
            last_signal=instance.last_signal,
            last_signal_at=instance.last_signal_at,
            error=instance.error,
            restarts=instance.restarts,
        )


def _build(settings: StrategySettings) -> Instance:
    strategy = build_strategy(settings.kind, settings.name, settings.symbols, settings.parameters)
    return Instance(settings, strategy, build_sizer(settings.sizing))
