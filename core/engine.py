"""Builds everything and runs it. Start-up is recovery: load, connect, reconcile, and only then trade."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from brokers.errors import BrokerError, Unavailable
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import TickSource
from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.access.tickets import Tickets
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts, Outbox
from core.clock import Clock, Ids, ManualClock, SystemClock
from core.events import Events
from core.jobs import jobs
from core.rounds import Rounds, archive_of
from core.scheduler import Scheduler
from core.settings import Settings
from core.store.chat import ChatMemory
from core.store.database import Database, sqlite_url
from core.store.inbox import Inbox
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

HALT_FLAG = "HALT"
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
        self.trading_clock = ManualClock(datetime.fromtimestamp(0, UTC))
        self.ids = Ids(self.clock)
        self.events = Events()
        self.supervisor = Supervisor(self._part_failed, self._incident)
        self._build_stores(durable=durable)
        self._build_trading(host or ThreadHost(settings.strategy_seconds))
        work = jobs(
            settings,
            self.alerts,
            sweep=self.sweep,
            note_equity=self.rounds.note_equity,
            reconcile=self._reconcile_if_connected,
        )
        self.scheduler = Scheduler(work, self.clock, self.alerts)

    def _build_stores(self, *, durable: bool) -> None:
        """Everything that remembers."""
        folder = self.settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        url = sqlite_url(folder / "quarterdeck.sqlite3", durable=durable)
        self._database = Database(url, require_durable=durable)
        self.inbox = Inbox(self.clock)
        self.memory = ChatMemory()
        self.audit = Audit(self.clock)
        self.tickets = Tickets(self.clock, self.ids)
        self.switch = TradingSwitch(self.clock)
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
        return Desk(account, currency, broker, RiskGate(settings.limits), source.instruments, around)

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
        await self.audit.record(SYSTEM, "start", f"state {self.switch.gravest(self.desk.account).state.name}")
        self.supervisor.run("reports", self._listen)
        self.supervisor.run("market", self.rounds.run)
        self.supervisor.run("outbox", self.outbox.run)
        await self.scheduler.start()

    async def stop(self) -> None:
        """Stop in good order; everything that matters is stored already."""
        self.scheduler.stop()
        await self.supervisor.stop()
        await self._host.close()
        await self.desk.broker.disconnect()
        await self._database.close()

    async def _obey_flag(self) -> None:
        """`quarterdeck halt` leaves a file when nobody is there to listen."""
        flag = self.settings.data_dir / HALT_FLAG
        if flag.exists():
            reason = flag.read_text(encoding="utf-8").strip() or "a halt flag was found at start"
            await self.switch.set(GLOBAL, TradingState.HALTED, reason, "console")
            await self.alerts.add(Alert("halt", Severity.CRITICAL, "Trading is HALTED", reason))
            flag.unlink()

    async def _recover(self) -> None:
        """Ask the venue; if it cannot be asked, nothing trades."""
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

    async def sweep(self) -> None:
        """Assess risk now."""
        await self.desk.sweep()

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

    def _incident(self) -> str:
        """A short id, for people to quote and for the log to be found by."""
        return self.ids.nonce()[:6].upper()

    async def _part_failed(self, name: str, incident: str, error: BaseException) -> None:
        """A part of the program has failed: say so; it is started again."""
        body = f"{type(error).__name__}: {error}\nIncident {incident}. It was started again."
        await self.alerts.add(Alert("fault", Severity.CRITICAL, f"The {name} part has failed", body[:500]))
