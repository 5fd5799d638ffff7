"""Everything that leaves for Telegram: paced, with a plain-text fallback, its errors sorted into few kinds.

ChannelDown      for now: network, 5xx, 429 (with the time to wait), a token that is refused
ChannelRefused   for good: blocked by the user, thrown out of the group, no such chat
BadRequest       Telegram's own word about this one call (nothing to change, query too old, …)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeVar

import structlog

os.environ.setdefault("PTB_TIMEDELTA", "1")  # RetryAfter.retry_after as a timedelta, without a warning

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions
from telegram.constants import ChatAction, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot import html
from bot.html import Html
from bot.keyboard import Keyboard
from bot.pacing import Lane, Pacer, Sleep
from bot.screen import CAPTION_LIMIT, TEXT_LIMIT, Document
from core.alerts.channel import ChannelDown, ChannelRefused
from core.redaction import fit_for_chat

T = TypeVar("T")
Attempt = Callable[[int, int | None], Awaitable[T]]  # in a chat, and perhaps a topic of it
_log = structlog.get_logger(__name__)
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_ATTEMPTS = 6
_LONGEST_WAIT = 60.0
_LONGEST_TOPIC = 128
_TOPIC_GONE = ("thread not found", "topic_deleted", "topic_closed", "topic_id_invalid")


class Edited(StrEnum):
    """What became of an edit."""

    CHANGED = "changed"
    SAME = "same"
    GONE = "gone"


class ChatMoved(ChannelRefused):
    """The group goes by another id now."""

    def __init__(self, new_chat_id: int) -> None:
        super().__init__(f"the group was moved to {new_chat_id}")
        self.new_chat_id = new_chat_id


class Chats(Protocol):
    """Who knows where chats are, and hears what sending to them tells."""

    def now_at(self, chat_id: int) -> int:
        """The id that a chat goes by now."""
        ...

    async def moved(self, old: int, new: int) -> None:
        """Telegram says that a group goes by another id."""
        ...

    async def lost(self, chat_id: int, why: str) -> None:
        """A chat takes nothing from us any more."""
        ...

    async def here(self, chat_id: int) -> None:
        """A chat has taken something."""
        ...

    async def topic_gone(self, chat_id: int, thread_id: int) -> None:
        """A topic of a chat takes nothing any more; what was meant for it went to the chat itself."""
        ...


class Courier:
    """Sends and edits messages through the Bot API. `thread_id` is a topic of a forum group."""

    def __init__(self, bot: Bot, pacer: Pacer, sleep: Sleep = asyncio.sleep, chats: Chats | None = None) -> None:
        self._bot = bot
        self._pacer = pacer
        self._sleep = sleep
        self._chats = chats

    async def send(
        self,
        chat_id: int,
        text: Html,
        keyboard: Keyboard,
        lane: Lane,
        *,
        silent: bool = False,
        thread_id: int | None = None,
    ) -> int:
        """Send a text and return its message id."""
        cut = html.cut(text, TEXT_LIMIT)

        async def attempt(chat: int, thread: int | None) -> int:
            async def say(shown: str, mode: ParseMode | None) -> int:
                message = await self._bot.send_message(
                    chat,
                    shown,
                    parse_mode=mode,
                    reply_markup=markup(keyboard),
                    disable_notification=silent,
                    link_preview_options=_NO_PREVIEW,
                    message_thread_id=thread,
                )
                return message.message_id

            return await _html_or_plain(say, cut)

        return await self._call(chat_id, lane, attempt, thread_id)

    async def send_plain(self, chat_id: int, text: str, lane: Lane, *, thread_id: int | None = None) -> int:
        """Send bare text without markup or keyboard, for what could not be shown otherwise; its message id."""

        async def attempt(chat: int, thread: int | None) -> int:
            message = await self._bot.send_message(
                chat,
                fit_for_chat(text)[:TEXT_LIMIT],
                parse_mode=None,
                link_preview_options=_NO_PREVIEW,
                message_thread_id=thread,
            )
            return message.message_id

        return await self._call(chat_id, lane, attempt, thread_id)

    async def send_photo(
        self,
        chat_id: int,
        photo: bytes,
        caption: Html,
        keyboard: Keyboard,
        lane: Lane,
        *,
        thread_id: int | None = None,
    ) -> int:
        """Send a PNG with a caption and return its message id."""
        cut = html.cut(caption, CAPTION_LIMIT)

        async def attempt(chat: int, thread: int | None) -> int:
            async def show(shown: str, mode: ParseMode | None) -> int:
                message = await self._bot.send_photo(
                    chat,
                    InputFile(photo, filename="chart.png"),
                    caption=shown,
                    parse_mode=mode,
                    reply_markup=markup(keyboard),
                    message_thread_id=thread,
                )
                return message.message_id

            return await _html_or_plain(show, cut)

        return await self._call(chat_id, lane, attempt, thread_id)

    async def send_document(self, chat_id: int, document: Document, lane: Lane, *, thread_id: int | None = None) -> int:
        """Send a file and return its message id."""

        async def attempt(chat: int, thread: int | None) -> int:
            file = InputFile(document.data, filename=document.name)
            message = await self._bot.send_document(chat, file, message_thread_id=thread)
            return message.message_id

        return await self._call(chat_id, lane, attempt, thread_id)

    async def create_topic(self, chat_id: int, name: str) -> int:
        """Make a topic in a forum group and return its id; `BadRequest` and `ChannelRefused` say that we may not."""

        async def attempt(chat: int, _: int | None) -> int:
            return (await self._bot.create_forum_topic(chat, name[:_LONGEST_TOPIC])).message_thread_id

        return await self._call(chat_id, Lane.PUSH, attempt, None)

    async def delete(self, chat_id: int, message_id: int) -> bool:
        """Delete a message; False if that is not possible."""
        try:
            return await _sorted(lambda: self._bot.delete_message(chat_id, message_id))
        except (BadRequest, ChannelDown, ChannelRefused) as error:
            _log.info("message not deleted", chat=chat_id, reason=str(error))
            return False

    async def edit(self, chat_id: int, message_id: int, text: Html, keyboard: Keyboard, lane: Lane) -> Edited:
        """Put another text and keyboard in a message's place."""
        cut = html.cut(text, TEXT_LIMIT)

        async def attempt(chat: int, _: int | None) -> Edited:
            async def put(shown: str, mode: ParseMode | None) -> Edited:
                await self._bot.edit_message_text(
                    shown,
                    chat,
                    message_id,
                    parse_mode=mode,
                    reply_markup=markup(keyboard),
                    link_preview_options=_NO_PREVIEW,
                )
                return Edited.CHANGED

            return await _html_or_plain(put, cut)

        try:
            return await self._call(chat_id, lane, attempt, None)
        except BadRequest as error:
            if "not modified" in error.message:
                return Edited.SAME
            _log.info("message cannot be edited", chat=chat_id, message=message_id, reason=error.message)
            return Edited.GONE

    async def drawing(self, chat_id: int, *, thread_id: int | None = None) -> None:
        """Show for a few seconds that a picture is coming; nothing is lost if that is not possible."""
        chat = self._chats.now_at(chat_id) if self._chats else chat_id
        try:
            await _sorted(
                lambda: self._bot.send_chat_action(chat, ChatAction.UPLOAD_PHOTO, message_thread_id=thread_id)
            )
        except (BadRequest, ChannelDown, ChannelRefused) as error:
            _log.info("nothing shown while drawing", chat=chat, reason=str(error))

    async def answer(self, query_id: str, toast: str, *, alert: bool = False) -> bool:
        """Answer a press. False if Telegram says that it is too old, or cannot be asked."""
        shown = fit_for_chat(toast)[:200]
        try:
            await _sorted(lambda: self._bot.answer_callback_query(query_id, shown or None, show_alert=alert))
        except (BadRequest, ChannelDown, ChannelRefused) as error:
            _log.info("press not answered", reason=str(error))
            return False
        return True

    async def pin(self, chat_id: int, message_id: int) -> bool:
        """Pin a message quietly; False if that is not possible."""
        try:
            await _sorted(lambda: self._bot.pin_chat_message(chat_id, message_id, disable_notification=True))
        except (BadRequest, ChannelDown, ChannelRefused) as error:
            _log.info("message not pinned", chat=chat_id, reason=str(error))
            return False
        return True

    async def unpin(self, chat_id: int, message_id: int) -> bool:
        """Take a message from the top of the chat; False if that is not possible."""
        try:
            await _sorted(lambda: self._bot.unpin_chat_message(chat_id, message_id=message_id))
        except (BadRequest, ChannelDown, ChannelRefused) as error:
            _log.info("message not unpinned", chat=chat_id, reason=str(error))
            return False
        return True

    async def _call(self, chat_id: int, lane: Lane, attempt: Attempt[T], thread_id: int | None) -> T:
        """One paced attempt; replies are tried again for a while, as nobody else will repeat them."""
        attempts = _ATTEMPTS if lane is Lane.REPLY else 1
        for number in range(1, attempts + 1):
            chat = self._chats.now_at(chat_id) if self._chats else chat_id
            await self._pacer.acquire(chat, lane)
            try:
                return await self._where_it_is(chat, attempt, thread_id)
            except ChannelDown as down:
                if down.retry_after is not None:
                    self._pacer.block(chat, down.retry_after)
                if number == attempts or (down.retry_after or 0) > _LONGEST_WAIT:
                    raise
                _log.warning("reply waits", chat=chat, reason=str(down), attempt=number)
                await self._sleep(0 if down.retry_after is not None else 2 ** (number - 1))
        raise AssertionError("unreachable")

    async def _where_it_is(self, chat: int, attempt: Attempt[T], thread_id: int | None) -> T:
        """Try, and follow a chat that has moved; what Telegram says of the chat is told to who keeps it in mind."""
        try:
            done = await self._topic_or_chat(chat, attempt, thread_id)
        except ChatMoved as moved:
            if self._chats:
                await self._chats.moved(chat, moved.new_chat_id)
            return await self._topic_or_chat(moved.new_chat_id, attempt, None)
        except ChannelRefused as refused:
            if self._chats:
                await self._chats.lost(chat, str(refused))
            raise
        if self._chats:
            await self._chats.here(chat)
        return done

    async def _topic_or_chat(self, chat: int, attempt: Attempt[T], thread_id: int | None) -> T:
        """Try in the topic; one that is deleted or closed must not swallow a message."""
        try:
            return await _sorted(lambda: attempt(chat, thread_id))
        except BadRequest as error:
            if thread_id is None or not _is_topic_gone(error):
                raise
        if self._chats:
            await self._chats.topic_gone(chat, thread_id)
        return await _sorted(lambda: attempt(chat, None))


