"""Hears of executions that are nobody's here, and has them booked at once: what they closed is not closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from brokers.errors import BrokerError

log = structlog.get_logger(__name__)

# An order fills in many pieces, and a venue's list of executions may be a moment behind its stream.
_PAUSE_SECONDS = 0.2
# Somebody who trades all the time must not use up our part of the venue's rate limit.
_REST_SECONDS = 10.0


class OthersWatch:
    """Calls `book` soon after it has heard of something, once for all that has come by then; then it rests a while.

    What cannot be asked for now is found by the comparison that comes next in any case.
    """

    def __init__(self, book: Callable[[], Awaitable[None]]) -> None:
        self._book = book
        self._heard = asyncio.Event()

    def hear(self) -> None:
        """The venue has told of an execution that is not ours."""
        self._heard.set()

    async def run(self) -> None:
        """Book what is heard, for ever."""
        while True:
            await self._heard.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._heard.clear()
            try:
                await self._book()
            except BrokerError as error:
                log.warning("what others did cannot be asked for now", error=str(error))
            await asyncio.sleep(_REST_SECONDS)
