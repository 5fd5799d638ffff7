"""Shows an answer in a Telegram chat: as a new message, or in place of the one whose button was pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from bot import html, notices
from bot.courier import Courier, Edited
from bot.dispatch import Answer
from bot.html import Html
from bot.keyboard import Keyboard, Keyboards
from bot.live import LiveBoards
from bot.pacing import Lane
from bot.people import Caller
from bot.screen import CAPTION_LIMIT, Live, Screen
from bot.updates import Pressed, Typed
from core.alerts.channel import ChannelRefused
from core.store.chat import ChatMemory

Follow = Callable[[Caller, int, Screen], None]

MENU_KEY = "menu"
_NO_KEYS = Keyboard()


def _rest(_caller: Caller, _message_id: int, _screen: Screen) -> None:
    """No message keeps itself current."""


class Surface:
    """One chat program's way of showing screens."""

    def __init__(
        self, courier: Courier, keyboards: Keyboards, memory: ChatMemory, live: LiveBoards, follow: Follow = _rest
    ) -> None:
        self._courier = courier
        self._keyboards = keyboards
        self._memory = memory
        self._live = live
        self._follow = follow

    async def reply(self, caller: Caller, answer: Answer, instead_of: int | None = None) -> int | None:
        """Show the answer to a typed command; in place of a message of ours, if there is one. The new message's id."""
        shown = None
        if instead_of is not None:
            await self._instead(caller, answer.screen, instead_of)
        elif answer.screen:
            shown = await self._post(caller, answer.screen)
        await self._in_private(caller, answer)
        return shown

    async def _in_private(self, caller: Caller, answer: Answer) -> None:
        """What is for nobody else goes to the person's own chat."""
        if answer.private is None:
            return
        try:
            await self._post(replace(caller, chat_id=caller.user_id, thread_id=None), answer.private)
        except ChannelRefused:
            await self._post(caller, notices.no_way_in_private())

    async def _instead(self, caller: Caller, screen: Screen | None, message_id: int) -> None:
        """Turn a message into the answer; what cannot be turned into it goes, once the answer is there."""
        if screen is None or screen.has_media or screen.live is Live.START:
            if screen is not None:
                await self._post(caller, screen)
            await self._courier.delete(caller.chat_id, message_id)
        else:
            await self._edit(caller, screen, message_id)

    async def working(self, caller: Caller, text: Html) -> int:
        """Say that something is being worked on; the message's id."""
        return await self._courier.send(
            caller.chat_id, text, _NO_KEYS, Lane.REPLY, silent=True, thread_id=caller.thread_id
        )

    async def still_working(self, caller: Caller, message_id: int, text: Html) -> None:
        """Say it again, in the same message."""
        await self._courier.edit(caller.chat_id, message_id, text, _NO_KEYS, Lane.LIVE)

    async def drawing(self, caller: Caller) -> None:
        """Show that a picture is coming."""
        await self._courier.drawing(caller.chat_id, thread_id=caller.thread_id)

    async def forget(self, typed: Typed) -> None:
        """Delete what somebody wrote, if Telegram lets us."""
        await self._courier.delete(typed.chat_id, typed.message_id)

    async def respond(self, caller: Caller, pressed: Pressed, answer: Answer) -> None:
        """Show the answer to a press; its toast does not wait for the screen."""
        await asyncio.gather(
            self._courier.answer(pressed.query_id, answer.toast, alert=answer.alert),
            self._replace(caller, pressed, answer),
        )
        await self._in_private(caller, answer)

    async def toast(self, pressed: Pressed, said: str) -> None:
        """Answer a press with a few words, for nobody but who pressed."""
        await self._courier.answer(pressed.query_id, said, alert=True)

    async def confirm(self, pressed: Pressed, said: str = "") -> bool:
        """Answer a press now. False if Telegram no longer takes the answer: the press is old."""
        return await self._courier.answer(pressed.query_id, said)

    async def replace(self, caller: Caller, pressed: Pressed, answer: Answer) -> None:
        """Show the screen of a press that has been answered already."""
        await self._replace(caller, pressed, answer)
        await self._in_private(caller, answer)

    async def _replace(self, caller: Caller, pressed: Pressed, answer: Answer) -> None:
        screen = answer.screen
        if screen is None:
            return
        if screen.has_media or answer.fresh or not pressed.editable or screen.live is Live.START:
            await self._post(caller, screen)
            return
        await self._edit(caller, screen, pressed.message_id)

    async def _edit(self, caller: Caller, screen: Screen, message_id: int) -> None:
        keyboard = await self._keyboards.build(
            screen.buttons, user_id=caller.user_id, chat_id=caller.chat_id, message_id=message_id
        )
        edited = await self._courier.edit(caller.chat_id, message_id, screen.text, keyboard, Lane.REPLY)
        if edited is Edited.GONE:
            await self._post(caller, screen)
        else:
            await self._after(caller, screen, message_id)

    async def _post(self, caller: Caller, screen: Screen) -> int:
        chat_id = caller.chat_id
        keyboard = await self._keyboards.build(screen.buttons, user_id=caller.user_id, chat_id=chat_id, message_id=None)
        message_id = await self._send(caller, screen, keyboard)
        await self._keyboards.bind(keyboard, message_id)
        await self._after(caller, screen, message_id)
        return message_id

    async def _send(self, caller: Caller, screen: Screen, keyboard: Keyboard) -> int:
        """The file first, so that the message with the buttons is the last one."""
        chat_id, thread = caller.chat_id, caller.thread_id
        if screen.document:
            await self._courier.send_document(chat_id, screen.document, Lane.REPLY, thread_id=thread)
        if screen.photo and html.length(screen.text) <= CAPTION_LIMIT:
            return await self._courier.send_photo(
                chat_id, screen.photo, screen.text, keyboard, Lane.REPLY, thread_id=thread
            )
        if screen.photo:
            await self._courier.send_photo(chat_id, screen.photo, html.EMPTY, _NO_KEYS, Lane.REPLY, thread_id=thread)
        return await self._courier.send(chat_id, screen.text, keyboard, Lane.REPLY, thread_id=thread)

    async def _after(self, caller: Caller, screen: Screen, message_id: int) -> None:
        if screen.menu:
            await self._memory.put(caller.chat_id, MENU_KEY, str(message_id))
        self._follow(caller, message_id, screen)
        if screen.live is Live.START:
            await self._live.start(caller, message_id)
        elif screen.live is Live.STOP:
            await self._live.stop(caller.chat_id)
