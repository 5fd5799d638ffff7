"""Who takes part in the moments of the market: an account whose broker is away is left out, and comes back between two.

With one account the market waits for it; with several it waits for nobody as long as somebody is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from core.trading.desk import Desk
from core.trading.floor import Floor

Failed = Callable[[Desk, Exception], Awaitable[None]]


class Attendance:
    """The accounts that are away, and who that leaves."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._away: list[str] = []  # a name for each reason to be away
        self._somebody = asyncio.Event()
        self._somebody.set()

    @contextmanager
    def away(self, account: str) -> Iterator[None]:
        """Inside, this account takes part in no moment that begins."""
        self._away.append(account)
        self._note()
        try:
            yield
        finally:
            self._away.remove(account)
            self._note()

    @property
    def is_empty(self) -> bool:
        """Whether every account is away: then there is no moment."""
        return not self._somebody.is_set()

    async def somebody(self) -> None:
        """Return when not every account is away."""
        await self._somebody.wait()

    def is_there(self, desk: Desk) -> bool:
        """Whether this account takes part in a moment that begins now."""
        return desk.account not in self._away and desk.broker.is_connected

    def present(self) -> tuple[Desk, ...]:
        """Who takes part in a moment that begins now. If nobody is connected that is everyone: it must fail."""
        there = [desk for desk in self._floor if desk.account not in self._away]
        return tuple(desk for desk in there if desk.broker.is_connected) or tuple(there) or tuple(self._floor)

    def _note(self) -> None:
        if set(self._away) >= set(self._floor.names):
            self._somebody.clear()
        else:
            self._somebody.set()


class Moment:
    """The accounts that work through one moment. Who fails is out for the rest of it; if all fail, the moment does."""

    def __init__(self, desks: Sequence[Desk], failed: Failed) -> None:
        self.desks = tuple(desks)
        self._failed = failed

    async def each(self, action: Callable[[Desk], Awaitable[object]]) -> None:
        """`action` for all who take part, at once."""
        if len(self.desks) == 1:
            await action(self.desks[0])
            return
        found = await asyncio.gather(*(action(desk) for desk in self.desks), return_exceptions=True)
        results = dict(zip(self.desks, found, strict=True))
        failed = {desk: each for desk, each in results.items() if isinstance(each, BaseException)}
        for error in failed.values():
            if len(failed) == len(self.desks) or not isinstance(error, Exception):
                raise error
        self.desks = tuple(desk for desk in self.desks if desk not in failed)
        for desk, error in failed.items():
            assert isinstance(error, Exception)
            await self._failed(desk, error)
