"""The durable intake: an update is stored before Telegram hears that we have it.

Telegram forgets an update once a later `getUpdates` asks for the next one, so the order here is: poll,
commit, and only then poll again with the new offset. A process dying in between gets it once more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from telegram import Bot
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.pacing import Sleep
from core.clock import Clock
from core.store.inbox import Inbox

ALLOWED = ["message", "callback_query", "my_chat_member"]
DOUBTFUL_AFTER = 30.0  # seconds without a poll, after which a press may be old: Telegram gives presses no time
_FULL = 100  # updates in an answer when Telegram has more
_MORE_WITHIN = 5.0
_LONGEST_PAUSE = 5.0  # a halt must not wait longer than that once Telegram is back
_CONFLICT_PAUSE = 5.0
_CONFLICT_AGAIN = timedelta(minutes=5)
_TOKEN_PAUSE = 60.0
_STORE_PAUSE = 1.0
_log = structlog.get_logger(__name__)

_OUTAGE_TOLD = timedelta(seconds=60)

Raise = Callable[[str, str], Awaitable[None]]
Over = Callable[[str], Awaitable[None]]

_OUTAGE = "telegram cannot be reached"
_SUSPECTS = (
    "Look for a second Quarterdeck with this token: an old server, a container, somebody's own computer. "
    "If none of yours runs, the token has leaked: revoke it with @BotFather."
)


class Receiver(Protocol):
    """Who works off what comes in."""

    def doubt(self, update_ids: Sequence[int]) -> None:
        """These updates are about to be stored, and presses among them may be old."""
        ...

    def received(self, *, more_within: float = 0) -> None:
        """Updates have been stored, and more may come within so many seconds."""
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


def _nothing() -> None:
    """Nobody wants to know."""


class NotStored(Exception):
    """The inbox could not store what came; Telegram keeps it until it can."""


class Storing:
    """Commits what came, and only then tells of it."""

    def __init__(self, inbox: Inbox, receiver: Receiver) -> None:
        self._inbox = inbox
        self._receiver = receiver

    async def take(self, updates: Sequence[Mapping[str, Any]], *, doubtful: bool, more_within: float = 0) -> None:
        """Return once they are on the disk. Raises `NotStored`; a halt among them is run all the same."""
        rows = [(int(update["update_id"]), json.dumps(update)) for update in updates]
        if doubtful:
            self._receiver.doubt([number for number, _ in rows])
        try:
            await self._inbox.append(rows)
        except Exception as error:
            self._receiver.not_stored(rows)
            raise NotStored(f"{type(error).__name__}: {error}") from error
        self._receiver.received(more_within=more_within)

    def nothing_more(self) -> None:
        """Telegram has nothing more for us."""
        self._receiver.received()


class Intake:
    """Polls, stores, and tells the receiver that something came."""

    def __init__(
        self,
        *,
        bot: PollingBot,
        storing: Storing,
        clock: Clock,
        poll_seconds: int,
        alert: Raise,
        named: Callable[[str], None] = lambda _: None,
        sleep: Sleep = asyncio.sleep,
        over: Over | None = None,
    ) -> None:
        self._bot = bot
        self._over = over  # told the title of each alert whose cause is over
        self._told: set[str] = set()
        self._out_since: datetime | None = None
        self._storing = storing
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._alert = alert
        self._named = named
        self._sleep = sleep
        self._offset: int | None = None
        self._more = False
        self._failures = 0
        self._trouble = ""
        self._conflict_told: datetime | None = None
        self._polled_at = clock.now()
        self._ever_polled = False
        self.on_turn: Callable[[], None] = _nothing  # told each time it comes round,
        self.on_answer: Callable[[], None] = _nothing  # and each time Telegram has answered

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
        """One poll: what it brings is committed before this returns.

        An empty answer has acknowledged all that came before; then no offset is named again. Telegram numbers updates
        anew after a quiet week, and may then begin below what we would have asked for.
        """
        seconds = 0 if self._more else self._poll_seconds
        updates = await self._bot.poll(offset=self._offset, timeout=seconds)
        now = self._clock.now()
        gap = (now - self._polled_at).total_seconds() - self._poll_seconds
        doubtful = not self._ever_polled or gap > DOUBTFUL_AFTER or self._more
        self._polled_at, self._ever_polled = now, True
        self._more = len(updates) >= _FULL
        if updates:
            await self._storing.take(updates, doubtful=doubtful, more_within=_MORE_WITHIN if self._more else 0)
            self._offset = max(int(update["update_id"]) for update in updates) + 1
        else:
            self._offset = None
            self._storing.nothing_more()

    async def _until_it_works(self, attempt: Callable[[], Awaitable[Any]]) -> None:
        while True:
            self.on_turn()
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
                await self._well_again()
                self.on_answer()
                return

    async def _wrong_token(self) -> None:
        """It may be us, but Telegram and what is in between have answered so by mistake as well: go on asking."""
        if self._trouble != "token":
            self._trouble = "token"
            _log.critical("Telegram refuses the bot token: put the right one into the settings and start again")
            await self._raise("telegram token refused", "Telegram refuses the bot token. Nobody can command by chat.")
        await self._sleep(_TOKEN_PAUSE)

    async def _full(self, error: NotStored) -> None:
        if self._trouble != "storage":
            self._trouble = "storage"
            _log.critical("commands cannot be stored: only a halt is obeyed", reason=str(error))
            await self._raise("commands cannot be stored", f"{error}. Of what comes by chat only a halt is obeyed.")
        await self._sleep(_STORE_PAUSE)

    async def _conflict(self, error: Conflict) -> None:
        """Somebody else takes our updates, by turns with us: told at once, and again for as long as it lasts."""
        self._trouble = "conflict"
        now = self._clock.now()
        if self._conflict_told is None or now - self._conflict_told >= _CONFLICT_AGAIN:
            self._conflict_told = now
            _log.critical("another program polls with this bot token", reason=error.message)
            await self._raise("telegram conflict", await self._rival(error))
        await self._sleep(_CONFLICT_PAUSE)

    async def _rival(self, error: Conflict) -> str:
        """What somebody else does with our token. A webhook is taken away, so that commands come to us again."""
        if "webhook" not in error.message.lower():
            return f"Another program uses this bot token, and each takes the other's commands. {_SUSPECTS}"
        url = ""
        with suppress(TelegramError):
            url = (await self._bot.get_webhook_info()).url
            await self._bot.delete_webhook(drop_pending_updates=False)
        where = urlsplit(url).hostname or "an unknown place"
        return (
            f"Another program uses this bot token: it had our commands sent to {where}. I took that back. {_SUSPECTS}"
        )

    async def _raise(self, title: str, body: str) -> None:
        await self._alert(title, body)
        self._told.add(title)

    async def _tell_of_outage(self, error: TelegramError) -> None:
        """Once, after a minute: over the channels beside Telegram, for it is away."""
        now = self._clock.now()
        self._out_since = self._out_since or now
        if now - self._out_since > _OUTAGE_TOLD and _OUTAGE not in self._told:
            since = f"since {self._out_since:%H:%M:%S} UTC ({error.message})"
            await self._raise(_OUTAGE, f"No command comes in by chat {since}. The console, signals and HALT work.")

    async def _outage(self, error: TelegramError) -> None:
        self._failures += 1
        await self._tell_of_outage(error)
        if self._failures == 1:
            self._trouble = "outage"
            _log.warning("Telegram cannot be reached; trying again", reason=error.message)
        pause = min(_LONGEST_PAUSE, 0.25 * 2 ** min(self._failures, 10))
        if isinstance(error, RetryAfter):
            waiting = error.retry_after
            pause = float(waiting) if isinstance(waiting, int | float) else waiting.total_seconds()
        await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        """A pause that Telegram asked for may last an hour: it is no hang, so we come round meanwhile."""
        while seconds > _LONGEST_PAUSE:
            await self._sleep(_LONGEST_PAUSE)
            self.on_turn()
            seconds -= _LONGEST_PAUSE
        await self._sleep(seconds)

    async def _well_again(self) -> None:
        if self._trouble:
            _log.info("Telegram answers again", failures=self._failures)
        self._failures, self._trouble, self._out_since = 0, "", None
        if self._conflict_told and self._clock.now() - self._conflict_told < _CONFLICT_AGAIN:
            return  # a rival takes turns with us: between two conflicts every other poll succeeds
        for title in sorted(self._told):
            if self._over:
                await self._over(title)
        self._told.clear()
