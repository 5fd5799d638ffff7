"""Asks for single orders of which the stream has left something open. Each is asked for once at a time.

An answer may lack what the stream has told of: then it is asked again.
"""

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
Unless = Callable[[], bool]


class Looks:
    """`found(report)` is called with each answer, and says whether it was whole; `failed(reason)` when an order cannot
    be asked for.
    """

    def __init__(
        self, find: Find, pace: Pace, found: Callable[[OrderReport], bool], failed: Callable[[str], None]
    ) -> None:
        self._find = find
        self._pace = pace
        self._found = found
        self._failed = failed
        self._under_way: dict[ClientOrderId, asyncio.Task[None]] = {}
        self._again: set[ClientOrderId] = set()
        self._put_off: dict[ClientOrderId, asyncio.TimerHandle] = {}

    def at(self, order: ClientOrderId) -> None:
        """Ask for an order, in a moment; again if it is being asked for, since the answer may be too old."""
        if order in self._under_way:
            self._again.add(order)
            return
        task = asyncio.create_task(self._look(order))
        self._under_way[order] = task
        task.add_done_callback(lambda _: self._done(order))

    def later(self, order: ClientOrderId, seconds: float, unless: Unless) -> None:
        """Ask for an order after so many seconds, unless that has become needless."""
        if order not in self._put_off:
            loop = asyncio.get_running_loop()
            self._put_off[order] = loop.call_later(seconds, self._due, order, unless)

    def _due(self, order: ClientOrderId, unless: Unless) -> None:
        del self._put_off[order]
        if not unless():
            self.at(order)

    async def close(self) -> None:
        """Ask no more."""
        self._again.clear()
        for timer in self._put_off.values():
            timer.cancel()
        self._put_off.clear()
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, order: ClientOrderId) -> None:
        self._under_way.pop(order, None)
        if order in self._again:
            self._again.discard(order)
            self.at(order)

    async def _look(self, order: ClientOrderId) -> None:
        is_told = False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                report = await self._find(order)
            except BrokerError as error:
                log.warning("an order cannot be asked for", order=order, error=str(error))
            else:
                if report is None or self._found(report):
                    return  # where the venue knows none, that is not for a stream to decide
                is_told = True
            await asyncio.sleep(self._pace.pause(attempt))
        if not is_told:
            self._failed(f"order {order} cannot be asked for")
