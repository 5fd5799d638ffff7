"""The durable intake: an update is stored before Telegram hears that we have it.

Telegram forgets an update once a later `getUpdates` asks for the next one, so the order here is: poll,
commit, and only then poll again with the new offset. A process dying in between gets it once more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from telegram import Bot
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.pacing import Sleep
from core.clock import Clock
from core.store.inbox import Inbox

ALLOWED = ["message", "callback_query"]
DOUBTFUL_AFTER = 30.0  # seconds without a poll, after which a press may be old: Telegram gives presses no time
_LONGEST_PAUSE = 30.0
_CONFLICT_PAUSE = 5.0
_TOKEN_PAUSE = 60.0
_STORE_PAUSE = 1.0
_log = structlog.get_logger(__name__)

Raise = Callable[[str, str], Awaitable[None]]


class Receiver(Protocol):
    """Who works off what comes in."""

    def doubt(self, update_ids: Sequence[int]) -> None:
        """These updates are about to be stored, and presses among them may be old."""
        ...

    def received(self) -> None:
        """Updates have been stored."""
        ...

    def not_stored(self, updates: Sequence[tuple[int, str]]) -> None:
        """These updates could not be stored: a halt among them is run all the same. They will come again."""
        ...


class PollingBot(Bot):
    """A bot that hands out updates as Telegram wrote them: parsing one must never lose the others."""

    async def poll(self, *, offset: int | None, timeout: int) -> list[Mapping[str, Any]]:  # noqa: ASYNC109 - Telegram's word for long polling
        """Updates from `offset` on; waits up to `timeout` seconds for the first."""
        data = {"offset": offset, "timeout": timeout, "allowed_updates": ALLOWED}
        result: list[Mapping[str, Any]] = await self._post("getUpdates", data, read_timeout=timeout + 10)
        return result


class NotStored(Exception):
    """The inbox could not store what came; Telegram keeps it until it can."""


class Intake:
    """Polls, stores, and tells the receiver that something came."""

    def __init__(
        self,
        *,
        bot: PollingBot,
        inbox: Inbox,
        clock: Clock,
        poll_seconds: int,
        receiver: Receiver,
        alert: Raise,
        named: Callable[[str], None] = lambda _: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._inbox = inbox
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._receiver = receiver
        self._alert = alert
        self._named = named
        self._sleep = sleep
        self._offset: int | None = None
        self._failures = 0
        self._trouble = ""
        self._polled_at = clock.now()
        self._ever_polled = False

    @property
    def trouble(self) -> str:
        """Why no commands come in at present; empty when all is well."""
        return self._trouble

    async def run(self) -> None:
        """Poll until cancelled.

        The first poll names no offset: it brings all that Telegram still holds, stored or not, and the inbox
        ignores what it has. Ids start anew at random after a quiet week; an old offset could then lose some.
        """
        await self._until_it_works(self._introduce)
        await self._until_it_works(lambda: self._bot.delete_webhook(drop_pending_updates=False))
        while True:
            await self._until_it_works(self.poll_once)

    async def _introduce(self) -> None:
        """Learn our own name: a command that is meant for another bot is not for us."""
        self._named((await self._bot.get_me()).username or "")

    async def poll_once(self) -> None:
        """One poll: what it brings is committed before this returns."""
        updates = await self._bot.poll(offset=self._offset, timeout=self._poll_seconds)
        now = self._clock.now()
        gap = (now - self._polled_at).total_seconds() - self._poll_seconds
        doubtful = not self._ever_polled or gap > DOUBTFUL_AFTER
        self._polled_at, self._ever_polled = now, True
        if updates:
            ids = [int(update["update_id"]) for update in updates]
            if doubtful:
                self._receiver.doubt(ids)
            await self._store([(number, json.dumps(raw)) for number, raw in zip(ids, updates, strict=True)])
            self._offset = max(ids) + 1
            self._receiver.received()

    async def _store(self, updates: Sequence[tuple[int, str]]) -> None:
        try:
            await self._inbox.append(updates)
        except Exception as error:
            self._receiver.not_stored(updates)
            raise NotStored(f"{type(error).__name__}: {error}") from error

    async def _until_it_works(self, attempt: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await attempt()
            except NotStored as error:
                await self._full(error)
            except InvalidToken:
                await self._wrong_token()
            except Conflict as error:
                await self._conflict(error)
            except TelegramError as error:
                await self._outage(error)
            else:
                self._well_again()
                return

    async def _wrong_token(self) -> None:
        """It may be us, but Telegram and what is in between have answered so by mistake as well: go on asking."""
        if self._trouble != "token":
            self._trouble = "token"
            _log.critical("Telegram refuses the bot token: put the right one into the settings and start again")
            await self._alert("telegram token refused", "Telegram refuses the bot token. Nobody can command by chat.")
        await self._sleep(_TOKEN_PAUSE)

    async def _full(self, error: NotStored) -> None:
        if self._trouble != "storage":
            self._trouble = "storage"
            _log.critical("commands cannot be stored: only a halt is obeyed", reason=str(error))
            await self._alert("commands cannot be stored", f"{error}. Of what comes by chat only a halt is obeyed.")
        await self._sleep(_STORE_PAUSE)

    async def _conflict(self, error: Conflict) -> None:
        if self._trouble != "conflict":
            self._trouble = "conflict"
            _log.critical("another program polls with this bot token", reason=error.message)
            await self._alert(
                "telegram conflict",
                "Another program uses this bot token, and each takes the other's commands. Stop it, "
                "or revoke the token with @BotFather if it is not yours.",
            )
        await self._sleep(_CONFLICT_PAUSE)

    async def _outage(self, error: TelegramError) -> None:
        self._failures += 1
        if self._failures == 1:
            self._trouble = "outage"
            _log.warning("Telegram cannot be reached; trying again", reason=error.message)
        pause = min(_LONGEST_PAUSE, 0.5 * 2 ** min(self._failures, 10))
        if isinstance(error, RetryAfter):
            waiting = error.retry_after
            pause = float(waiting) if isinstance(waiting, int | float) else waiting.total_seconds()
        await self._sleep(pause)

    def _well_again(self) -> None:
        if self._trouble:
            _log.info("Telegram answers again", failures=self._failures)
        self._failures, self._trouble = 0, ""
