"""From a stored update to what its sender sees: read, identify, dispatch, show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot import notices
from bot.backlog import STRANGERS, Group, Job, Place, Rank
from bot.dispatch import Answer, Dispatcher, Outcome
from bot.framing import notice
from bot.groups import Groups, Members
from bot.keyboard import URGENT_PREFIX, Look, read_data
from bot.overtaken import Overtaken, makes_safer
from bot.people import Caller, Strangers
from bot.progress import PATIENCE, WORKING, Progress
from bot.surface import Surface
from bot.updates import Ignored, Incoming, Moved, News, Pressed, Standing, Typed, is_group, read
from bot.whereabouts import Whereabouts
from core.access.audit import Audit
from core.access.totp import is_code
from core.clock import Clock
from core.settings import GroupMode

PRESS_STALE = timedelta(seconds=30)
_EXPIRED, _TALK = " expired", " talk"  # no command is called so
_TOLD_AGAIN = timedelta(seconds=60)
_log = structlog.get_logger(__name__)


class Front:
    """Works off one update at a time per chat; `bot.worker` decides which."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        surface: Surface,
        clock: Clock,
        *,
        members: Members,
        groups: Groups,
        overtaken: Overtaken,
        whereabouts: Whereabouts,
        audit: Audit,
    ) -> None:
        self._dispatcher = dispatcher
        self._surface = surface
        self._clock = clock
        self._members = members
        self._groups = groups
        self._overtaken = overtaken
        self._whereabouts = whereabouts
        self._audit = audit
        self._strangers = Strangers(audit)
        self._progress = Progress(surface, clock)
        self._told_late: dict[int, datetime] = {}

    # --- where it stands ---------------------------------------------------------------------------

    def place(self, job: Job) -> Place:
        """A halt before all else, then what reduces, presses, messages, and last what is only told that it expired."""
        incoming = read(job.raw)
        if isinstance(incoming, Moved | Standing):
            return Place(incoming.chat_id, Rank.PRESS)
        if self._members.find(incoming.user_id, incoming.chat_id) is None:
            return Place(STRANGERS, Rank.STRANGER)
        return Place(incoming.chat_id, self._rank(incoming))

    def _rank(self, incoming: Incoming) -> Rank:
        if isinstance(incoming, Pressed):
            return Rank.HALT if incoming.data.startswith(URGENT_PREFIX) else Rank.PRESS
        if isinstance(incoming, Ignored):
            return Rank.EXPIRED
        if self._dispatcher.has_expired(incoming.text, incoming.sent_at):
            return Rank.EXPIRED
        if self._dispatcher.is_urgent(incoming.text):
            return Rank.HALT
        if self._clock.now() - incoming.sent_at > PRESS_STALE:
            return Rank.EXPIRED
        command = self._dispatcher.named(incoming.text)
        return Rank.REDUCE if command is not None and makes_safer(command) else Rank.REST

    def only_looks(self, job: Job) -> bool:
        """Whether it changes nothing, so that it does not matter if it is done twice."""
        incoming = read(job.raw)
        if isinstance(incoming, Typed):
            return bool(self._dispatcher.look(incoming.text))
        return not isinstance(incoming, Pressed) or isinstance(read_data(incoming.data), Look)

    def is_dangerous(self, job: Job) -> bool:
        """Whether it may raise the risk: what cannot be told from outside may."""
        incoming = read(job.raw)
        if isinstance(incoming, Pressed):
            return not isinstance(read_data(incoming.data), Look)
        if isinstance(incoming, Typed) and is_code(incoming.text):
            return True
        command = self._dispatcher.named(incoming.text) if isinstance(incoming, Typed) else None
        return command is not None and command.changes and not makes_safer(command)

    def key(self, job: Job) -> str:
        """What jobs have in common that one answer serves: the same question, or expired; empty for all else."""
        incoming = read(job.raw)
        if not isinstance(incoming, Typed) or job.interrupted:
            return ""
        shared = self._shared(incoming)
        return f"{shared} {incoming.user_id}" if shared else ""

    def _shared(self, typed: Typed) -> str:
        if is_code(typed.text):
            return ""
        if self._dispatcher.has_expired(typed.text, typed.sent_at):
            return _EXPIRED
        if self._dispatcher.named(typed.text) is None and self._clock.now() - typed.sent_at > PRESS_STALE:
            return _TALK
        return self._dispatcher.look(typed.text)

    # --- what becomes of it ------------------------------------------------------------------------

    async def handle(self, job: Job, others: Sequence[Job] = ()) -> Outcome:
        """Answer one update, and with it others with the same `key`; say how it ended."""
        incoming = read(job.raw)
        if isinstance(incoming, Moved | Standing):
            return await self._news(incoming)
        if is_group(incoming.chat_id) and await self._is_passed_over(incoming):
            return Outcome.REFUSED
        caller = await self._dispatcher.identify(incoming)
        if caller is None:
            return Outcome.REFUSED
        await self._whereabouts.here(caller.chat_id)
        if isinstance(incoming, Ignored):
            return await self._ignored(caller, incoming)
        return await self._obey(replace(caller, thread_id=incoming.thread_id), incoming, job, others)

    async def _obey(self, caller: Caller, incoming: Typed | Pressed, job: Job, others: Sequence[Job]) -> Outcome:
        if refusal := await self._not_here(caller, incoming):
            return await self._answer(caller, incoming, refusal)
        if isinstance(incoming, Typed):
            more = [each for each in (read(other.raw) for other in others) if isinstance(each, Typed)]
            return await self._typed(caller, [incoming, *more], job)
        return await self._pressed(caller, incoming, job)

    async def _news(self, news: News) -> Outcome:
        await self._whereabouts.heard(news)
        return Outcome.DONE

    async def _is_passed_over(self, incoming: Incoming) -> bool:
        """In a group people talk to each other, and to other bots: what is not meant for us is met with silence.

        Nobody is admitted there either; the button of somebody else says no more than that.
        """
        if self._groups.find(incoming.chat_id) is None:
            await self._strangers.note(incoming.chat_id, "a group that the settings do not name")
            return True
        if isinstance(incoming, Ignored):
            if not incoming.usual:
                await self._strangers.note(incoming.user_id, f"{incoming.reason}, in a group")
            return True
        if isinstance(incoming, Typed) and not self._is_meant_for_us(incoming.text):
            return True
        if self._members.find(incoming.user_id, incoming.chat_id) is not None:
            return False
        await self._strangers.note(incoming.user_id, f"{type(incoming).__name__.lower()}, in a group")
        if isinstance(incoming, Pressed):
            await self._surface.toast(incoming, "This button is not for you.")
        return True

    def _is_meant_for_us(self, text: str) -> bool:
        return self._dispatcher.named(text) is not None and not self._dispatcher.is_for_another(text)

    async def _not_here(self, caller: Caller, incoming: Typed | Pressed) -> Answer | None:
        """Why a read-only group is not the place for it: only a halt may come from there, and looking."""
        group = self._groups.find(caller.chat_id)
        if group is None or group.mode is GroupMode.COMMANDS:
            return None
        if isinstance(incoming, Pressed):
            meant = read_data(incoming.data)
            allowed = isinstance(meant, Look) or incoming.data.startswith(URGENT_PREFIX)
            return None if allowed else Answer(Outcome.REFUSED, toast="This group only looks.", alert=True)
        command = self._dispatcher.named(incoming.text)
        if command is None or command.urgent or not command.changes:
            return None
        await self._audit.record(caller.actor, f"/{command.name}", "in a read-only group", Outcome.REFUSED)
        return Answer.of(notices.read_only(command), Outcome.REFUSED)

    async def _answer(self, caller: Caller, incoming: Typed | Pressed, answer: Answer) -> Outcome:
        if isinstance(incoming, Pressed):
            return await self._show(caller, incoming, answer)
        await self._surface.reply(caller, answer)
        return answer.outcome

    async def flooded(self, group: Group) -> None:
        """Tell that these were more than wait here."""
        incoming = read(group[0].job.raw)
        if isinstance(incoming, Moved | Standing):
            return
        caller = self._members.find(incoming.user_id, incoming.chat_id)
        if caller is not None:
            await self._surface.reply(caller, Answer.of(notices.flooded(len(group)), Outcome.REFUSED))

    async def apologise(self, job: Job, incident: str) -> None:
        """Tell the sender that we failed outside any command."""
        incoming = read(job.raw)
        caller = None if isinstance(incoming, Moved | Standing) else await self._dispatcher.identify(incoming)
        if caller is not None:
            await self._surface.reply(caller, Answer.of(notices.broken(incident), Outcome.FAILED))

    async def _ignored(self, caller: Caller, ignored: Ignored) -> Outcome:
        await self._surface.reply(caller, Answer.of(notice(ignored.tell), Outcome.REFUSED))
        return Outcome.REFUSED

    async def _typed(self, caller: Caller, lines: Sequence[Typed], job: Job) -> Outcome:
        newest = max(lines, key=lambda one: one.message_id)
        expired = self._shared(newest) == _EXPIRED
        if job.overtaken and not expired and (refused := await self._overtaken.line(caller, newest.text)):
            await asyncio.gather(self._surface.reply(caller, refused), self._forget(newest))
            return refused.outcome
        if len(lines) > 1 and expired:
            work = self._dispatcher.expired_together(caller, [(one.text, one.sent_at) for one in lines])
        else:
            work = self._dispatcher.line(
                caller,
                newest.text,
                message_id=newest.message_id,
                sent_at=newest.sent_at,
                interrupted_at=job.received_at if job.interrupted else None,
                times=len(lines),
            )
        command = self._dispatcher.named(newest.text)
        name = f"/{command.name}" if command else "Your message"
        shown = self._progress.show(caller, name, work, draws=command is not None and command.draws)
        answer, _ = await asyncio.gather(shown, self._forget(newest))
        return answer.outcome

    async def _forget(self, typed: Typed) -> None:
        """A code does not stay in the chat, right or wrong, used or not."""
        if is_code(typed.text):
            await self._surface.forget(typed)

    async def _pressed(self, caller: Caller, pressed: Pressed, job: Job) -> Outcome:
        urgent = pressed.data.startswith(URGENT_PREFIX)  # a halt is never too late: it is the safe direction
        looks = isinstance(read_data(pressed.data), Look)
        if not looks:
            if job.interrupted and not urgent:
                answer = await self._dispatcher.interrupted_press(caller, pressed.data, job.received_at)
                return await self._show(caller, pressed, answer)
            if not urgent and await self._is_late(pressed, job):
                return await self._late(caller, pressed)
            if job.overtaken and (refused := await self._overtaken.press(caller, pressed.data)):
                return await (self._follow_up if job.doubtful else self._show)(caller, pressed, refused)
        answer, told = await self._work(caller, pressed)
        if told or (
            job.doubtful and not urgent and not looks
        ):  # the press was answered already, perhaps to learn whether it is old
            return await self._follow_up(caller, pressed, answer)
        return await self._show(caller, pressed, answer)

    async def _late(self, caller: Caller, pressed: Pressed) -> Outcome:
        """Tell that a press came too late; of many, once in a while."""
        answer = await self._dispatcher.late(caller, "button")
        now = self._clock.now()
        told = self._told_late.get(caller.chat_id)
        self._told_late[caller.chat_id] = now
        if told is not None and now - told < _TOLD_AGAIN:
            return answer.outcome
        return await self._show(caller, pressed, answer)

    async def _work(self, caller: Caller, pressed: Pressed) -> tuple[Answer, bool]:
        """Do what a press asks for; whether that took so long that the press was answered before."""
        work = asyncio.ensure_future(self._dispatcher.press(caller, pressed.data, message_id=pressed.message_id))
        try:
            done, _ = await asyncio.wait({work}, timeout=PATIENCE)
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
            await self._surface.confirm(pressed, WORKING)
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
