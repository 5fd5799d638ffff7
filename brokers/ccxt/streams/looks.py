"""Asks for single orders of which the stream has left something open. Each is asked for once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from brokers.ccxt.streams.pace import Pace
from brokers.errors import BrokerError
from brokers.order import ClientOrderId, OrderReport

log = structlog.get_logger(__name__)

_ATTEMPTS = 5

Find = Callable[[ClientOrderId], Awaitable[OrderReport | None]]


class Looks:
    """`found(report)` is called with each answer; `failed(reason)` when an order cannot be asked for."""

    def __init__(
        self, find: Find, pace: Pace, found: Callable[[OrderReport], object], failed: Callable[[str], None]
    ) -> None:
        self._find = find
        self._pace = pace
        self._found = found
        self._failed = failed
        self._under_way: dict[ClientOrderId, asyncio.Task[None]] = {}
        self._again: set[ClientOrderId] = set()

    def at(self, order: ClientOrderId, after: float = 0.0) -> None:
        """Ask for an order, in a moment; again if it is being asked for, since the answer may be too old."""
        if order in self._under_way:
            self._again.add(order)
            return
        task = asyncio.create_task(self._look(order, after))
        self._under_way[order] = task
        task.add_done_callback(lambda _: self._done(order))

    async def close(self) -> None:
        """Ask no more."""
        self._again.clear()
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, order: ClientOrderId) -> None:
        self._under_way.pop(order, None)
        if order in self._again:
            self._again.discard(order)
            self.at(order)

    async def _look(self, order: ClientOrderId, after: float) -> None:
        if after:
            await asyncio.sleep(after)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                report = await self._find(order)
            except BrokerError as error:
                log.warning("an order cannot be asked for", order=order, error=str(error))
            else:
                if report is not None:
                    self._found(report)
                return  # the venue knows none: that is not for a stream to decide
            await asyncio.sleep(self._pace.pause(attempt))
        self._failed(f"order {order} cannot be asked for")
