"""Works off the inbox: a halt first and at once, chats side by side, each chat one update after another.

After an outage everything that came meanwhile goes in order of danger, over all chats: what reduces before what is
pressed, that before the rest, and what has expired last. A chat that hangs holds up the others only for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import structlog

from bot.backlog import Backlog, Group, Job, Rank, Waiting
from bot.dispatch import Outcome
from bot.front import Front
from core.alerts.channel import ChannelDown, ChannelRefused
from core.clock import Clock, Ids
from core.store.inbox import Inbox, InboxItem

_PATIENCE = 2.0  # seconds for which what is less dangerous waits for another chat
_GATHERING = 5.0  # seconds for which an outage's updates may still be coming in before work begins
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
        self._backlog = Backlog()
        self._at_work: dict[int, Waiting] = {}  # by line
        self._halting: dict[int, Waiting] = {}  # by number
        self._numbers = 0
        self._halted = 0  # what is numbered below was written before a halt that has been run
        self._reduced = 0
        self._first_rank = Rank.HALT
        self._patience: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._gathers_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()

    def doubt(self, update_ids: Sequence[int]) -> None:
        """These updates are about to be stored, and presses among them may be old."""
        self._doubtful.update(update_ids)

    def received(self, *, more_within: float = 0) -> None:
        """Updates have been stored. For as long as more of an outage's may come in, only halts are run."""
        loop = asyncio.get_running_loop()
        if self._gathering:
            self._gathering.cancel()
        elif more_within:
            self._gathers_until = loop.time() + _GATHERING
        seconds = min(more_within, self._gathers_until - loop.time()) if more_within else 0
        self._gathering = loop.call_later(seconds, self.received) if seconds > 0 else None
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
        for timer in (self._gathering, self._patience):
            if timer:
                timer.cancel()
        self._backlog = Backlog()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Return once nothing is waiting or running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- taking in ---------------------------------------------------------------------------------

    async def _take_in(self, *, interrupted: bool) -> None:
        finished, self._finished = self._finished, set()
        after, surplus = -1, list[Waiting]()
        while page := await self._inbox.pending(after):
            after = page[-1].update_id
            for item in page:
                if item.update_id in self._settled:
                    await self._finish(self._settled[item.update_id], item.update_id)
                if item.update_id not in self._known:
                    surplus += await self._take(item, interrupted=interrupted)
        self._known -= finished  # only those that had ended before we asked: the list may be older than it looks
        if surplus:
            self._start(self._turn_away(surplus))
        self._pump()

    async def _take(self, item: InboxItem, *, interrupted: bool) -> Group:
        """Let an update wait in its line, or run it at once; those for which there is no room are returned."""
        self._known.add(item.update_id)
        doubtful = item.update_id in self._doubtful
        job = Job(item.update_id, item.raw, item.received_at, doubtful, interrupted and item.begun)
        try:
            place = self._front.place(job)
        except (
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # an update of a shape that Telegram never sent before
            _log.error("update cannot be read", update=job.update_id, error=repr(error))
            await self._finish(Outcome.FAILED, job.update_id)
            return ()
        self._numbers += 1
        one = Waiting(job, place, self._numbers)
        if place.urgent:
            self._overtake(one)
            self._halting[one.number] = one
            self._start(self._halt(one))
            return ()
        return () if self._backlog.add(one) else (one,)

    def _overtake(self, halt: Waiting) -> None:
        """From now on nothing that was written before this halt makes anything more dangerous, also after a crash."""
        self._halted = max(self._halted, halt.number)
        before = [one.job for one in self._backlog if one.number < halt.number]
        if dangerous := [job for job in before if self._front.is_dangerous(job)]:
            self._start(self._begun(dangerous))

    async def _turn_away(self, surplus: Group) -> None:
        """There are more of them than anybody can have meant."""
        await self._finish(Outcome.REFUSED, *(one.job.update_id for one in surplus))
        _log.warning("more commands than wait here", count=len(surplus))
        lines = {one.place.line for one in surplus}
        for line in lines:
            try:
                await self._front.flooded([one for one in surplus if one.place.line == line])
            except (ChannelDown, ChannelRefused) as lost:
                _log.error("answer not delivered", line=line, reason=str(lost))

    # --- choosing ----------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Start what may be started now."""
        if self._gathering:
            return
        first = self._backlog.first_rank((*self._at_work.values(), *self._halting.values()))
        if first is not self._first_rank:
            self._first_rank = first
            self._be_patient()
        for line in self._backlog.lines:
            if line not in self._at_work:
                self._begin(self._next(self._backlog.of(line)))

    def _be_patient(self) -> None:
        """Let what is less dangerous wait again; but not for ever."""
        if self._patience:
            self._patience.cancel()
        waits = bool(self._backlog.lines)
        self._patience = asyncio.get_running_loop().call_later(_PATIENCE, self._lose_patience) if waits else None

    def _lose_patience(self) -> None:
        self._patience = None
        self._pump()

    def _begin(self, group: Group) -> None:
        newest = group[-1]
        if newest.job.doubtful and newest.rank > self._first_rank and self._patience:
            return
        self._backlog.take(group)
        self._at_work[newest.place.line] = newest
        if newest.rank is Rank.REDUCE:
            self._reduced = max(self._reduced, newest.number)
        overtaken = newest.number < self._halted or (newest.job.doubtful and newest.number < self._reduced)
        self._start(self._chat(replace(newest.job, overtaken=overtaken), [one.job for one in group[:-1]], newest))

    def _next(self, waiting: Sequence[Waiting]) -> Group:
        """What is answered next. The same question asked again is answered when the last one's turn has come, so
        that it shows what was done in between.
        """
        groups: dict[str | int, list[Waiting]] = {}
        for one in waiting:
            groups.setdefault(self._front.key(one.job) or one.number, []).append(one)
        return min(groups.values(), key=lambda group: (group[-1].rank, group[-1].number))

    # --- working -----------------------------------------------------------------------------------

    async def _chat(self, job: Job, others: Sequence[Job], place: Waiting) -> None:
        """One answer in one line; then whatever may be next, there and elsewhere."""
        goes_on = True
        try:
            await self._some(job, others)
        except asyncio.CancelledError:
            goes_on = False
            raise
        finally:
            del self._at_work[place.place.line]
            if goes_on:
                self._pump()

    async def _begun(self, jobs: Sequence[Job]) -> None:
        try:
            await self._inbox.begin(*(job.update_id for job in jobs))
        except Exception:  # noqa: BLE001 - it only matters if we die right now
            _log.exception("what was overtaken could not be noted")

    async def _halt(self, one: Waiting) -> None:
        try:
            await self._urgent(one.job)
        finally:
            del self._halting[one.number]
            self._arrived.set()  # what waited for it goes on

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
