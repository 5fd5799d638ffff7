"""The chat side of the program: builds its parts, starts them, stops them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

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
from core.supervision import Supervisor

Alert = Callable[[str, str], Awaitable[None]]
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
        supervisor: Supervisor,
        alert: Alert | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._service = service
        self._audit = audit
        self._events = events
        self._alert = alert
        self._supervisor = supervisor
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
            named=self.dispatcher.call_me,
        )

        self._parts: dict[str, Callable[[], Awaitable[None]]] = {
            "chat worker": self.worker.run,
            "chat polling": self.intake.run,
            "chat live status": self.live.run,
            "chat command lists": self._tell_commands,
        }

    async def start(self) -> None:
        """Start everything and return at once; Telegram may be out of reach, it is tried again and again."""
        for kind in (BarsProcessed, FillRecorded, StateChanged, StrategyChanged):
            self._events.subscribe(kind, self.live.on_event)
        await self.live.load()
        for name, part in self._parts.items():
            self._supervisor.run(name, part)

    async def stop(self) -> None:
        """Stop polling, let running commands end, close the connections."""
        async with AsyncExitStack() as last_to_first:
            for request in self._requests:
                last_to_first.push_async_callback(request.shutdown)
            last_to_first.push_async_callback(self.worker.stop)
            last_to_first.push_async_callback(self._supervisor.stop, *self._parts)

    def console_session(self) -> ConsoleSession:
        """A new terminal session over the same dispatcher, for `ConsoleServer`."""
        return ConsoleSession(self.dispatcher, self._keyboards, self._clock)

    async def _draw(self, caller: Caller) -> tuple[Html, Rows]:
        return await draw_live(self._service, caller)

    async def _trouble(self, title: str, body: str) -> None:
        """Tell of a trouble with Telegram; if even that cannot be stored, the log has it."""
        try:
            await self._audit.record(SYSTEM, title, body, "failed")
            if self._alert:
                await self._alert(title, body)
        except Exception:  # noqa: BLE001 - the database may be what is in trouble
            _log.exception("a trouble could not be reported", title=title)

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
