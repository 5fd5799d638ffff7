"""Builds everything and runs it. Start-up is recovery: load, connect, reconcile, and only then trade."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog

from brokers.errors import BrokerError
from brokers.network import OPEN, Network
from brokers.port import AbstractBroker
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import TickSource
from core.access.approvals import Approvals
from core.access.audit import Audit, Head
from core.access.pairing import Invitations
from core.access.rights import Rights
from core.access.roles import CONSOLE, SYSTEM
from core.access.tickets import Tickets
from core.access.totp import SecondFactors
from core.access.users import Users
from core.access.vault import Vault
from core.alerts.account import AccountAlerts
from core.alerts.audience import EveryOne, rules_of
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts, Outbox
from core.alerts.selftest import SelfTest
from core.alerts.watch import AlertWatch
from core.books_watch import BooksWatch
from core.clock import BEFORE_MARKET, Clock, Ids, ManualClock, SystemClock
from core.connections import Connections
from core.databases import database_of
from core.events import Events
from core.halt_flag import HaltFlag
from core.jobs import jobs, kinds
from core.live_rounds import LiveRounds
from core.market.feed import Feed
from core.progress import ORDERS, OUTBOX, RISK, Progress, usual
from core.redaction import hide, redact, secrets_of
from core.replay_rounds import ReplayRounds
from core.rounds import Around, Rounds
from core.scheduler import Scheduler
from core.settings import FeedSettings, Settings
from core.sources import feed_of, needs_own, own_feed_of, source_of
from core.store.chat import ChatMemory
from core.store.inbox import Inbox
from core.store.private import make_private
from core.store.retention import purge
from core.strategy.host import Host, ThreadHost
from core.strategy.manager import StrategyManager
from core.supervision import Supervisor
from core.tending import Tending
from core.trading import own_limits
from core.trading.desk import Desk, Surroundings
from core.trading.failover import Failover, Plan
from core.trading.flattener import Flattener
from core.trading.floor import Floor, Place
from core.trading.market import Market, OwnMarket
from core.trading.pipeline import Pipeline
from core.trading.real_money import RealMoney
from core.trading.reconcile import Drift
from core.trading.switch import GLOBAL, TradingSwitch
from core.venue_watch import VenueWatch
from core.vigil import Vigil
from risk.gate import RiskGate
from risk.view import TradingState

log = structlog.get_logger(__name__)

_HISTORY_BARS = 600


class Engine:
    """The running program without its chat. `start` once, `stop` once.

    `clock` is the wall's; `host` is where strategies run; `durable=False` leaves out the sync at each commit,
    for benchmarks only; `network` is the way to real venues.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        host: Host | None = None,
        durable: bool = True,
        network: Network = OPEN,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._replayed = ManualClock(BEFORE_MARKET)
        self.trading_clock: Clock = self.clock if settings.market.is_live else self._replayed
        self._network = network
        self.ids = Ids(self.clock)
        self.events = Events()
        self.supervisor = Supervisor(self._part_failed, self._incident)
        self.progress = Progress(
            usual(lambda: self.scheduler.pace("orders"), lambda: self.scheduler.pace("risk-sweep"))
        )
        self._build_stores(durable=durable)
        self._build_trading(host or ThreadHost(settings.strategy_seconds))
        self.books_watch = BooksWatch(self.floor, self.alerts, self.audit)
        connections = Connections(self.floor, self.alerts, self.clock, waits=self._waits_for_market)
        venues = VenueWatch(self.floor, lambda: self.feeds, self.alerts, self.clock)
        self.alert_watch = AlertWatch(self.alerts, self.audit, self.clock, [connections.look, venues.look])
        self.alert_watch.account_of = self._account_of
        work = jobs(
            settings,
            self.alerts,
            sweep=self.progress.watched(RISK, self.sweep),
            note_equity=self.rounds.note_equity,
            reconcile=self._reconcile_if_connected,
            look_after_orders=self.progress.watched(ORDERS, self._look_after_orders),
            purge=self._purge,
            check_books=self.books_watch.look,
            check_history=self.books_watch.look_at_all,
            test_alerts=SelfTest(self.alerts, self.clock).run,
        )
        self.real_money = RealMoney(
            self.floor, self.switch, self.alerts, self.audit, events=self.events, clock=self.clock
        )
        plans = {
            name: Plan(each.standby.account, timedelta(seconds=each.standby.after_seconds))
            for name, each in settings.accounts.items()
            if each.standby is not None
        }
        self.failover = Failover(
            self.floor, self.strategies, plans, alerts=self.alerts, audit=self.audit, clock=self.clock
        )
        self.flattener = Flattener(self.floor, self.switch, self.alerts, self.audit, self.clock)
        self.scheduler = Scheduler(work, self.clock, self.alerts, kinds(settings, self.alerts))
        self.vigil = Vigil(settings, self.progress, self.supervisor, self.clock, self.alerts.add)

    def _build_stores(self, *, durable: bool) -> None:
        """Everything that remembers."""
        hide(*secrets_of(self.settings))
        folder = self.settings.data_dir
        make_private(folder)
        self._database = database_of(self.settings, durable=durable)
        self.inbox = Inbox(self.clock)
        self.memory = ChatMemory()
        self.audit = Audit(self.clock)
        self.rights = Rights(self.clock)
        self.users = Users(self.settings.users, self.rights.note)
        self.invitations = Invitations(self.clock)
        self.tickets = Tickets(self.clock, self.ids, self.rights)
        self.factors = SecondFactors(self.clock, Vault(folder, self.settings.vault_key))
        self.approvals = Approvals(self.clock, self.audit, self.rights)
        self.switch = TradingSwitch(self.clock)
        self.halt_flag = HaltFlag(folder)
        everyone = EveryOne(self.settings, lambda: self.users.people)
        self.alerts = Alerts(everyone, self.clock, self.trading_clock, rules_of(self.settings))
        self.outbox = Outbox(self.alerts, self.clock)
        self.outbox.on_round = self.progress.part(OUTBOX).got_on
        self.audit.at_milestone = self._tell_head

    def _build_trading(self, host: Host) -> None:
        """Market, strategies, the accounts, and what drives them."""
        settings = self.settings
        source = source_of(settings.market)
        self._host = host
        self.market = Market()
        self.feeds: tuple[Feed, ...] = ()
        self.strategies = StrategyManager(
            settings.strategies,
            host,
            trading_clock=self.trading_clock,
            alerts=self.alerts,
            events=self.events,
            history_bars=_HISTORY_BARS,
        )
        self.floor = Floor([self._place(account, source) for account in settings.accounts])
        self.rounds = self._build_rounds(source)
        self._tending = {
            desk.account: Tending(
                desk,
                self.floor.pipeline(desk.account),
                self.rounds,
                self.events,
                is_alone=self.floor.is_single,
                alerts=self._alerts_of(desk.account) if settings.market.is_live else None,
            )
            for desk in self.floor
        }

    def _build_rounds(self, source: TickSource) -> Rounds:
        market = self.settings.market
        around = Around(
            source, self.market, self.floor, self.strategies, self.events, _HISTORY_BARS, self._account_failed
        )
        if not market.is_live:
            return ReplayRounds(market, around, self._replayed)
        self.feeds = tuple(self._feed(each) for each in market.sources)
        own = {desk.account: own_feed_of(desk, market) for desk in self.floor if desk.market is not self.market}
        return LiveRounds(market, around, self.feeds, own, clock=self.clock, alerts=self.alerts)

    def _feed(self, given: FeedSettings) -> Feed:
        """A source of live prices: a broker of its own, or an account's."""
        if given.account:
            broker, adapter = self.floor.desk(given.account).broker, self.floor.adapter(given.account)
        else:
            broker, adapter = self._broker(given.name, given.broker, given.symbols), str(given.broker["adapter"])
        return feed_of(given, self.settings.market, broker, adapter)

    def _broker(
        self, name: str, raw: Mapping[str, Any], symbols: tuple[str, ...], source: TickSource | None = None
    ) -> AbstractBroker:
        context = BrokerContext(
            self.settings.data_dir, self.trading_clock.now, source, symbols=symbols, network=self._network
        )
        return BrokerFactory(context).build(name, raw)

    def _place(self, account: str, source: TickSource) -> Place:
        """One account on its broker, with the strategies that trade there."""
        settings = self.settings
        mine = tuple(each.name for each in settings.strategies if settings.account_of(each) == account)
        desk = self._build_desk(account, source)
        pipeline = Pipeline(
            self.strategies,
            desk,
            desk.market,
            policy=settings.conflicts,
            alerts=self._alerts_of(account),
            trading_clock=self.trading_clock,
            names=mine,
        )
        return Place(desk, pipeline, str(settings.accounts[account].broker["adapter"]), mine)

    def _build_desk(self, account: str, source: TickSource) -> Desk:
        settings = self.settings.accounts[account]
        market = self.settings.market
        symbols = self.settings.symbols_of(account)
        broker = self._broker(account, settings.broker, symbols, source)
        around = Surroundings(
            self.clock,
            self.trading_clock,
            self.ids,
            self._alerts_of(account),
            self.events,
            self.switch,
            self._market_of(account, broker),
        )
        desk = Desk(
            account,
            settings.currency,
            broker,
            RiskGate(settings.limits),
            {symbol: each for symbol, each in source.instruments.items() if symbol in symbols},
            around,
            symbols=symbols if market.is_live else (),
        )
        desk.portfolio.rates.fix(settings.fx)
        return desk

    def _market_of(self, account: str, broker: AbstractBroker) -> Market:
        """The prices that count in an account: those of its own venue."""
        is_own = needs_own(account, self.settings.symbols_of(account), self.settings.market)
        return OwnMarket(self.market) if is_own and not broker.capabilities.simulated else self.market

    def _alerts_of(self, account: str) -> Alerts:
        return AccountAlerts(self.alerts, account, named=len(self.settings.accounts) > 1)

    # --- start and stop ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover, then run. Raises `SettingsError` for what a person must mend."""
        await self._database.open()
        await self.alerts.mutes.load()
        await self._load_users()
        await self.switch.load()
        await self._obey_flag()
        await self.rounds.open()
        for desk in self.floor:
            await desk.load()
        await self.failover.load()
        self.floor.check_homes()
        modes = {name: str(each.broker.get("mode", "")) for name, each in self.settings.accounts.items()}
        await self.real_money.load(modes, self.settings.environment)
        await self._load_limits()
        await self.strategies.load()
        await self.rounds.ready(self.supervisor.run)
        await self.floor.each(lambda desk: self._tending[desk.account].recover())
        for pipeline in self.floor.pipelines.values():
            await pipeline.load()
        await self.audit.record(SYSTEM, "start", self._states())
        for account, tending in self._tending.items():
            self.supervisor.run(self._part("reports", account), tending.listen)
            self.supervisor.run(self._part("kills", account), tending.desk.killing.run)
            if tending.is_real:
                self.supervisor.run(self._part("rules", account), tending.learn)
        await self.flattener.load()
        for name, part in self.rounds.parts().items():
            self.supervisor.run(name, part)
        self.supervisor.run("outbox", self.outbox.run)
        self.supervisor.run("alert watch", self.alert_watch.run)
        for account, tending in self._tending.items():
            self.supervisor.run(self._part("protection", account), tending.protect)
        if self.failover.is_wanted:
            self.supervisor.run("standby", self.failover.run)
        await self.scheduler.start()

    async def stop(self) -> None:
        """Stop in good order, each part even if another fails; everything that matters is stored already."""
        async with AsyncExitStack() as last_to_first:
            last_to_first.push_async_callback(self._database.close)
            for desk in self.floor:
                last_to_first.push_async_callback(desk.broker.disconnect)
            last_to_first.push_async_callback(self.rounds.close)
            last_to_first.push_async_callback(self._host.close)
            last_to_first.push_async_callback(self.flattener.close)
            last_to_first.push_async_callback(self.supervisor.stop)
            last_to_first.callback(self.scheduler.stop)

    async def _load_users(self) -> None:
        """Who may use the bot; where the settings have changed since a change from chat, they win."""
        for line in await self.users.load():
            await self.audit.record(SYSTEM, "settings win", line)
        if problem := await self.factors.unreadable():
            await self.audit.record(SYSTEM, "second factors", problem, "failed")
            await self.alerts.add(Alert("people", Severity.WARNING, "Second factors cannot be read", problem))

    async def _load_limits(self) -> None:
        """What people have set, before anything trades; where the settings have changed since, they win."""
        settings = {name: each.limits for name, each in self.settings.accounts.items()}
        for line in await own_limits.restore(self.floor, settings):
            await self.audit.record(SYSTEM, "settings win", line)

    async def _tell_head(self, head: Head) -> None:
        """Now and then where the audit trail ends is told in chat, where nobody on this host can change it."""
        await self.alerts.add(Alert("audit", Severity.INFO, "The audit trail goes on", f"Audit trail: {head}"))

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

    # --- running -----------------------------------------------------------------------------------

    def _waits_for_market(self, desk: Desk) -> bool:
        """A simulated venue opens when it is known what is traded there; until then there are no prices either."""
        return desk.broker.capabilities.simulated and not self.rounds.is_described

    def _account_of(self, scope: str) -> str:
        """The account that "strategy:trend" or "account:paper" is about; "" for what is about more."""
        kind, _, name = scope.partition(":")
        if kind == "strategy":
            return next((each for each in self.floor.names if name in self.floor.strategies_of(each)), "")
        return name if kind == "account" else ""

    def _part(self, name: str, account: str) -> str:
        """What a part that tends one account is called."""
        return name if self.floor.is_single else f"{name} {account}"

    def _states(self) -> str:
        """How every account stands."""
        states = {desk.account: self.switch.gravest(desk.account).state.name for desk in self.floor}
        if self.floor.is_single:
            return f"state {states[self.floor.first.account]}"
        return ", ".join(f"{account}: state {state}" for account, state in states.items())

    async def sweep(self) -> None:
        """Assess risk now, and look after stops and targets, in every account."""
        await self.floor.each(lambda desk: self._tending[desk.account].sweep())

    async def reconcile(self, account: str = "") -> list[Drift]:
        """Compare books and venue of an account, or of all, between two moments of the market.

        Raises `BrokerError` if a venue cannot be asked, and `UnknownName`.
        """
        chosen = {desk.account for desk in self.floor.chosen(account)}
        found = await self.floor.each(lambda desk: self._tending[desk.account].reconcile(), chosen)
        return [drift for drifts in found for drift in drifts]

    async def _reconcile_if_connected(self) -> None:
        await self.floor.each(lambda desk: self._tending[desk.account].reconcile_if_connected())

    async def _look_after_orders(self) -> None:
        await self.floor.each(lambda desk: desk.look_after_orders())

    async def _account_failed(self, desk: Desk, error: Exception) -> None:
        """An account could not work through a moment that others could: it stops, they go on."""
        if isinstance(error, BrokerError):
            log.warning("an account takes no part", account=desk.account, reason=str(error))
            return  # the part that listens finds out, too, and recovers
        incident = self._incident()
        log.error("an account has failed", account=desk.account, incident=incident, exc_info=error)
        await desk.halt_for("FAULT", f"{type(error).__name__}: {error}. Incident {incident}."[:500])

    async def _purge(self) -> None:
        """Delete what nobody can need any more."""
        log.info("old rows are deleted", rows=await purge(self.clock.now()))

    def _incident(self) -> str:
        """A short id, for people to quote and for the log to be found by."""
        return self.ids.nonce()[:6].upper()

    async def _part_failed(self, name: str, incident: str, error: BaseException) -> None:
        """A part of the program has failed: say so; it is started again."""
        body = f"{type(error).__name__}: {redact(str(error))}\nIncident {incident}. It was started again."
        await self.alerts.add(Alert("fault", Severity.CRITICAL, f"The {name} part has failed", body[:500]))
