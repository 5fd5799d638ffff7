"""Which chats cannot be reached: we were blocked there, or thrown out. Remembered until we are back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from core.clock import Clock
from core.store.chat import ChatMemory

LOST_KEY = "lost"
_log = structlog.get_logger(__name__)

Listener = Callable[[int, str], Awaitable[None]]


class Reach:
    """Chats that are lost to us, by id. Routing asks `is_lost`; who must act at once gives a listener."""

    def __init__(self, memory: ChatMemory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._lost: dict[int, str] = {}
        self._listeners: list[Listener] = []

    async def load(self) -> None:
        """Take up what was known before a restart."""
        self._lost = {chat: why for chat, why in (await self._memory.chats_with(LOST_KEY)).items() if why}

    def listen(self, listener: Listener) -> None:
        """Call `listener(chat_id, why)` when a chat is lost, and with an empty `why` when it is back."""
        self._listeners.append(listener)

    def is_lost(self, chat_id: int) -> bool:
        """Whether nothing gets there until somebody lets us in again."""
        return chat_id in self._lost

    def why(self, chat_id: int) -> str:
        """Since when and why a chat is lost; empty if it is not."""
        return self._lost.get(chat_id, "")

    async def lose(self, chat_id: int, why: str) -> None:
        """A chat is lost. Doing it twice changes nothing."""
        if chat_id in self._lost:
            return
        self._lost[chat_id] = f"{why} ({self._clock.now():%Y-%m-%d %H:%M} UTC)"
        await self._memory.put(chat_id, LOST_KEY, self._lost[chat_id])
        await self._tell(chat_id, self._lost[chat_id])

    async def regain(self, chat_id: int) -> None:
        """A chat is there again: somebody spoke there, or a message got through."""
        if self._lost.pop(chat_id, None) is not None:
            await self._memory.put(chat_id, LOST_KEY, "")
            await self._tell(chat_id, "")

    async def _tell(self, chat_id: int, why: str) -> None:
        _log.warning("chat lost" if why else "chat regained", chat=chat_id, why=why)
        for listener in self._listeners:
            await listener(chat_id, why)
