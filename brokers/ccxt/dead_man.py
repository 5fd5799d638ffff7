"""The dead man's timer: the venue cancels our orders when it has not heard from us for some time.

It is set when we connect, set anew every third of its time, and ended when we leave in good order: only a program that
has died, hangs, or is cut off lets it run out. If it may have run out while we are alive, whoever listens is told, for
orders may be gone: then books and venue are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from brokers.ccxt.client import TIMER, Client
from brokers.ccxt.dialect import Dialect
from brokers.errors import BrokerError, ConfigurationError
from brokers.resilience.ticks import ticks

log = structlog.get_logger(__name__)

_TOLD_ANEW = 1 / 3  # of its time
_TRIED_ANEW = 1 / 12
_GOODBYE_SECONDS = 3.0


class DeadMan:
    """One account's timer at its venue; `seconds` 0 is none. `ran_out(reason)` is called when it may have run out."""

    def __init__(
        self,
        client: Client,
        dialect: Dialect[Any],
        seconds: float,
        symbols: Sequence[str],
        ran_out: Callable[[str], None],
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._seconds = seconds
        self._symbols = symbols
        self._ran_out = ran_out
        self._set_at = 0.0
        self._is_out = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Set it, unless it is; raises `BrokerError` if the venue does not take it, or cannot be told often enough."""
        if self._seconds and self._task is None:
            self._check()
            await self._set()
            self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """End it: our orders stay. What fails here lets it run out."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._tell(0)
        except (BrokerError, TimeoutError) as error:
            left, problem = self._seconds, str(error) or "no answer"
            log.warning("the dead man's timer goes on: orders will be cancelled", seconds=left, error=problem)

    def _check(self) -> None:
        """Telling of it must not use up the limit: what would wait for room are orders, and the timer itself."""
        settings = self._dialect.settings
        least = settings.timer_of_each * len(self._symbols)
        if settings.shortest_timer < least and self._seconds < least:
            raise ConfigurationError(
                f"dead_man_seconds: {len(self._symbols)} instruments need {least} or more, or 0 for none: "
                f"{self._dialect.venue} must be told of each of them, three times in it"
            )

    async def _run(self) -> None:
        pause = self._seconds * _TOLD_ANEW
        while True:
            await asyncio.sleep(pause)
            pause = self._seconds * (_TOLD_ANEW if await self._is_set_anew() else _TRIED_ANEW)

    async def _is_set_anew(self) -> bool:
        try:
            await self._set()
        except BrokerError as error:
            log.warning("the dead man's timer cannot be set anew", venue=self._dialect.venue, error=str(error))
            self._look()
            return False
        return True

    async def _set(self) -> None:
        """It begins to run when the venue hears us: at the earliest now."""
        now = ticks()
        await self._tell(self._seconds)
        self._look()  # an answer that came too late
        self._set_at, self._is_out = now, False

    def _look(self) -> None:
        if self._task is not None and not self._is_out and ticks() - self._set_at >= self._seconds:
            self._is_out = True
            self._ran_out("the venue has not heard from us for so long that it may have cancelled our orders")

    async def _tell(self, seconds: float) -> None:
        """Every symbol has its own, where the venue has it so: one that is refused lets no other run out."""
        calls = self._dialect.dead_man_calls(seconds, self._symbols)
        told = await asyncio.gather(*(self._client.change(TIMER, call) for call in calls), return_exceptions=True)
        for problem in told:
            if isinstance(problem, BaseException):
                raise problem
