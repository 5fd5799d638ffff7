"""Builds everything and runs it. Start-up is recovery: load, connect, reconcile, and only then trade."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog

from brokers.errors import BrokerError, Unavailable
from brokers.market import Quote
from brokers.port import AbstractBroker
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import TickSource, ticks_of
from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.access.tickets import Tickets
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts, Outbox
from core.clock import Clock, Ids, ManualClock, SystemClock
from core.events import BarsProcessed, Events
from core.market.archive import BarArchive, FolderArchive, bundled_archive
from core.market.replay import BarBatch, ReplayFeed
from core.scheduler import Job, Scheduler, daily, every
from core.settings import Settings
from core.store.chat import ChatMemory
from core.store.control import add_equity, get_cursor, put_cursor
from core.store.database import Database, sqlite_url, transaction
from core.store.inbox import Inbox
from core.strategy.host import Host, ThreadHost
from core.strategy.manager import StrategyManager
from core.supervision import Supervisor
from core.trading.desk import Desk, Surroundings
from core.trading.market import Market
from core.trading.pipeline import Pipeline
from core.trading.profit import profit_of
from core.trading.switch import GLOBAL, TradingSwitch
from risk.gate import RiskGate
from risk.view import TradingState

log = structlog.get_logger(__name__)

REPLAY = "replay"
HALT_FLAG = "HALT"
_WARM_UP_BARS = 600
# Prices of a daily bar are played within the hours of a New York session.
_SESSION = timedelta(hours=6.5)
_RECONNECT_SECONDS = 2.0


class Engine:
    """The running program without its chat. `start` once, `stop` once."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        host: Host | None = None,
        durable: bool = True,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.ids = Ids(self.clock)
        self.events = Events()
        self.switch = TradingSwitch(self.clock)
        self.market = Market()
        self.supervisor = Supervisor(self._part_failed, self._incident)
        self.inbox = Inbox(self.clock)
        self.memory = ChatMemory()
        self.audit = Audit(self.clock)
        self.tickets = Tickets(self.clock, self.ids)
        self._durable = durable
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        url = sqlite_url(settings.data_dir / "quarterdeck.sqlite3", durable=durable)
        self._database = Database(url, require_durable=durable)
        self._archive = archive_of(settings)
        self.source = TickSource([self._archive.instruments()[symbol] for symbol in settings.market.symbols])
        self.trading_clock = ManualClock(datetime.fromtimestamp(0, UTC))
        self.alerts = Alerts([f"telegram:{user.id}" for user in settings.users], self.clock, self.trading_clock)
        self.outbox = Outbox(self.alerts, self.clock)
        self._host = host or ThreadHost(settings.strategy_seconds)
        self.strategies = StrategyManager(
            settings.strategies,
            self._host,
            trading_clock=self.trading_clock,
            alerts=self.alerts,
            events=self.events,
            history_bars=_WARM_UP_BARS,
        )
        self.desk = self._build_desk()
        self.pipeline = Pipeline(
            self.strategies,
            self.desk,
            self.market,
            policy=settings.conflicts,
            alerts=self.alerts,
            clock=self.clock,
            trading_clock=self.trading_clock,
        )
        self.feed: ReplayFeed | None = None
        self.playing: ReplayFeed | None = None
        self.scheduler = Scheduler(self._jobs(), self.clock, self.alerts)
        self.started_at = self.clock.now()
        self.last_bars_at: datetime | None = None

    def _build_desk(self) -> Desk:
        """The one account, on its broker."""
        ((account, settings),) = self.settings.accounts.items()
        context = BrokerContext(self.settings.data_dir, self.trading_clock.now, self.source)
        broker: AbstractBroker = BrokerFactory(context).build(account, settings.broker)
        around = Surroundings(
            self.clock, self.trading_clock, self.ids, self.alerts, self.events, self.switch, self.market
        )
        currency = str(settings.broker.get("currency", "USD"))
        return Desk(account, currency, broker, RiskGate(settings.limits), self.source.instruments, around)

    # --- start and stop ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover, then run. Raises `SettingsError` for what a person must mend."""
        await self._database.open()
        await self.switch.load()
        await self._obey_flag()
        self.feed = await self._open_feed()
        await self.desk.load()
        await self.strategies.load()
        await self._recover()
        self.supervisor.run("reports", self._listen)
        self.supervisor.run("feed", self._run_feed)
        self.supervisor.run("outbox", self.outbox.run)
        await self.scheduler.start()
        await self.audit.record(SYSTEM, "start", f"state {self.switch.gravest(self.desk.account).state.name}")

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
            reason = flag.read_text(encoding="utf-8").strip() or "halt flag found at start"
            await self.switch.set(GLOBAL, TradingState.HALTED, reason, "console")
            await self.alerts.add(Alert("halt", Severity.CRITICAL, "Trading is HALTED", reason))
            flag.unlink()

    async def _open_feed(self) -> ReplayFeed:
        market = self.settings.market
        cursor = await get_cursor(REPLAY)
        series = [self._archive.load(symbol) for symbol in market.symbols]
        feed = ReplayFeed(series, start=market.start, cursor=cursor, speed=market.speed)
        if feed.position is not None:
            self.trading_clock.set(feed.position)
        past = feed.history_until(feed.position, _WARM_UP_BARS)
        self.strategies.warm_up(past)
        self.desk.mark({symbol: bars[-1].close for symbol, bars in past.items() if bars})
        return feed

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

    async def _run_feed(self) -> None:
        if self.feed is None:  # a batch has failed: begin again after the last one that was handled
            self.feed = await self._open_feed()
        feed, self.feed = self.feed, None
        self.playing = feed
        async for batch in feed.batches():
            await self.process(batch)
        self.feed = feed

    async def process(self, batch: BarBatch) -> None:
        """One moment of the market: the venue trades, the books follow, risk looks, strategies decide."""
        await self.desk.roll_day(batch.at)
        await self._trade(batch)
        self.trading_clock.set(batch.at)
        self.market.on_bars(batch.bars.values())
        await self.desk.roll_day()
        await self.pipeline.on_bars(batch.bars)
        await self._remember(batch.at)
        self.last_bars_at = self.clock.now()
        await self.events.publish(BarsProcessed(batch.at))

    async def _trade(self, batch: BarBatch) -> None:
        """Play the day's path of prices to the venue, tick by tick across all symbols."""
        paths = [self._path(symbol, batch) for symbol in batch.bars]
        for ticks in zip(*paths, strict=True):
            self.trading_clock.set(ticks[0].at)
            self.market.on_quotes(ticks)
            self.source.push(ticks)
            await self.desk.broker.settled()
            self.desk.mark({tick.symbol: tick.last for tick in ticks})
            await self.sweep()

    def _path(self, symbol: str, batch: BarBatch) -> Sequence[Quote]:
        return ticks_of(
            batch.bars[symbol],
            spread_bps=self.settings.market.spread_bps,
            instrument=self.source.instruments[symbol],
            period=_SESSION,
        )

    async def _remember(self, at: datetime) -> None:
        """How far we are and what we were worth, in one commit."""
        values = self._values()
        async with transaction():
            await put_cursor(REPLAY, at)
            if values:
                await add_equity(values, at)

    def _values(self) -> dict[str, Decimal]:
        """Equity of the account and net profit by strategy, unless something has no price."""
        equity = self.desk.portfolio.equity
        if equity is None:
            return {}
        pnl = {each.name: profit_of(self.desk.portfolio, each.name).net for each in self.strategies.instances}
        return {"account": equity, **pnl}

    async def sweep(self) -> None:
        """Assess risk now."""
        await self.desk.sweep()

    async def reconcile(self) -> None:
        """Compare books and venue now; between two ticks, so that nothing is on its way."""
        if self.desk.broker.is_connected:
            await self.desk.broker.settled()
            await self.desk.reconcile()

    def feed_status(self) -> str:
        """A sentence on where the market's prices come from and how far we are."""
        feed = self.playing
        if feed is None or feed.position is None:
            return "no prices yet"
        if feed.at_end:
            return f"replay has ended at {feed.position:%Y-%m-%d}"
        pace = f"{feed.speed:g} bars a second" if feed.speed else "full speed"
        return f"replaying {feed.position:%Y-%m-%d} at {pace}"

    def _jobs(self) -> list[Job]:
        """What is done by the clock."""
        settings = self.settings
        sweep, match = settings.risk_sweep_seconds, settings.reconcile_seconds
        at, day = settings.reports.daily_at, settings.reports.weekly_day
        return [
            Job("risk-sweep", "Assess risk", f"every {sweep:g} s", every(sweep), self.sweep, frequent=True),
            Job("equity", "Note equity", "every 60 s", every(60), self.note_equity, frequent=True),
            Job(
                "reconcile",
                "Compare books and venue",
                f"every {match:g} s",
                every(match),
                self.reconcile,
                frequent=True,
            ),
            Job("daily-report", "Daily report", f"daily {at} UTC", daily(at), lambda: self._announce("day")),
            Job(
                "weekly-report",
                "Weekly report",
                f"{day} {at} UTC",
                daily(at, day),
                lambda: self._announce("week"),
            ),
        ]

    async def note_equity(self) -> None:
        """Write down what we are worth now."""
        if values := self._values():
            await add_equity(values, self.trading_clock.now())

    async def _announce(self, period: str) -> None:
        """A report as an alert: the channel makes picture and file when it delivers it."""
        title = {"day": "Daily report", "week": "Weekly report"}[period]
        await self.alerts.add(Alert("report", Severity.INFO, title, attachment=period))

    def _incident(self) -> str:
        """A short id, for people to quote and for the log to be found by."""
        return self.ids.nonce()[:6].upper()

    async def _part_failed(self, name: str, incident: str, error: BaseException) -> None:
        """A part of the program has failed: say so; it is started again."""
        body = f"{type(error).__name__}: {error}\nIncident {incident}. It was started again."
        await self.alerts.add(Alert("fault", Severity.CRITICAL, f"The {name} part has failed", body[:500]))


def archive_of(settings: Settings) -> BarArchive:
    """The history that the settings name. Raises `MarketDataError` for a folder that cannot be read."""
    market = settings.market
    return bundled_archive() if market.folder is None else FolderArchive(market.folder)
