"""The whole program: engine, chat and console put together, started and stopped in order."""

from __future__ import annotations

import asyncio
import signal

import structlog

from bot.app import ChatApp
from bot.console import ConsoleSession
from bot.console_server import ConsoleServer
from bot.pacing import Budget
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.engine import Engine
from core.service import Quarterdeck
from core.settings import Settings
from core.store.instance_lock import InstanceLock

log = structlog.get_logger(__name__)


class Program:
    """One running Quarterdeck."""

    def __init__(self, settings: Settings, *, budget: Budget | None = None, durable: bool = True) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = InstanceLock(settings.data_dir)
        self.engine = Engine(settings, durable=durable)
        self.service = Quarterdeck(self.engine)
        self.chat = ChatApp(
            settings=settings,
            service=self.service,
            inbox=self.engine.inbox,
            tickets=self.engine.tickets,
            audit=self.engine.audit,
            memory=self.engine.memory,
            events=self.engine.events,
            clock=self.engine.clock,
            alert=self._alert,
            budget=budget,
        )
        self._console = ConsoleServer(settings.data_dir, self._session)

    async def start(self) -> None:
        """Recover and run. Raises `SettingsError` for what a person must mend; then nothing is left running."""
        self._lock.take()
        try:
            await self.engine.start()
            self.engine.outbox.use(self.chat.channel)
            await self.chat.start()
            await self._console.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in good order: no more commands, then no more trading, then the books are closed."""
        await self._console.stop()
        await self.chat.stop()
        await self.engine.stop()
        self._lock.release()

    async def run(self) -> None:
        """Start, run until SIGINT or SIGTERM, stop."""
        await self.start()
        try:
            await self.until_told()
        finally:
            await self.stop()

    async def until_told(self) -> None:
        """Return at SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        await told.wait()
        log.info("stopping")

    def _session(self) -> ConsoleSession:
        return self.chat.console_session()

    async def _alert(self, title: str, body: str) -> None:
        await self.engine.alerts.add(Alert("chat", Severity.CRITICAL, title, body))
