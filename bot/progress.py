"""Long work shows that it is going on: a message that turns into the answer, or a sign that a picture is coming.

What answers at once costs nothing more: nothing is sent before `PATIENCE` seconds are over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Protocol

import structlog
from telegram.error import TelegramError

from bot import html
from bot.answer import Answer
from bot.figures import span
from bot.html import Html
from bot.people import Caller
from bot.updates import is_group
from core.alerts.channel import ChannelDown, ChannelRefused
from core.clock import Clock

PATIENCE = 1.0  # seconds for which nobody wonders
WORKING = "⏳ Being worked on…"
_STEP = 5.0  # seconds between two signs of life: what is shown as "being typed" lasts as long
_log = structlog.get_logger(__name__)


class Board(Protocol):
    """Where the message about it stands."""

    async def working(self, caller: Caller, text: Html) -> int:
        """Say that something is being worked on; the message's id."""
        ...

    async def still_working(self, caller: Caller, message_id: int, text: Html) -> None:
        """Say it again, in the same message."""
        ...

    async def drawing(self, caller: Caller) -> None:
        """Show that a picture is coming."""
        ...

    async def reply(self, caller: Caller, answer: Answer, instead_of: int | None = None) -> int | None:
        """Show the answer, in the place of a message if there is one."""
        ...


class Progress:
    """Waits for an answer to what was typed, and shows it."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock

    async def show(self, caller: Caller, name: str, work: Coroutine[None, None, Answer], *, draws: bool) -> Answer:
        """Show the answer of `work` once it is there: one message, however long it takes."""
        task = asyncio.ensure_future(work)
        waiting: asyncio.Task[None] | None = None
        said: list[int] = []
        try:
            done, _ = await asyncio.wait({task}, timeout=PATIENCE)
            if not done:
                waiting = asyncio.ensure_future(self._wait(caller, name, said, draws=draws))
            answer = await task
        except BaseException:
            await _ended(task)
            await self._settle(waiting)
            if said:  # the apology, or nothing at all, is said elsewhere
                await self._quietly(self._board.reply(caller, Answer.nothing(), said[0]))
            raise
        await self._settle(waiting)
        await (self._board.reply(caller, answer, said[0]) if said else self._board.reply(caller, answer))
        return answer

    async def _settle(self, waiting: asyncio.Task[None] | None) -> None:
        """Say no more; what is on its way to Telegram arrives first, so that nothing is left behind."""
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _wait(self, caller: Caller, name: str, said: list[int], *, draws: bool) -> None:
        began = self._clock.now()
        while True:
            if draws:
                await self._once(lambda: self._board.drawing(caller))
            elif not said:
                await self._once(lambda: self._begin(caller, name, said))
            elif not is_group(caller.chat_id):  # twenty messages a minute are too few there
                text = _text(name, f" ({span(self._clock.now() - began)})")
                await self._once(lambda: self._board.still_working(caller, said[0], text))  # noqa: B023 - awaited here
            await asyncio.sleep(_STEP)

    async def _begin(self, caller: Caller, name: str, said: list[int]) -> None:
        said.append(await self._board.working(caller, _text(name, "")))

    async def _once(self, call: Callable[[], Awaitable[None]]) -> None:
        """One call to Telegram, which is not cut short: a message that nobody knows of could not be taken back."""
        sending = asyncio.ensure_future(self._quietly(call()))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await sending
            raise

    async def _quietly(self, call: Awaitable[object]) -> None:
        try:
            await call
        except (ChannelDown, ChannelRefused, TelegramError) as error:
            _log.info("progress not shown", reason=str(error))


async def _ended(task: asyncio.Task[Answer]) -> None:
    """Whatever happens here, the work is not left behind alone."""
    if not task.done():
        task.cancel()
        with suppress(BaseException):
            await asyncio.gather(task, return_exceptions=True)


def _text(name: str, since: str) -> Html:
    return html.text("⏳ ", html.bold(name), f" is being worked on{since} …")
