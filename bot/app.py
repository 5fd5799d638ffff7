"""The chat side of the program: builds its parts, starts them, stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from telegram import BotCommand, BotCommandScopeChat
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.channels.telegram import TelegramChannel
from bot.command import REGISTRY, discover
from bot.commands.overview import draw_live
from bot.console import ConsoleSession
from bot.courier import Courier
from bot.dispatch import Dispatcher
from bot.front import Front
from bot.html import Html
from bot.intake import Intake, PollingBot
from bot.keyboard import Keyboards
from bot.live import LiveBoards
from bot.pacing import Budget, Pacer
from bot.people import Caller, People
from bot.screen import Rows
from bot.surface import Surface
from bot.worker import Worker
from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.access.tickets import Tickets
from core.clock import Clock
from core.events import BarsProcessed, Events, FillRecorded, StateChanged, StrategyChanged
from core.service import Quarterdeck
from core.settings import Settings
from core.store.chat import ChatMemory
from core.store.inbox import Inbox

Alert = Callable[[str, str], Awaitable[None]]
_RESTART_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
_log = structlog.get_logger(__name__)


class ChatApp:
    """Quarterdeck in Telegram. `alert(title, body)` is called for troubles that need another channel."""

    def __init__(
        self,
        *,
        settings: Settings,
        service: Quarterdeck,
        inbox: Inbox,
        tickets: Tickets,
        audit: Audit,
        memory: ChatMemory,
        events: Events,
        clock: Clock,
        alert: Alert | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._service = service
        self._audit = audit
        self._events = events
        self._alert = alert
        self._tasks: list[asyncio.Task[None]] = []
        self.people = People(settings.users)
        self._bot, self._requests = _bot(settings)
        self._clock = clock
        self._keyboards = keyboards = Keyboards(tickets)
        courier = Courier(self._bot, Pacer(clock, budget))
        self.live = LiveBoards(draw=self._draw, courier=courier, keyboards=keyboards, memory=memory, people=self.people)
        self.dispatcher = Dispatcher(
            registry=discover(),
            service=service,
            people=self.people,
            tickets=tickets,
            audit=audit,
            clock=clock,
        )
        self.channel = TelegramChannel(courier, keyboards, self.people, service)
        self.worker = Worker(
            inbox, Front(self.dispatcher, Surface(courier, keyboards, memory, self.live), clock), clock
        )
        self.intake = Intake(
            bot=self._bot,
            inbox=inbox,
            clock=clock,
            poll_seconds=settings.telegram.poll_seconds,
            receiver=self.worker,
            alert=self._trouble,
        )

    async def start(self) -> None:
        """Start everything and return at once; Telegram may be out of reach, it is tried again and again."""
        for kind in (BarsProcessed, FillRecorded, StateChanged, StrategyChanged):
            self._events.subscribe(kind, self.live.on_event)
        await self.live.load()
        for name, part in (
            ("worker", self.worker.run),
            ("intake", self.intake.run),
            ("live", self.live.run),
            ("command list", self._tell_commands),
        ):
            self._tasks.append(asyncio.create_task(self._supervise(name, part), name=f"chat {name}"))

    async def stop(self) -> None:
        """Stop polling, let running commands end, close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.worker.stop()
        for request in self._requests:
            await request.shutdown()

    def console_session(self) -> ConsoleSession:
        """A new terminal session over the same dispatcher, for `ConsoleServer`."""
        return ConsoleSession(self.dispatcher, self._keyboards, self._clock)

    async def _draw(self, caller: Caller) -> tuple[Html, Rows]:
        return await draw_live(self._service, caller)

    async def _supervise(self, name: str, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a part until it ends by itself; a fault is reported and the part started again."""
        pause = _RESTART_PAUSE
        while True:
            try:
                await part()
            except Exception as error:  # noqa: BLE001 - supervision: a part that dies is reported and restarted
                _log.exception("a part of the chat failed and is started again", part=name)
                await self._trouble(f"chat {name} failed", f"{type(error).__name__}; it is started again.")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    async def _trouble(self, title: str, body: str) -> None:
        await self._audit.record(SYSTEM, title, body, "failed")
        if self._alert:
            await self._alert(title, body)

    async def _tell_commands(self) -> None:
        """Give every user the `/` list of their role."""
        for user_id in self.people.ids:
            await self._tell_commands_to(user_id)

    async def _tell_commands_to(self, user_id: int) -> None:
        caller = self.people.find(user_id, user_id)
        if caller is None:
            return
        commands = [BotCommand(one.name, one.title) for one in REGISTRY.allowed(caller.actor)]
        try:
            await self._bot.set_my_commands(commands, scope=BotCommandScopeChat(user_id))
        except TelegramError as error:  # cosmetic: the user may not have opened the chat yet
            _log.info("command list not set", user=user_id, reason=error.message)


def _bot(settings: Settings) -> tuple[PollingBot, tuple[HTTPXRequest, HTTPXRequest]]:
    """The client and its connections: polling has its own, so that it never waits for a free one."""
    telegram = settings.telegram
    calls = HTTPXRequest(connection_pool_size=32, connect_timeout=10, read_timeout=15, pool_timeout=10)
    polls = HTTPXRequest(connection_pool_size=1, connect_timeout=10, pool_timeout=10)
    bot = PollingBot(
        telegram.token.get_secret_value(),
        base_url=telegram.base_url,
        base_file_url=telegram.base_file_url,
        request=calls,
        get_updates_request=polls,
    )
    return bot, (calls, polls)
