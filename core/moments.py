"""The moments of one account in a live market: prices that have moved, bars that have ended.

It waits for its own venue, and for nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from brokers.market import Bar
from core.attendance import Attendance, Failed
from core.trading.desk import Desk

# After a failure it is left alone for so long.
_PAUSE_SECONDS = 1.0

Work = Callable[[Desk, Mapping[str, Bar]], Awaitable[None]]


class Moments:
    """Runs `work(desk, bars)` when something has moved; what moves meanwhile is one moment more, the newest of it.

    An account that is away, or whose broker is, takes part in none; the bars wait for it.
    """

    def __init__(self, desk: Desk, attendance: Attendance, work: Work, failed: Failed) -> None:
        self.desk = desk
        self._attendance = attendance
        self._work = work
        self._failed = failed
        self._bars: dict[str, Bar] = {}
        self._moved = asyncio.Event()
        self._lock = asyncio.Lock()

    def move(self, bars: Mapping[str, Bar]) -> None:
        """Prices have moved, or it is time to look; these bars have ended."""
        self._bars.update(bars)
        self._moved.set()

    async def run(self) -> None:
        """One moment after another, for ever."""
        while True:
            await self._moved.wait()
            if not await self.step():
                await asyncio.sleep(_PAUSE_SECONDS)

    async def step(self) -> bool:
        """One moment; False if the account could not work through it."""
        self._moved.clear()
        async with self._lock:
            if not self._attendance.is_there(self.desk):
                return True
            bars = dict(self._bars)
            try:
                await self._work(self.desk, bars)
            except Exception as error:  # noqa: BLE001 - what befalls an account befalls no other
                await self._failed(self.desk, error)
                return False
            for symbol, bar in bars.items():
                if self._bars.get(symbol) is bar:
                    del self._bars[symbol]
        return True

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[None]:
        """Inside, no moment is being worked through."""
        async with self._lock:
            yield
