"""The live status message: one per chat, edited when something changed, never more than every two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bot.courier import Courier, Edited
from bot.html import Html
from bot.keyboard import Keyboards
from bot.pacing import Lane, Sleep
from bot.people import Caller, Directory
from bot.screen import Rows
from core.alerts.channel import ChannelDown, ChannelRefused
from core.store.chat import ChatMemory

LIVE_KEY = "live"
_NO_MESSAGE = 0
SHORTEST_PAUSE = 2.0
_log = structlog.get_logger(__name__)

Drawn = tuple[Html, Rows]
Draw = Callable[[Caller], Awaitable[Drawn]]


@dataclass(frozen=True, slots=True)
class Board:
    """A live message, and who started it: in a group it shows what they may see."""

    message_id: int
    user_id: int

    @classmethod
    def read(cls, chat_id: int, value: str) -> Board:
        """As it was remembered."""
        message_id, _, user_id = value.partition(" ")
        return cls(int(message_id), int(user_id or chat_id))

    def value(self, chat_id: int) -> str:
        """As it is remembered."""
        return str(self.message_id) if self.user_id == chat_id else f"{self.message_id} {self.user_id}"


class LiveBoards:
    """Keeps the live messages of all chats current. They survive a restart: `ChatMemory` knows their ids."""

    def __init__(
        self,
        *,
        draw: Draw,
        courier: Courier,
        keyboards: Keyboards,
        memory: ChatMemory,
        people: Directory,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._draw = draw
        self._courier = courier
        self._keyboards = keyboards
        self._memory = memory
        self._people = people
        self._sleep = sleep
        self._boards: dict[int, Board] = {}
        self._shown: dict[int, Html] = {}
        self._changed = asyncio.Event()

    async def load(self) -> None:
        """Take up the live messages that were there before a restart."""
        for chat_id, value in (await self._memory.chats_with(LIVE_KEY)).items():
            if value:
                self._boards[chat_id] = Board.read(chat_id, value)
        self.touch()

    def touch(self, *_: object) -> None:
        """Something may look different now."""
        self._changed.set()

    async def on_event(self, _: object) -> None:
        """The same, as a handler of events: it only sets a flag and so delays nobody."""
        self.touch()

    async def start(self, caller: Caller, message_id: int) -> None:
        """Make a message that was just sent the chat's live one, and pin it if Telegram lets us."""
        old, board = self._boards.get(caller.chat_id), Board(message_id, caller.user_id)
        self._boards[caller.chat_id] = board
        self._shown.pop(caller.chat_id, None)
        await self._memory.put(caller.chat_id, LIVE_KEY, board.value(caller.chat_id))
        await self._courier.pin(caller.chat_id, message_id)
        await self._unpin(caller.chat_id, old)

    async def moved(self, old: int, new: int) -> None:
        """A group goes by another id, where none of its messages can be edited: a new one takes over."""
        board = self._boards.pop(old, None)
        if board is None:
            return
        await self._memory.put(old, LIVE_KEY, "")
        self._boards[new] = Board(_NO_MESSAGE, board.user_id)
        await self._memory.put(new, LIVE_KEY, self._boards[new].value(new))
        self.touch()

    async def stop(self, chat_id: int) -> None:
        """Let the chat's live message rest as it is."""
        old = self._boards.pop(chat_id, None)
        await self._memory.put(chat_id, LIVE_KEY, "")
        await self._unpin(chat_id, old)

    async def _unpin(self, chat_id: int, old: Board | None) -> None:
        """What changes no more must not stay at the top of the chat as if it did."""
        if old is not None and old.message_id != _NO_MESSAGE:
            await self._courier.unpin(chat_id, old.message_id)

    async def run(self) -> None:
        """Refresh after every change, at most once in `SHORTEST_PAUSE` seconds. Runs until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.gather(*(self._refresh(chat_id) for chat_id in tuple(self._boards)))
            await self._sleep(SHORTEST_PAUSE)

    async def _refresh(self, chat_id: int) -> None:
        caller = self._people.find(self._boards[chat_id].user_id, chat_id)
        if caller is None:
            self._boards.pop(chat_id, None)
            return
        try:
            await self._show(caller)
        except ChannelDown as down:
            _log.info("live message waits", chat=chat_id, reason=str(down))
            self._changed.set()
        except ChannelRefused as refused:
            _log.warning("live message given up", chat=chat_id, reason=str(refused))
            await self.stop(chat_id)

    async def _show(self, caller: Caller) -> None:
        chat_id, message_id = caller.chat_id, self._boards[caller.chat_id].message_id
        text, rows = await self._draw(caller)
        if self._shown.get(chat_id) == text:
            return
        keyboard = await self._keyboards.build(rows, user_id=caller.user_id, chat_id=chat_id, message_id=message_id)
        edited = Edited.GONE
        if message_id != _NO_MESSAGE:
            edited = await self._courier.edit(chat_id, message_id, text, keyboard, Lane.LIVE)
        if chat_id not in self._boards or self._boards[chat_id].message_id != message_id:
            return  # another live message was started, or this one stopped, while we were editing
        if edited is Edited.GONE:
            await self.start(caller, await self._courier.send(chat_id, text, keyboard, Lane.LIVE, silent=True))
        self._shown[chat_id] = text
