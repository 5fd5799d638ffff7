"""Things that have happened and are already stored. A command has one handler and may raise; an event has many.

A handler that raises, or takes too long, is logged and never disturbs the others or the publisher.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
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
    """A fill is in the ledger. `allocations` is the signed part of each strategy.

    `order_id` is empty for an execution that was not ours.
    """

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    order_id: str = ""
    allocations: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderChanged(Event):
    """An order has a new state (or new terms), and it is stored. `state` is a word of `core.trading.states`."""

    order_id: str
    symbol: str
    state: str


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
class PeopleChanged(Event):
    """Somebody was let in, is trusted with something else, or was removed; it counts already."""

    user_id: int
    told: str = ""  # what they themselves are told


@dataclass(frozen=True, slots=True)
class AlertRaised(Event):
    """An alert is in the outbox."""


E = TypeVar("E", bound=Event)
Handler = Callable[[Any], Awaitable[None]]


class Events:
    """Delivers events to those who asked for their type or a base of it; each handler has `seconds`."""

    def __init__(self, *, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._handlers: dict[type[Event], list[Handler]] = defaultdict(list)

    def subscribe(self, kind: type[E], handler: Callable[[E], Awaitable[None]]) -> Callable[[], None]:
        """Call `handler` for every event of `kind` from now on; returns the way to stop that."""
        self._handlers[kind].append(handler)
        return lambda: self._forget(kind, handler)

    def _forget(self, kind: type[Event], handler: Handler) -> None:
        if handler in self._handlers[kind]:
            self._handlers[kind].remove(handler)

    async def publish(self, event: Event) -> None:
        """Tell everyone, one after another."""
        for kind in type(event).__mro__:
            for handler in tuple(self._handlers.get(kind, ())):
                await self._tell(handler, event)

    async def _tell(self, handler: Handler, event: Event) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await handler(event)
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            log.warning("an event handler was cancelled", kind=type(event).__name__, handler=repr(handler))
        except Exception:
            log.exception("an event handler failed", kind=type(event).__name__, handler=repr(handler))


def is_being_cancelled() -> bool:
    """Whether the `CancelledError` in hand is meant for this task, or has only leaked out of what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
