"""Works off the inbox: a halt first and at once, chats side by side, each chat one update after another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from bot.dispatch import Outcome
from bot.front import Front, Job, Place
from core.alerts.channel import ChannelDown, ChannelRefused
from core.clock import Clock, Ids
from core.store.inbox import Inbox

_log = structlog.get_logger(__name__)


class Worker:
    """Takes stored updates in order of danger and runs them."""

    def __init__(self, inbox: Inbox, front: Front, clock: Clock) -> None:
        self._inbox = inbox
        self._front = front
        self._ids = Ids(clock)
        self._known: set[int] = set()
        self._finished: set[int] = set()
        self._doubtful: set[int] = set()
        self._waiting: dict[int, list[tuple[Place, Job]]] = {}
        self._busy: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()

    def doubt(self, update_ids: Sequence[int]) -> None:
        """These updates are about to be stored, and presses among them may be old."""
        self._doubtful.update(update_ids)

    def received(self) -> None:
        """Updates have been stored."""
        self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled. What was begun before this start counts as interrupted."""
        await self._take_in(interrupted=True)
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._take_in(interrupted=False)

    async def stop(self) -> None:
        """Give what is running a moment to end; what does not is found interrupted at the next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Return once nothing is waiting or running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _take_in(self, *, interrupted: bool) -> None:
        finished, self._finished = self._finished, set()
        for item in await self._inbox.pending():
            if item.update_id in self._known:
                continue
            self._known.add(item.update_id)
            doubtful = item.update_id in self._doubtful
            job = Job(item.update_id, item.raw, item.received_at, doubtful, interrupted and item.begun)
            await self._place(job)
        self._known -= finished  # only those that had ended before we asked: the list may be older than it looks

    async def _place(self, job: Job) -> None:
        try:
            place = self._front.place(job)
        except (
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # an update of a shape that Telegram never sent before
            _log.error("update cannot be read", update=job.update_id, error=repr(error))
            await self._inbox.finish(job.update_id, Outcome.FAILED)
            return
        if place.urgent:
            self._start(self._urgent(job))
            return
        self._waiting.setdefault(place.chat_id, []).append((place, job))
        if place.chat_id not in self._busy:
            self._busy.add(place.chat_id)
            self._start(self._chat(place.chat_id))

    async def _chat(self, chat_id: int) -> None:
        """One chat's updates, the most urgent rank first, until none waits."""
        try:
            while waiting := self._waiting.get(chat_id):
                first = min(waiting, key=lambda one: (one[0].rank, one[1].update_id))
                waiting.remove(first)
                await self._one(first[1])
        finally:
            self._busy.discard(chat_id)
            if not self._waiting.get(chat_id):
                self._waiting.pop(chat_id, None)

    async def _urgent(self, job: Job) -> None:
        """A halt does not wait for the inbox either, and runs even when the inbox cannot write."""
        begun, outcome = await asyncio.gather(
            self._inbox.begin(job.update_id), self._outcome(job), return_exceptions=True
        )
        if isinstance(begun, Exception):
            _log.error("beginning not recorded", update=job.update_id, error=repr(begun))
        await self._finish(job, outcome if isinstance(outcome, Outcome) else Outcome.FAILED)

    async def _one(self, job: Job) -> None:
        await self._inbox.begin(job.update_id)
        await self._finish(job, await self._outcome(job))

    async def _finish(self, job: Job, outcome: Outcome) -> None:
        await self._inbox.finish(job.update_id, outcome)
        self._finished.add(job.update_id)
        self._doubtful.discard(job.update_id)

    async def _outcome(self, job: Job) -> Outcome:
        try:
            return await self._front.handle(job)
        except (ChannelDown, ChannelRefused) as lost:
            _log.error("answer not delivered", update=job.update_id, reason=str(lost))
            return Outcome.FAILED
        except Exception:  # noqa: BLE001 - supervision: one update must never stop those behind it
            return await self._failed(job)

    async def _failed(self, job: Job) -> Outcome:
        incident = self._ids.new()[-4:]
        _log.exception("update failed", update=job.update_id, incident=incident)
        try:
            await self._front.apologise(job, incident)
        except (ChannelDown, ChannelRefused) as lost:
            _log.error("answer not delivered", update=job.update_id, reason=str(lost))
        return Outcome.FAILED

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.critical("a chat's worker died; its updates run at the next start", error=repr(error))
