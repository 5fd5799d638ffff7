"""Keeps the parts of the program running: a part that fails is reported with an incident id and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_STEADY_SECONDS = 60.0

Report = Callable[[str, str, BaseException], Awaitable[None]]


class Supervisor:
    """Runs named parts as tasks. `report(part, incident, error)` is told of every failure."""

    def __init__(self, report: Report, incident: Callable[[], str]) -> None:
        self._report = report
        self._incident = incident
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failures: dict[str, int] = {}

    def run(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run `part` until it returns; after a failure again, with growing pauses."""
        self._tasks[name] = asyncio.create_task(self._keep(name, part), name=name)

    async def stop(self) -> None:
        """Cancel every part and wait for its end."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    def is_running(self, name: str) -> bool:
        """Whether a part is at work (or in the pause before its next try)."""
        task = self._tasks.get(name)
        return task is not None and not task.done()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all parts."""
        return tuple(self._tasks)

    async def _keep(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await part()
            except Exception as error:
                await self._failed(name, error)
            else:
                return
            pause = _FIRST_PAUSE if loop.time() - began > _STEADY_SECONDS else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _failed(self, name: str, error: Exception) -> None:
        incident = self._incident()
        self.failures[name] = self.failures.get(name, 0) + 1
        log.error("a part has failed", part=name, incident=incident, exc_info=error)
        try:
            await self._report(name, incident, error)
        except Exception:  # the database may be what failed: the log is what is left
            log.exception("the failure could not be reported", part=name, incident=incident)
