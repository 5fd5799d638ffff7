"""Builds everything and runs it. Start-up is recovery: load, connect, reconcile, and only then trade."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog

from brokers.errors import BrokerError, Unavailable
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import TickSource
from core.access.audit import Audit
from core.access.roles import CONSOLE, SYSTEM
from core.access.tickets import Tickets
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts, Outbox
from core.books_watch import BooksWatch
from core.clock import BEFORE_MARKET, Clock, Ids, ManualClock, SystemClock
from core.databases import database_of
from core.events import Events, FillRecorded
from core.halt_flag import HaltFlag
from core.jobs import jobs
from core.rounds import Rounds, archive_of
from core.scheduler import Scheduler
from core.settings import Settings
from core.store.chat import ChatMemory
from core.store.inbox import Inbox
from core.store.retention import purge
from core.strategy.host import Host, ThreadHost
from core.strategy.manager import StrategyManager
from core.supervision import Supervisor
from core.trading.desk import Desk, Surroundings
from core.trading.market import Market
from core.trading.pipeline import Pipeline
from core.trading.reconcile import Drift
from core.trading.switch import GLOBAL, TradingSwitch
from risk.gate import RiskGate
from risk.view import TradingState

log = structlog.get_logger(__name__)

_HISTORY_BARS = 600
_RECONNECT_SECONDS = 2.0


class Engine:
    """The running program without its chat. `start` once, `stop` once.

    `clock` is the wall's; `host` is where strategies run; `durable=False` leaves out the sync at each commit,
    for benchmarks only.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, host: Host | None = None, durable: bool = True
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.trading_clock = ManualClock(BEFORE_MARKET)
        self.ids = Ids(self.clock)
        self.events = Events()
        self.supervisor = Supervisor(self._part_failed, self._incident)
        self._build_stores(durable=durable)
        self._build_trading(host or ThreadHost(settings.strategy_seconds))
        self.books_watch = BooksWatch(self.desk, self.alerts, self.audit)
        work = jobs(
            settings,
            self.alerts,
            sweep=self.sweep,
            note_equity=self.rounds.note_equity,
            reconcile=self._reconcile_if_connected,
            look_after_orders=self._look_after_orders,
            purge=self._purge,
            check_books=self.books_watch.look,
            check_history=self.books_watch.look_at_all,
        )
        self.scheduler = Scheduler(work, self.clock, self.alerts)

    def _build_stores(self, *, durable: bool) -> None:
        """Everything that remembers."""
        folder = self.settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        self._database = database_of(self.settings, durable=durable)
        self.inbox = Inbox(self.clock)
        self.memory = ChatMemory()
        self.audit = Audit(self.clock)
        self.tickets = Tickets(self.clock, self.ids)
        self.switch = TradingSwitch(self.clock)
        self.halt_flag = HaltFlag(folder)
        recipients = [f"telegram:{user.id}" for user in self.settings.users]
        self.alerts = Alerts(recipients, self.clock, self.trading_clock)
        self.outbox = Outbox(self.alerts, self.clock)

    def _build_trading(self, host: Host) -> None:
        """Market, strategies, the account's desk, and what drives them."""
        settings = self.settings
        instruments = archive_of(settings.market).instruments()
        source = TickSource([instruments[symbol] for symbol in settings.market.symbols])
        self._host = host
        self.market = Market()
        self.strategies = StrategyManager(
            settings.strategies,
            host,
            trading_clock=self.trading_clock,
            alerts=self.alerts,
            events=self.events,
            history_bars=_HISTORY_BARS,
        )
        self.desk = self._build_desk(source)
        self.pipeline = Pipeline(
            self.strategies,
            self.desk,
            self.market,
            policy=settings.conflicts,
            alerts=self.alerts,
            clock=self.clock,
            trading_clock=self.trading_clock,
        )
        self.rounds = Rounds(
            settings.market,
            source,
            market=self.market,
            desk=self.desk,
            strategies=self.strategies,
            pipeline=self.pipeline,
            trading_clock=self.trading_clock,
            events=self.events,
            history_bars=_HISTORY_BARS,
        )

    def _build_desk(self, source: TickSource) -> Desk:
        """The one account, on its broker."""
        ((account, settings),) = self.settings.accounts.items()
        context = BrokerContext(self.settings.data_dir, self.trading_clock.now, source)
        broker = BrokerFactory(context).build(account, settings.broker)
        around = Surroundings(
            self.clock, self.trading_clock, self.ids, self.alerts, self.events, self.switch, self.market
        )
        currency = str(settings.broker.get("currency", "USD"))
        desk = Desk(account, currency, broker, RiskGate(settings.limits), source.instruments, around)
        desk.portfolio.rates.fix(settings.fx)
        return desk

    # --- start and stop ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover, then run. Raises `SettingsError` for what a person must mend."""
        await self._database.open()
        await self.switch.load()
        await self._obey_flag()
        await self.rounds.open()
        await self.desk.load()
        await self.strategies.load()
        await self._recover()
        await self.pipeline.load()
        await self.audit.record(SYSTEM, "start", f"state {self.switch.gravest(self.desk.account).state.name}")
        self.supervisor.run("reports", self._listen)
        self.supervisor.run("market", self.rounds.run)
        self.supervisor.run("outbox", self.outbox.run)
        self.supervisor.run("protection", self._protect)
        await self.scheduler.start()

    async def stop(self) -> None:
        """Stop in good order, each part even if another fails; everything that matters is stored already."""
        async with AsyncExitStack() as last_to_first:
            last_to_first.push_async_callback(self._database.close)
            last_to_first.push_async_callback(self.desk.broker.disconnect)
            last_to_first.push_async_callback(self._host.close)
            last_to_first.push_async_callback(self.supervisor.stop)
            last_to_first.callback(self.scheduler.stop)

    async def _obey_flag(self) -> None:
        """Begin halted if the flag is there: nothing has traded yet, so there is nothing else to stop."""
        if (reason := self.halt_flag.news()) is None:
            return

        async def tell() -> None:
            await self.audit.record(CONSOLE, "halt", reason)
            await self.alerts.add(Alert("halt", Severity.CRITICAL, "Trading is HALTED", reason))

        await self.switch.set(GLOBAL, TradingState.HALTED, reason, CONSOLE.name, tell)
        self.halt_flag.obeyed()
        self.halt_flag.clear()

    async def _recover(self) -> None:
        """Ask the venue; if it cannot be asked, nothing trades."""
        async with self.rounds.between():
            try:
                await self.desk.broker.connect()
                await self.desk.reconcile()
            except BrokerError as error:
                await self.desk.halt_for("RECONCILIATION FAILED", str(error))
            await self.desk.roll_day()

    # --- running -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Believe reports; when the connection ends, connect again and reconcile, for nothing is replayed."""
        while True:
            try:
                await self.desk.listen()
            except Unavailable as down:
                log.warning("the broker is gone", reason=str(down))
            await asyncio.sleep(_RECONNECT_SECONDS)
            await self._recover()

    async def _protect(self) -> None:
        """Stops and targets are in place from the start on and follow every fill at once, not only the next price."""
        filled = asyncio.Event()

        async def wake(_fill: FillRecorded) -> None:
            filled.set()

        forget = self.events.subscribe(FillRecorded, wake)
        try:
            while True:
                filled.clear()
                await self.pipeline.keep()
                await filled.wait()
        finally:
            forget()

    async def sweep(self) -> None:
        """Assess risk now, and look after stops and targets."""
        await self.desk.sweep()
        await self.pipeline.keep()

    async def reconcile(self) -> list[Drift]:
        """Compare books and venue between two moments of the market, when nothing is on its way.

        Raises `BrokerError` if the venue cannot be asked.
        """
        async with self.rounds.between():
            await self.desk.broker.settled()
            return await self.desk.reconcile()

    async def _reconcile_if_connected(self) -> None:
        if self.desk.broker.is_connected:
            await self.reconcile()

    async def _purge(self) -> None:
        """Delete what nobody can need any more."""
        log.info("old rows are deleted", rows=await purge(self.clock.now()))

    async def _look_after_orders(self) -> None:
        await self.desk.look_after_orders()

    def _incident(self) -> str:
        """A short id, for people to quote and for the log to be found by."""
        return self.ids.nonce()[:6].upper()

    async def _part_failed(self, name: str, incident: str, error: BaseException) -> None:
        """A part of the program has failed: say so; it is started again."""
        body = f"{type(error).__name__}: {error}\nIncident {incident}. It was started again."
        await self.alerts.add(Alert("fault", Severity.CRITICAL, f"The {name} part has failed", body[:500]))
