"""Everything that leaves for Telegram: paced, with a plain-text fallback, its errors sorted into few kinds.

ChannelDown      for now: network, 5xx, 429 (with the time to wait), a token that is refused
ChannelRefused   for good: blocked by the user, no such chat
BadRequest       Telegram's own word about this one call (nothing to change, query too old, …)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

import structlog

os.environ.setdefault("PTB_TIMEDELTA", "1")  # RetryAfter.retry_after as a timedelta, without a warning

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions
from telegram.constants import ParseMode
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

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_ATTEMPTS = 6
_LONGEST_WAIT = 60.0


class Edited(StrEnum):
    """What became of an edit."""

    CHANGED = "changed"
    SAME = "same"
    GONE = "gone"


class Courier:
    """Sends and edits messages through the Bot API."""

    def __init__(self, bot: Bot, pacer: Pacer, sleep: Sleep = asyncio.sleep) -> None:
        self._bot = bot
        self._pacer = pacer
        self._sleep = sleep

    async def send(self, chat_id: int, text: Html, keyboard: Keyboard, lane: Lane, *, silent: bool = False) -> int:
        """Send a text and return its message id."""

        async def attempt(shown: str, mode: ParseMode | None) -> int:
            message = await self._bot.send_message(
                chat_id,
                shown,
                parse_mode=mode,
                reply_markup=markup(keyboard),
                disable_notification=silent,
                link_preview_options=_NO_PREVIEW,
            )
            return message.message_id

        return await self._call(chat_id, lane, lambda: _html_or_plain(attempt, html.cut(text, TEXT_LIMIT)))

    async def send_plain(self, chat_id: int, text: str, lane: Lane) -> int:
        """Send bare text without markup or keyboard, for what could not be shown otherwise; its message id."""

        async def attempt() -> int:
            message = await self._bot.send_message(
                chat_id, text[:TEXT_LIMIT], parse_mode=None, link_preview_options=_NO_PREVIEW
            )
            return message.message_id

        return await self._call(chat_id, lane, attempt)

    async def send_photo(self, chat_id: int, photo: bytes, caption: Html, keyboard: Keyboard, lane: Lane) -> int:
        """Send a PNG with a caption and return its message id."""

        async def attempt(shown: str, mode: ParseMode | None) -> int:
            message = await self._bot.send_photo(
                chat_id,
                InputFile(photo, filename="chart.png"),
                caption=shown,
                parse_mode=mode,
                reply_markup=markup(keyboard),
            )
            return message.message_id

        return await self._call(chat_id, lane, lambda: _html_or_plain(attempt, html.cut(caption, CAPTION_LIMIT)))

    async def send_document(self, chat_id: int, document: Document, lane: Lane) -> int:
        """Send a file and return its message id."""

        async def attempt() -> int:
            file = InputFile(document.data, filename=document.name)
            message = await self._bot.send_document(chat_id, file)
            return message.message_id

        return await self._call(chat_id, lane, attempt)

    async def edit(self, chat_id: int, message_id: int, text: Html, keyboard: Keyboard, lane: Lane) -> Edited:
        """Put another text and keyboard in a message's place."""

        async def attempt(shown: str, mode: ParseMode | None) -> Edited:
            await self._bot.edit_message_text(
                shown,
                chat_id,
                message_id,
                parse_mode=mode,
                reply_markup=markup(keyboard),
                link_preview_options=_NO_PREVIEW,
            )
            return Edited.CHANGED

        try:
            return await self._call(chat_id, lane, lambda: _html_or_plain(attempt, html.cut(text, TEXT_LIMIT)))
        except BadRequest as error:
            if "not modified" in error.message:
                return Edited.SAME
            _log.info("message cannot be edited", chat=chat_id, message=message_id, reason=error.message)
            return Edited.GONE

    async def answer(self, query_id: str, toast: str, *, alert: bool = False) -> bool:
        """Answer a press. False if Telegram says that it is too old, or cannot be asked."""
        try:
            await _sorted(lambda: self._bot.answer_callback_query(query_id, toast[:200] or None, show_alert=alert))
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

    async def _call(self, chat_id: int, lane: Lane, attempt: Callable[[], Awaitable[T]]) -> T:
        """One paced attempt; replies are tried again for a while, as nobody else will repeat them."""
        attempts = _ATTEMPTS if lane is Lane.REPLY else 1
        for number in range(1, attempts + 1):
            await self._pacer.acquire(chat_id, lane)
            try:
                return await _sorted(attempt)
            except ChannelDown as down:
                if down.retry_after is not None:
                    self._pacer.block(chat_id, down.retry_after)
                if number == attempts or (down.retry_after or 0) > _LONGEST_WAIT:
                    raise
                _log.warning("reply waits", chat=chat_id, reason=str(down), attempt=number)
                await self._sleep(0 if down.retry_after is not None else 2 ** (number - 1))
        raise AssertionError("unreachable")


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
        return await attempt(text.markup, ParseMode.HTML)
    except BadRequest as error:
        if "parse entities" not in error.message:
            raise
        _log.error("markup refused, sent as plain text", reason=error.message)
        return await attempt(text.plain, None)


async def _sorted(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run, with Telegram's errors sorted into the kinds above."""
    try:
        return await attempt()
    except RetryAfter as error:
        raise ChannelDown("Telegram asks to wait", _seconds(error)) from error
    except (Forbidden, ChatMigrated) as error:
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
