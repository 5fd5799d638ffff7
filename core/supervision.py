"""Keeps the parts of the program running: a part that fails is reported with an incident id and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from core.events import is_being_cancelled

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_STOP_TRIES = 5
_REPORT_SECONDS = 10.0

Report = Callable[[str, str, BaseException], Awaitable[None]]


class Supervisor:
    """Runs named parts as tasks.

    `report(part, incident, error)` is told of the 1st, 2nd, 4th, 8th … failure in a row; the log of each. A
    part that has run for a minute begins anew.
    """

    def __init__(self, report: Report, incident: Callable[[], str], *, first_pause: float = _FIRST_PAUSE) -> None:
        self._report = report
        self._incident = incident
        self._first_pause = first_pause
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pausing: set[str] = set()
        self.failures: dict[str, int] = {}

    def run(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run `part` until it returns; after a failure again, with growing pauses."""
        if self.is_running(name):
            raise ValueError(f"part {name} runs already")
        self._tasks[name] = asyncio.create_task(self._keep(name, part), name=name)

    async def stop(self, *names: str) -> None:
        """Cancel these parts, or all, and wait for their end."""
        tasks = [self._tasks.pop(name) for name in names or tuple(self._tasks) if name in self._tasks]
        left = set(tasks)
        for _ in range(_STOP_TRIES):  # a cancellation can get lost in what a part awaits
            for task in left:
                task.cancel()
            if left:
                _, left = await asyncio.wait(left, timeout=_STOP_SECONDS / _STOP_TRIES)
        for task in left:
            log.error("a part does not stop", part=task.get_name())

    def is_well(self, name: str) -> bool:
        """Whether a part is at work, or has done its work; not in the pause after a failure."""
        return name in self._tasks and name not in self._pausing

    def is_running(self, name: str) -> bool:
        """Whether a part is at work (or in the pause before its next try)."""
        task = self._tasks.get(name)
        return task is not None and not task.done()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all parts."""
        return tuple(self._tasks)

    async def _keep(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        in_a_row = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await part()
            except asyncio.CancelledError as error:
                if is_being_cancelled():
                    raise
                failure: BaseException = error
            except Exception as error:  # noqa: BLE001 - task supervision
                failure = error
            else:
                return
            in_a_row = 1 if loop.time() - began > _STEADY_SECONDS else in_a_row + 1
            self._pausing.add(name)
            try:
                await self._failed(name, failure, tell=in_a_row & (in_a_row - 1) == 0)
                await asyncio.sleep(min(self._first_pause * 2 ** min(in_a_row - 1, 20), _LONGEST_PAUSE))
            finally:
                self._pausing.discard(name)

    async def _failed(self, name: str, error: BaseException, *, tell: bool) -> None:
        incident = self._incident()
        self.failures[name] = self.failures.get(name, 0) + 1
        log.error("a part has failed", part=name, incident=incident, exc_info=error)
        if not tell:
            return
        try:
            async with asyncio.timeout(_REPORT_SECONDS):
                await self._report(name, incident, error)
        except Exception:  # the database may be what failed: the log is what is left
            log.exception("the failure could not be reported", part=name, incident=incident)
