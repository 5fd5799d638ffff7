"""The whole program: engine, chat and console put together, started and stopped in order."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import structlog

from bot.app import ChatApp
from bot.channels.building import channels_beside_telegram
from bot.console import ConsoleSession
from bot.console_server import ConsoleServer
from bot.pacing import Budget
from bot.panic import PanicSignal
from bot.safeguards import Safeguards
from brokers.network import OPEN, Network
from core.access.enrolling import Enrolment
from core.access.rates import Rates
from core.access.roles import CONSOLE
from core.alerts.channel import Channel, Severity
from core.alerts.outbox import Alert
from core.engine import Engine
from core.pauses import rare_pauses
from core.progress import CHAT
from core.service import Quarterdeck
from core.settings import Settings
from core.store.instance_lock import InstanceLock
from core.trading.switch import GLOBAL

log = structlog.get_logger(__name__)

_FLAG_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Program:
    """One running Quarterdeck."""

    def __init__(
        self, settings: Settings, *, budget: Budget | None = None, durable: bool = True, network: Network = OPEN
    ) -> None:
        self.engine = Engine(settings, durable=durable, network=network)
        self._lock = InstanceLock(settings.data_dir)
        self.service = Quarterdeck(self.engine)
        self._panic = PanicSignal(self.service.halt, self.engine.halt_flag)
        self.chat = ChatApp(
            settings=settings,
            service=self.service,
            inbox=self.engine.inbox,
            tickets=self.engine.tickets,
            audit=self.engine.audit,
            memory=self.engine.memory,
            events=self.engine.events,
            clock=self.engine.clock,
            supervisor=self.engine.supervisor,
            alert=self._alert,
            warn=self._warn,
            over=self._over,
            budget=budget,
            users=self.engine.users,
            safeguards=self._safeguards(),
        )
        engine = self.engine
        engine.alerts.is_lost = self._is_lost
        self.chat.reach.listen(self._chat_lost)
        enrolment = Enrolment(engine.users, engine.factors, engine.audit, self._tell_of_factor)
        self._console = ConsoleServer(settings.data_dir, self._session, enrolment)

    def _safeguards(self) -> Safeguards:
        engine, security = self.engine, self.engine.settings.security
        return Safeguards(engine.factors, engine.approvals, Rates(engine.clock, security), security)

    async def start(self) -> None:
        """Recover and run. Raises `SettingsError` for what a person must mend; then nothing is left running."""
        self._lock.take()
        self._panic.listen()
        try:
            await self.engine.start()
            self.engine.supervisor.run("halt flag", self._watch_flag)
            self._panic.is_up = True
            for channel in (self.chat.channel, *self._other_channels()):
                self.engine.outbox.use(channel)
            part = self.engine.progress.part(CHAT)
            self.chat.intake.on_turn, self.chat.intake.on_answer = part.turned, part.got_on
            await self.chat.start()
            await self._console.start()
            self.engine.vigil.start()
        except BaseException:
            try:
                await self.stop()
            except Exception:  # what kept it from starting is what counts
                log.exception("a part did not stop after a failed start")
            raise

    async def stop(self) -> None:
        """Stop in good order: no more commands, then no more trading, then the books are closed.

        A part that fails to stop keeps none of the others from it; its error is raised at the end.
        """
        async with AsyncExitStack() as last_to_first:
            last_to_first.callback(self._lock.release)
            last_to_first.push_async_callback(self._panic.close)
            last_to_first.callback(self.engine.vigil.stop)
            last_to_first.push_async_callback(self.engine.stop)
            last_to_first.push_async_callback(self.chat.stop)
            last_to_first.push_async_callback(self._console.stop)
            last_to_first.callback(self.engine.vigil.stopping)

    async def run(self) -> None:
        """Start, run until SIGINT or SIGTERM, stop."""
        await self.start()
        self.engine.vigil.guard()
        try:
            await self.until_told()
        finally:
            await self.stop()

    async def until_told(self) -> None:
        """Return at SIGINT or SIGTERM; the next of them ends the program at once, should it not stop by itself."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in _SIGNALS:
            loop.add_signal_handler(number, told.set)
        try:
            with rare_pauses():
                await told.wait()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        log.info("stopping")

    async def _watch_flag(self) -> None:
        """Obey the file HALT while the program runs: one that was left during the start, or by hand."""
        engine, flag = self.engine, self.engine.halt_flag
        while True:
            if (reason := flag.news()) is not None:
                log.critical("the halt flag was found", reason=reason)
                await self.service.halt(CONSOLE, reason)
                flag.obeyed()
            if engine.switch.is_saved(GLOBAL):
                flag.clear()
            await asyncio.sleep(_FLAG_SECONDS)

    async def _tell_of_factor(self, text: str) -> None:
        """Whoever sits at the console can give themselves anybody's second factor: so everybody hears of it."""
        await self.engine.alerts.add(Alert("people", Severity.WARNING, "A new second factor", text))

    def _other_channels(self) -> tuple[Channel, ...]:
        engine = self.engine
        return channels_beside_telegram(engine.settings, lambda: engine.users.people, engine.clock, self.service.report)

    def _session(self) -> ConsoleSession:
        return self.chat.console_session()

    async def _warn(self, title: str, body: str) -> None:
        await self.engine.alerts.add(Alert("chat", Severity.WARNING, title, body))

    async def _alert(self, title: str, body: str) -> None:
        await self.engine.alerts.add(Alert("chat", Severity.CRITICAL, title, body, key=f"chat:{title}"))

    async def _over(self, title: str) -> None:
        await self.engine.alerts.close(f"chat:{title}", "commands come in again")

    def _is_lost(self, channel: str, recipient: str) -> bool:
        """Whether a chat takes nothing: routing goes around it without waiting for a refusal."""
        return channel == "telegram" and recipient.lstrip("-").isdigit() and self.chat.reach.is_lost(int(recipient))

    async def _chat_lost(self, chat_id: int, why: str) -> None:
        if why and chat_id > 0:  # of groups the chat side tells itself
            await self.engine.alert_watch.lost("telegram", str(chat_id), why)
