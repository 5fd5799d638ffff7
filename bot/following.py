"""Messages that keep themselves current for a while: the card of an order that was just placed.

What is shown is looked at again after every change, through the dispatcher, so that whoever may no longer see it does
not. It ends with the order, after some time, or when the message shows something else. Nothing of it is stored: after
a restart the message rests as it is, and its Refresh button works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.answer import Answer
from bot.courier import Courier, Edited
from bot.keyboard import Keyboards
from bot.pacing import Lane, Sleep
from bot.people import Caller, Directory
from bot.screen import Nav, Screen
from core.alerts.channel import ChannelDown, ChannelRefused
from core.clock import Clock

SHORTEST_PAUSE = 1.0
_MOST = 50
_log = structlog.get_logger(__name__)

Look = Callable[[Caller, Nav, int], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class _Followed:
    user_id: int
    look: Nav
    until: datetime
    shown: str


class Followers:
    """Keeps the messages of running orders current; `look` runs a looking button of somebody."""

    def __init__(
        self,
        *,
        look: Look,
        courier: Courier,
        keyboards: Keyboards,
        people: Directory,
        clock: Clock,
        seconds: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._look = look
        self._courier = courier
        self._keyboards = keyboards
        self._people = people
        self._clock = clock
        self._length = timedelta(seconds=seconds)
        self._sleep = sleep
        self._followed: dict[tuple[int, int], _Followed] = {}
        self._changed = asyncio.Event()

    @property
    def count(self) -> int:
        """How many messages are followed now."""
        return len(self._followed)

    def shown(self, caller: Caller, message_id: int, screen: Screen) -> None:
        """A message shows `screen` from now on: follow it, or no longer."""
        key = (caller.chat_id, message_id)
        self._followed.pop(key, None)
        if screen.follow is not None and self._length > timedelta(0):
            until = self._clock.now() + self._length
            self._followed[key] = _Followed(caller.user_id, screen.follow, until, _without_stamp(screen))
            self._changed.set()  # it may have moved on since it was drawn
        while len(self._followed) > _MOST:
            self._followed.pop(next(iter(self._followed)))

    async def on_event(self, _: object) -> None:
        """Something may look different now: only a flag is set, so nobody is delayed."""
        self._changed.set()

    async def run(self) -> None:
        """Look again after every change, at most once in `SHORTEST_PAUSE` seconds. Runs until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            for key in tuple(self._followed):
                await self._refresh(key)
            await self._sleep(SHORTEST_PAUSE)

    async def _refresh(self, key: tuple[int, int]) -> None:
        followed = self._followed.get(key)
        if followed is None:
            return
        caller = self._people.find(followed.user_id, key[0])
        if caller is None or self._clock.now() >= followed.until:
            self._followed.pop(key, None)
            return
        try:
            await self._show(caller, key, followed)
        except ChannelDown as down:
            _log.info("the card of an order waits", chat=key[0], reason=str(down))
            self._changed.set()
        except ChannelRefused as refused:
            _log.warning("the card of an order is given up", chat=key[0], reason=str(refused))
            self._followed.pop(key, None)

    async def _show(self, caller: Caller, key: tuple[int, int], followed: _Followed) -> None:
        screen = (await self._look(caller, followed.look, key[1])).screen
        if self._followed.get(key) is not followed:
            return  # the message shows something else by now
        if screen is None or screen.follow is None:
            self._followed.pop(key)
        if screen is None or _without_stamp(screen) == followed.shown:
            return
        if screen.follow is not None:
            self._followed[key] = replace(followed, shown=_without_stamp(screen))
        keyboard = await self._keyboards.build(
            screen.buttons, user_id=caller.user_id, chat_id=caller.chat_id, message_id=key[1]
        )
        if await self._courier.edit(key[0], key[1], screen.text, keyboard, Lane.LIVE) is Edited.GONE:
            self._followed.pop(key, None)


def _without_stamp(screen: Screen) -> str:
    """The text but for its last line, the time that it was drawn."""
    return screen.text.markup.rpartition("\n")[0]
