"""From a stored update to what its sender sees: read, identify, dispatch, show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot import notices
from bot.dispatch import Answer, Dispatcher, Outcome
from bot.framing import notice
from bot.keyboard import URGENT_PREFIX, Look, read_data
from bot.people import Caller
from bot.surface import Surface
from bot.updates import Ignored, Pressed, Typed, read
from core.clock import Clock

PRESS_STALE = timedelta(seconds=30)
_PATIENCE = 1.5  # seconds until a press is answered without waiting for its screen
_EXPIRED = " expired"  # no command is called so
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One stored update. `doubtful`: a press of unknown age. `interrupted`: begun before a crash."""

    update_id: int
    raw: str
    received_at: datetime
    doubtful: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands in the queue: its chat, whether it overtakes all, and its rank in the chat."""

    chat_id: int
    urgent: bool
    rank: int


class Front:
    """Works off one update at a time per chat; `bot.worker` decides which."""

    def __init__(self, dispatcher: Dispatcher, surface: Surface, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._surface = surface
        self._clock = clock

    def place(self, job: Job) -> Place:
        """Presses before messages, messages that will only be told that they expired last."""
        incoming = read(job.raw)
        if isinstance(incoming, Pressed):
            return Place(incoming.chat_id, incoming.data.startswith(URGENT_PREFIX), 0)
        if isinstance(incoming, Typed):
            old = self._clock.now() - incoming.sent_at > PRESS_STALE
            return Place(incoming.chat_id, self._dispatcher.is_urgent(incoming.text), 2 if old else 1)
        return Place(incoming.chat_id, urgent=False, rank=2)

    def only_looks(self, job: Job) -> bool:
        """Whether it changes nothing, so that it does not matter if it is done twice."""
        incoming = read(job.raw)
        if isinstance(incoming, Typed):
            return bool(self._dispatcher.look(incoming.text))
        return isinstance(incoming, Ignored) or isinstance(read_data(incoming.data), Look)

    def key(self, job: Job) -> str:
        """What jobs have in common that one answer serves: the same question, or expired; empty for all else."""
        incoming = read(job.raw)
        if not isinstance(incoming, Typed) or job.interrupted:
            return ""
        if self._dispatcher.has_expired(incoming.text, incoming.sent_at):
            return _EXPIRED
        return self._dispatcher.look(incoming.text)

    async def handle(self, job: Job, others: Sequence[Job] = ()) -> Outcome:
        """Answer one update, and with it others with the same `key`; say how it ended."""
        incoming = read(job.raw)
        caller = await self._dispatcher.identify(incoming)
        if caller is None:
            return Outcome.REFUSED
        if isinstance(incoming, Ignored):
            return await self._ignored(caller, incoming)
        if isinstance(incoming, Typed):
            more = [each for each in (read(other.raw) for other in others) if isinstance(each, Typed)]
            return await self._typed(caller, [incoming, *more], job)
        return await self._pressed(caller, incoming, job)

    async def apologise(self, job: Job, incident: str) -> None:
        """Tell the sender that we failed outside any command."""
        incoming = read(job.raw)
        caller = await self._dispatcher.identify(incoming)
        if caller is not None:
            await self._surface.reply(caller, Answer.of(notices.broken(incident), Outcome.FAILED))

    async def _ignored(self, caller: Caller, ignored: Ignored) -> Outcome:
        await self._surface.reply(caller, Answer.of(notice(ignored.tell), Outcome.REFUSED))
        return Outcome.REFUSED

    async def _typed(self, caller: Caller, lines: Sequence[Typed], job: Job) -> Outcome:
        newest = max(lines, key=lambda one: one.message_id)
        if len(lines) > 1 and self.key(job) == _EXPIRED:
            answer = await self._dispatcher.expired_together(caller, [(one.text, one.sent_at) for one in lines])
        else:
            answer = await self._dispatcher.line(
                caller,
                newest.text,
                message_id=newest.message_id,
                sent_at=newest.sent_at,
                interrupted_at=job.received_at if job.interrupted else None,
                times=len(lines),
            )
        await self._surface.reply(caller, answer)
        return answer.outcome

    async def _pressed(self, caller: Caller, pressed: Pressed, job: Job) -> Outcome:
        urgent = pressed.data.startswith(URGENT_PREFIX)  # a halt is never too late: it is the safe direction
        if not isinstance(read_data(pressed.data), Look):
            if job.interrupted and not urgent:
                answer = await self._dispatcher.interrupted_press(caller, pressed.data, job.received_at)
                return await self._show(caller, pressed, answer)
            if not urgent and await self._is_late(pressed, job):
                return await self._show(caller, pressed, await self._dispatcher.late(caller, "button"))
        answer, told = await self._work(caller, pressed)
        if told or (job.doubtful and not urgent):  # the press was answered already, perhaps to learn whether it is old
            return await self._follow_up(caller, pressed, answer)
        return await self._show(caller, pressed, answer)

    async def _work(self, caller: Caller, pressed: Pressed) -> tuple[Answer, bool]:
        """Do what a press asks for; whether that took so long that the press was answered before."""
        work = asyncio.ensure_future(self._dispatcher.press(caller, pressed.data, message_id=pressed.message_id))
        try:
            done, _ = await asyncio.wait({work}, timeout=_PATIENCE)
            if not done:
                await self._confirm(pressed)
            return await work, not done
        finally:  # whatever happens here, the work is not left behind alone
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _confirm(self, pressed: Pressed) -> None:
        """Answer a press in time; if that cannot be done, what it asked for is done all the same."""
        try:
            await self._surface.confirm(pressed)
        except Exception:  # noqa: BLE001 - what was pressed for is more important
            _log.exception("press not answered")

    async def _follow_up(self, caller: Caller, pressed: Pressed, answer: Answer) -> Outcome:
        """Show an answer to a press that has had its toast: what a toast would say becomes a message."""
        if answer.screen is None and answer.toast:
            await self._surface.reply(caller, Answer.of(notice(answer.toast), answer.outcome))
        else:
            await self._surface.replace(caller, pressed, answer)
        return answer.outcome

    async def _show(self, caller: Caller, pressed: Pressed, answer: Answer) -> Outcome:
        await self._surface.respond(caller, pressed, answer)
        return answer.outcome

    async def _is_late(self, pressed: Pressed, job: Job) -> bool:
        """Whether a press is too old to act on. Telegram refuses to answer old ones: that tells."""
        if self._clock.now() - job.received_at > PRESS_STALE:
            return True
        return job.doubtful and not await self._surface.confirm(pressed)
