"""Looks now and then whether somebody else uses our token: a webhook that is not ours, or another bot behind it.

Who has the token can read what is sent to the bot and speak in its name; they cannot give commands, for what comes
from elsewhere has no secret of ours. It must be known at once all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from telegram import Bot
from telegram.error import TelegramError

from bot.intake import Raise
from bot.pacing import Sleep
from core.store.chat import ChatMemory

_NOBODY = 0  # no chat has this id
_WHO_KEY = "who we are"
_REVOKE = "If that was none of you, the token has leaked: revoke it with @BotFather (docs/operations.md)."
_log = structlog.get_logger(__name__)


class TokenWatch:
    """`url` is where our own webhook is, empty when we poll; `restore` puts that in force again."""

    def __init__(
        self,
        *,
        bot: Bot,
        memory: ChatMemory,
        url: str,
        restore: Callable[[], Awaitable[object]],
        alert: Raise,
        seconds: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._memory = memory
        self._url = url
        self._restore = restore
        self._alert = alert
        self._seconds = seconds
        self._sleep = sleep

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """Look once; without an answer there is nothing to say."""
        try:
            await self._whose_webhook()
            await self._who_we_are()
        except TelegramError as error:
            _log.info("it could not be looked whether somebody else uses the token", reason=error.message)

    async def _whose_webhook(self) -> None:
        url = (await self._bot.get_webhook_info()).url
        if url == self._url:
            return
        where = urlsplit(url).hostname or "nowhere"
        _log.critical("the webhook is not ours", where=where)
        said = f"Commands were to be sent to {where}. I took that back. {_REVOKE}"
        await self._alert("telegram webhook is not ours", said)
        await self._restore()

    async def _who_we_are(self) -> None:
        me = await self._bot.get_me()
        now = f"{me.id} {me.username}"
        before = await self._memory.get(_NOBODY, _WHO_KEY)
        if now == before:
            return
        await self._memory.put(_NOBODY, _WHO_KEY, now)
        if before:
            await self._alert("telegram bot has changed", f"It was {before}, now it is {now}. {_REVOKE}")
