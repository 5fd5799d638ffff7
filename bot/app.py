"""The chat side of the program: builds its parts, starts them, stops them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.channels.telegram import TelegramChannel
from bot.command import discover
from bot.commands.overview import draw_live
from bot.console import ConsoleSession
from bot.courier import Courier
from bot.dispatch import Dispatcher
from bot.following import Followers
from bot.front import Front
from bot.groups import Groups, Members
from bot.html import Html
from bot.intake import Intake, Over, PollingBot, Storing
from bot.keyboard import Keyboards
from bot.live import LiveBoards
from bot.overtaken import Overtaken
from bot.pacing import Budget, Pacer
from bot.people import Caller, People
from bot.people_news import PeopleNews
from bot.reach import Reach
from bot.safeguards import Safeguards
from bot.screen import Rows
from bot.surface import Surface
from bot.token_watch import TokenWatch
from bot.topics import Topics
from bot.webhook import Webhook
from bot.whereabouts import Whereabouts
from bot.worker import Worker
from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.access.tickets import Tickets
from core.access.users import Users
from core.clock import Clock
from core.events import BarsProcessed, Events, FillRecorded, OrderChanged, PeopleChanged, StateChanged, StrategyChanged
from core.service import Quarterdeck
from core.settings import Settings, TelegramSettings
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
        over: Over | None = None,
        warn: Alert | None = None,
        budget: Budget | None = None,
        users: Users | None = None,
        safeguards: Safeguards,
    ) -> None:
        self._service = service
        self._audit = audit
        self._events = events
        self._alert, self._warn, self._over = alert, warn, over
        self._supervisor = supervisor
        self.people = People(settings.users)
        if users is not None:
            users.follow(self.people.replace)
        self._bot, self._requests = _bot(settings)
        self._clock = clock
        self._keyboards = keyboards = Keyboards(tickets)
        self.groups, self.reach = Groups(settings.telegram.groups, memory), Reach(memory, clock)
        self.members = Members(self.people, self.groups)
        self.whereabouts = Whereabouts(
            groups=self.groups,
            reach=self.reach,
            people=self.people,
            audit=audit,
            warn=self._wonder,
            leave=self._leave,
        )
        courier = Courier(self._bot, Pacer(clock, budget), chats=self.whereabouts)
        self.topics = Topics(courier, self.groups, memory)
        self.whereabouts.tell_of_topics(self.topics.gone)
        self.news = PeopleNews(self._bot, courier, self.people, self.groups)
        self.live = LiveBoards(
            draw=self._draw, courier=courier, keyboards=keyboards, memory=memory, people=self.members
        )
        self.whereabouts.follow(self.live.moved)
        self.dispatcher = Dispatcher(
            registry=discover(),
            service=service,
            people=self.members,
            tickets=tickets,
            audit=audit,
            clock=clock,
            safeguards=safeguards,
            ids=lambda: self.people.ids,
        )
        self.channel = TelegramChannel(courier, keyboards, self.people, service, self.topics)
        self.followers = Followers(
            look=self.dispatcher.look_for,
            courier=courier,
            keyboards=keyboards,
            people=self.members,
            clock=clock,
            seconds=settings.manual.follow_seconds,
        )
        surface = Surface(courier, keyboards, memory, self.live, self.followers.shown)
        front = Front(
            self.dispatcher,
            surface,
            clock,
            members=self.members,
            groups=self.groups,
            overtaken=Overtaken(discover(), tickets, audit),
            whereabouts=self.whereabouts,
            audit=audit,
        )
        self.worker = Worker(inbox, front, clock)
        self.intake = self._way_in(settings.telegram, Storing(inbox, self.worker))
        self.token_watch = TokenWatch(
            bot=self._bot,
            memory=memory,
            url=settings.telegram.webhook.url if settings.telegram.webhook else "",
            restore=self._call_us_again,
            alert=self._trouble,
            seconds=settings.telegram.watch_seconds,
        )

        self._parts: dict[str, Callable[[], Awaitable[None]]] = {
            "chat worker": self.worker.run,
            "chat polling": self.intake.run,
            "chat token watch": self.token_watch.run,
            "chat live status": self.live.run,
            "chat order cards": self.followers.run,
            "chat command lists": self.news.run,
        }
        if safeguards.settings.two_person:
            self._parts["chat approvals"] = lambda: self.dispatcher.approving.run(surface.reply)

    async def start(self) -> None:
        """Start everything and return at once; Telegram may be out of reach, it is tried again and again."""
        for kind in (BarsProcessed, FillRecorded, PeopleChanged, StateChanged, StrategyChanged):
            self._events.subscribe(kind, self.live.on_event)
        self._events.subscribe(PeopleChanged, self.news.on_change)
        self._events.subscribe(OrderChanged, self.followers.on_event)
        self._events.subscribe(FillRecorded, self.followers.on_event)
        for kept in (self.groups, self.reach, self.live):
            await kept.load()
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

    def _way_in(self, telegram: TelegramSettings, storing: Storing) -> Intake | Webhook:
        """We ask Telegram, or it calls us."""
        named, alert = self.dispatcher.call_me, self._trouble
        if telegram.webhook is not None:
            return Webhook(
                bot=self._bot, settings=telegram.webhook, storing=storing, clock=self._clock, alert=alert, named=named
            )
        return Intake(
            bot=self._bot,
            storing=storing,
            clock=self._clock,
            poll_seconds=telegram.poll_seconds,
            alert=alert,
            named=named,
            over=self._trouble_over,
        )

    async def _call_us_again(self) -> None:
        """Undo what somebody else did with our token."""
        if isinstance(self.intake, Webhook):
            await self.intake.set()
        else:
            await self._bot.delete_webhook(drop_pending_updates=False)

    async def _wonder(self, title: str, body: str) -> None:
        """Tell of something that people should look at, without waking them."""
        if self._warn:
            await self._warn(title, body)

    async def _leave(self, chat_id: int) -> None:
        """Leave a group in which we have no business."""
        try:
            await self._bot.leave_chat(chat_id)
        except TelegramError as error:
            _log.info("group not left", chat=chat_id, reason=error.message)

    async def _trouble(self, title: str, body: str) -> None:
        """Tell of a trouble with Telegram; if even that cannot be stored, the log has it."""
        try:
            await self._audit.record(SYSTEM, title, body, "failed")
            if self._alert:
                await self._alert(title, body)
        except Exception:  # noqa: BLE001 - the database may be what is in trouble
            _log.exception("a trouble could not be reported", title=title)

    async def _trouble_over(self, title: str) -> None:
        """A trouble that was told of is over; while that cannot be stored, its alert stays open."""
        try:
            if self._over:
                await self._over(title)
        except Exception:  # noqa: BLE001 - the intake goes on whatever the database does
            _log.exception("the end of a trouble could not be told", title=title)


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