def _is_topic_gone(error: BadRequest) -> bool:
    return any(words in error.message.lower() for words in _TOPIC_GONE)


def markup(keyboard: Keyboard) -> InlineKeyboardMarkup | None:
    """A keyboard as Telegram wants it."""
    rows = [
        [InlineKeyboardButton(key.label, url=key.url or None, callback_data=key.data or None) for key in row]
        for row in keyboard.rows
    ]
    return InlineKeyboardMarkup(rows) if rows else None


async def _html_or_plain(attempt: Callable[[str, ParseMode | None], Awaitable[T]], text: Html) -> T:
    """Try with markup; if Telegram cannot parse it, send the bare text at once rather than nothing."""
    try:
        return await attempt(fit_for_chat(text.markup), ParseMode.HTML)
    except BadRequest as error:
        if "parse entities" not in error.message:
            raise
        _log.error("markup refused, sent as plain text", reason=error.message)
        return await attempt(fit_for_chat(text.plain), None)


async def _sorted(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run, with Telegram's errors sorted into the kinds above."""
    try:
        return await attempt()
    except RetryAfter as error:
        raise ChannelDown("Telegram asks to wait", _seconds(error)) from error
    except ChatMigrated as error:
        raise ChatMoved(error.new_chat_id) from error
    except Forbidden as error:
        raise ChannelRefused(error.message) from error
    except InvalidToken as error:  # 401 and 404: somebody mends it, and then nothing must be missing
        raise ChannelDown(f"the bot token is refused: {error.message}") from error
    except BadRequest as error:
        if "chat not found" in error.message.lower() or "deactivated" in error.message.lower():
            raise ChannelRefused(error.message) from error
        raise
    except NetworkError as error:
        raise ChannelDown(f"{type(error).__name__}: {error.message}") from error
    except TelegramError as error:
        raise ChannelDown(error.message) from error


def _seconds(error: RetryAfter) -> float:
    waiting = error.retry_after
    return float(waiting) if isinstance(waiting, int | float) else waiting.total_seconds()
