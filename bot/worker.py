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
        self._clock = clock
        self._ids = Ids(clock)
        self._known: set[int] = set()
        self._finished: set[int] = set()
        self._doubtful: set[int] = set()
        self._settled: dict[int, Outcome] = {}  # how those ended of which the inbox does not know it yet
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

    def not_stored(self, updates: Sequence[tuple[int, str]]) -> None:
        """These updates could not be stored: a halt among them is run all the same. They will come again."""
        for update_id, raw in updates:
            job = Job(update_id, raw, self._clock.now())
            if update_id not in self._known and self._is_urgent(job):
                self._known.add(update_id)
                self._start(self._unstored(job))

    def _is_urgent(self, job: Job) -> bool:
        try:
            return self._front.place(job).urgent
        except (KeyError, TypeError, ValueError):
            return False

    async def _unstored(self, job: Job) -> None:
        self._settled[job.update_id] = await self._outcome(job)

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
            if item.update_id in self._settled:
                await self._finish(self._settled[item.update_id], item.update_id)
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
            await self._finish(Outcome.FAILED, job.update_id)
            return
        if place.urgent:
            self._start(self._urgent(job))
            return
        self._waiting.setdefault(place.chat_id, []).append((place, job))
        if place.chat_id not in self._busy:
            self._busy.add(place.chat_id)
            self._start(self._chat(place.chat_id))

    async def _chat(self, chat_id: int) -> None:
        """One chat's updates, the most urgent rank first, until none waits; what belongs together at once."""
        try:
            while waiting := self._waiting.get(chat_id):
                group = self._next(waiting)
                *others, newest = (job for _, job in group)
                taken = {newest.update_id, *(other.update_id for other in others)}
                waiting[:] = [one for one in waiting if one[1].update_id not in taken]
                await self._some(newest, others)
        finally:
            self._busy.discard(chat_id)
            if not self._waiting.get(chat_id):
                self._waiting.pop(chat_id, None)

    def _next(self, waiting: Sequence[tuple[Place, Job]]) -> list[tuple[Place, Job]]:
        """What is answered next. The same question asked again is answered when the last one's turn has come, so
        that it shows what was done in between.
        """
        groups: dict[str | int, list[tuple[Place, Job]]] = {}
        for one in waiting:
            groups.setdefault(self._front.key(one[1]) or one[1].update_id, []).append(one)
        return min(groups.values(), key=lambda group: (group[-1][0].rank, group[-1][1].update_id))

    async def _urgent(self, job: Job) -> None:
        """A halt does not wait for the inbox either, and runs even when the inbox cannot write."""
        begun, outcome = await asyncio.gather(
            self._inbox.begin(job.update_id), self._outcome(job), return_exceptions=True
        )
        if isinstance(begun, Exception):
            _log.error("beginning not recorded", update=job.update_id, error=repr(begun))
        await self._finish(outcome if isinstance(outcome, Outcome) else Outcome.FAILED, job.update_id)

    async def _some(self, job: Job, others: Sequence[Job]) -> None:
        """One update, and those that its answer serves as well."""
        try:
            await self._inbox.begin(job.update_id)
        except Exception:  # noqa: BLE001 - only what changes nothing may run: after a crash it could run again
            outcome = await (self._outcome(job, others) if self._front.only_looks(job) else self._failed(job))
        else:
            outcome = await self._outcome(job, others)
        await self._finish(outcome, job.update_id, *(other.update_id for other in others))

    async def _finish(self, outcome: Outcome, *update_ids: int) -> None:
        """Done with these; if that cannot be stored, it is remembered and stored later."""
        self._settled.update(dict.fromkeys(update_ids, outcome))
        try:
            await self._inbox.finish(outcome, *update_ids)
        except Exception:  # noqa: BLE001 - a full disk must not make the chat deaf
            _log.exception("the end of an update cannot be stored yet", updates=update_ids)
            return
        for update_id in update_ids:
            self._settled.pop(update_id, None)
            self._finished.add(update_id)
            self._doubtful.discard(update_id)

    async def _outcome(self, job: Job, others: Sequence[Job] = ()) -> Outcome:
        try:
            return await self._front.handle(job, others)
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
        except Exception:  # noqa: BLE001 - supervision: one update must never stop those behind it
            _log.exception("not even the fault could be told", update=job.update_id, incident=incident)
        return Outcome.FAILED

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.critical("a chat's worker died; its updates run at the next start", error=repr(error))
