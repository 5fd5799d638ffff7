"""A topic for each strategy in a forum group: made when it is first needed, and again if somebody deleted it."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import structlog
from telegram.error import BadRequest

from bot.courier import Courier
from bot.groups import Groups
from core.alerts.channel import ChannelRefused
from core.store.chat import ChatMemory

_LONGEST_KEY = 40
_log = structlog.get_logger(__name__)


class Topics:
    """Strategy → topic, by chat. Without topics there, or the right to make them, all goes to the chat itself."""

    def __init__(self, courier: Courier, groups: Groups, memory: ChatMemory) -> None:
        self._courier = courier
        self._groups = groups
        self._memory = memory
        self._refused: set[int] = set()
        self._asked_for: dict[tuple[int, int], str] = {}
        self._turn = asyncio.Lock()

    async def thread_for(self, chat_id: int, strategy: str) -> int | None:
        """The topic of a strategy; None: send it to the chat itself. Raises `ChannelDown` while Telegram is away."""
        chat_id = self._groups.now_at(chat_id)
        group = self._groups.find(chat_id)
        if group is None or not group.topics or not strategy or chat_id in self._refused:
            return None
        async with self._turn:
            known = await self._memory.get(chat_id, _key(strategy))
            thread = int(known) if known else await self._make(chat_id, strategy)
        if thread is not None:
            self._asked_for[chat_id, thread] = strategy
        return thread

    async def gone(self, chat_id: int, thread_id: int) -> None:
        """A message could not be put into this topic: the next one gets another."""
        if strategy := self._asked_for.pop((chat_id, thread_id), ""):
            _log.warning("topic is gone", chat=chat_id, strategy=strategy)
            await self._memory.put(chat_id, _key(strategy), "")

    async def _make(self, chat_id: int, strategy: str) -> int | None:
        try:
            thread = await self._courier.create_topic(chat_id, strategy)
        except (BadRequest, ChannelRefused) as error:
            _log.warning("topic not made: alerts go to the group itself", chat=chat_id, reason=str(error))
            self._refused.add(chat_id)  # until the next start: an admin may give us the right
            return None
        await self._memory.put(chat_id, _key(strategy), str(thread))
        return thread


def _key(strategy: str) -> str:
    """The column takes forty characters, and so may a name have."""
    key = f"topic {strategy}"
    return key if len(key) <= _LONGEST_KEY else f"topic {sha256(strategy.encode()).hexdigest()[:32]}"
