"""Where our chats are and whether we are still in them: moves of groups, being added, thrown out or blocked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bot.groups import Groups
from bot.people import Directory
from bot.reach import Reach
from bot.updates import Moved, News, Standing, is_group
from core.access.audit import Audit

_FIRST_SUPERGROUP = -1_000_000_000_000  # supergroups have ids below it, plain groups above
_log = structlog.get_logger(__name__)

Warn = Callable[[str, str], Awaitable[None]]
OnMove = Callable[[int, int], Awaitable[None]]


class Whereabouts:
    """Keeps `Groups` and `Reach` true. What goes wrong here never stops a message or a command."""

    def __init__(
        self,
        *,
        groups: Groups,
        reach: Reach,
        people: Directory,
        audit: Audit,
        warn: Warn,
        leave: Callable[[int], Awaitable[None]],
    ) -> None:
        self._groups = groups
        self._reach = reach
        self._people = people
        self._audit = audit
        self._warn = warn
        self._leave = leave
        self._on_move: list[OnMove] = []
        self._on_topic_gone: OnMove | None = None

    def follow(self, on_move: OnMove) -> None:
        """Call `on_move(old, new)` when a group has moved."""
        self._on_move.append(on_move)

    def tell_of_topics(self, on_topic_gone: OnMove) -> None:
        """Call `on_topic_gone(chat_id, thread_id)` when a topic takes nothing any more."""
        self._on_topic_gone = on_topic_gone

    def now_at(self, chat_id: int) -> int:
        """The id that a chat goes by now."""
        return self._groups.now_at(chat_id)

    async def heard(self, news: News) -> None:
        """Telegram tells that a group has moved, or that we are in a chat or not."""
        await (self.moved(news.chat_id, news.new_chat_id) if isinstance(news, Moved) else self._stands(news))

    async def moved(self, old: int, new: int) -> None:
        """A group goes by another id: everything that we know of it follows."""
        await _at_all_events(self._move(old, new))

    async def lost(self, chat_id: int, why: str) -> None:
        """A chat takes nothing from us any more."""
        await _at_all_events(self._lose(chat_id, why))

    async def here(self, chat_id: int) -> None:
        """A chat has taken something, or somebody spoke there."""
        if self._reach.is_lost(chat_id):
            await _at_all_events(self._reach.regain(chat_id))

    async def topic_gone(self, chat_id: int, thread_id: int) -> None:
        """A topic takes nothing any more."""
        if self._on_topic_gone:
            await _at_all_events(self._on_topic_gone(chat_id, thread_id))

    async def _move(self, old: int, new: int) -> None:
        if not await self._groups.move(old, new):
            return
        _log.warning("group moved", old=old, new=new)
        await self._audit.record(f"telegram:{old}", "group moved", f"it is {new} now")
        for on_move in self._on_move:
            await on_move(old, new)
        said = f"Telegram made it a supergroup: {old} is {new} now. I follow; put the new id into telegram.groups."
        await self._warn("a group has a new id", said)

    async def _lose(self, chat_id: int, why: str) -> None:
        if not self._reach.is_lost(chat_id):
            await self._reach.lose(chat_id, why)
            await self._audit.record(f"telegram:{chat_id}", "chat lost", why, "failed")

    async def _stands(self, news: Standing) -> None:
        if self._groups.now_at(news.chat_id) != news.chat_id:
            return  # the old shell of a group that has moved
        if is_group(news.chat_id) and self._groups.find(news.chat_id) is None:
            await (self._in_a_strange_group(news) if news.is_in else self._noted(news, "out of a strange group"))
        elif news.is_in:
            await self.here(news.chat_id)
            await self._noted(news, "let into a chat")
        else:
            await self.lost(news.chat_id, "thrown out" if is_group(news.chat_id) else "blocked by the user")
            if is_group(news.chat_id):
                await self._warn("thrown out of a group", f"{news.title or news.chat_id} takes no alerts any more.")

    async def _in_a_strange_group(self, news: Standing) -> None:
        """A person whom we know sets it up; who we do not know must not keep us anywhere."""
        known = self._people.find(news.user_id, news.user_id) is not None
        await self._noted(news, "taken into a strange group")
        if known:
            line = f"telegram: {{groups: [{{id: {news.chat_id}, mode: read-only}}]}}"
            await self._warn("taken into a group", f"I say nothing there unless the settings have it: {line}")
        elif not self._may_be_ours(news.chat_id):
            await self._leave(news.chat_id)

    def _may_be_ours(self, chat_id: int) -> bool:
        """Whether it may be a plain group of ours that is just being moved: the news of that may come second."""
        plain = any(_FIRST_SUPERGROUP < group_id < 0 for group_id in self._groups.ids)
        return chat_id <= _FIRST_SUPERGROUP and plain

    async def _noted(self, news: Standing, what: str) -> None:
        who = f"telegram:{news.user_id}"
        await self._audit.record(who, what, f"{news.chat_id} {news.title[:60]!r}".strip())


async def _at_all_events(work: Awaitable[None]) -> None:
    """Do it; if it cannot be stored or told, the log has it."""
    try:
        await work
    except Exception:  # noqa: BLE001 - a message on its way counts more than what we note of its chat
        _log.exception("the whereabouts of a chat could not be noted")
