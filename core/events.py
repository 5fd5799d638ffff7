"""Things that have happened and are already stored. A command has one handler and may raise; an event has many.

A handler that raises is logged with an incident id and never disturbs the others or the publisher.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import structlog

from brokers.order import Side
from risk.view import TradingState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened; `at` is market time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class BarsProcessed(Event):
    """Every strategy has seen the bars that ended at `at`, and their orders are out."""


@dataclass(frozen=True, slots=True)
class FillRecorded(Event):
    """A fill is in the ledger."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """The trading state of a scope has changed."""

    scope: str
    state: TradingState
    reason: str


@dataclass(frozen=True, slots=True)
class StrategyChanged(Event):
    """A strategy was started, paused, stopped, or has failed."""

    name: str


@dataclass(frozen=True, slots=True)
class AlertRaised(Event):
    """An alert is in the outbox."""


E = TypeVar("E", bound=Event)
Handler = Callable[[Any], Awaitable[None]]


class Events:
    """Delivers events to those who asked for their type or a base of it."""

    def __init__(self) -> None:
        self._handlers: dict[type[Event], list[Handler]] = defaultdict(list)

    def subscribe(self, kind: type[E], handler: Callable[[E], Awaitable[None]]) -> Callable[[], None]:
        """Call `handler` for every event of `kind` from now on; returns the way to stop that."""
        self._handlers[kind].append(handler)
        return lambda: self._handlers[kind].remove(handler)

    async def publish(self, event: Event) -> None:
        """Tell everyone, one after another."""
        for kind in type(event).__mro__:
            for handler in tuple(self._handlers.get(kind, ())):
                await self._tell(handler, event)

    async def _tell(self, handler: Handler, event: Event) -> None:
        try:
            await handler(event)
        except Exception:
            log.exception("an event handler failed", event=type(event).__name__, handler=repr(handler))
