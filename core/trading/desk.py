"""The desk of one account: its broker, books, orders, gate and guard, put together.

Start is recovery: load what is stored, ask the venue, correct, and only then allow trading. If that fails
the account is HALTED and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.port import AbstractBroker
from core.alerts.outbox import Alerts
from core.clock import Clock, Ids
from core.errors import SettingsError
from core.events import Events
from core.store import ledger as ledger_store
from core.trading.adjusting import Adjustments
from core.trading.agreement import Agreement, agreement
from core.trading.blockers import Blockers
from core.trading.books import Books
from core.trading.closing import Closing
from core.trading.decisions import Decisions
from core.trading.drift_watch import GRACE, DriftWatch
from core.trading.external import ExternalTrades
from core.trading.inspection import Inspection
from core.trading.instruments import InstrumentBook
from core.trading.killing import Killing
from core.trading.market import Market
from core.trading.order_manager import OrderManager
from core.trading.order_search import OrderSearch
from core.trading.order_watch import OrderWatch
from core.trading.others_watch import OthersWatch
from core.trading.portfolio import Portfolio
from core.trading.reconcile import Drift
from core.trading.recovery import Recovery
from core.trading.risk_watch import RiskWatch
from core.trading.sweep import Sweeper
from core.trading.switch import TradingSwitch
from core.trading.telling import Telling
from risk.baselines import Baselines
from risk.gate import RiskGate
from risk.intent import OrderIntent, Origin
from risk.limits import RiskLimits
from risk.monitor import Assessment
from risk.view import Holding, PortfolioView, TradingState


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every desk shares."""

    clock: Clock
    trading_clock: Clock
    ids: Ids
    alerts: Alerts
    events: Events
    switch: TradingSwitch
    market: Market


class Desk:
    """One account.

    `instruments` are those of its market; with `symbols` they are only what is to be traded, and which rules its venue
    has for them is learnt with each connection and remembered.
    """

    def __init__(
        self,
        account: str,
        currency: str,
        broker: AbstractBroker,
        gate: RiskGate,
        instruments: Mapping[str, Instrument],
        around: Surroundings,
        *,
        symbols: Collection[str] = (),
    ) -> None:
        self.account = account
        self.currency = currency
        self.broker = broker
        self.gate = gate
        self.confirmed = ""  # the broker that a person has let trade real money here, as it called itself
        self.test_mode = ""  # what the settings call its mode
        self.limits_turn = asyncio.Lock()  # a change of a limit is computed from those that count now
        self.reconciled = False
        self.agreement: Agreement | None = None  # what the newest comparison has proved, if it found no difference
        self.symbols = frozenset(symbols) or frozenset(instruments)
        known = dict(instruments)
        self.portfolio = Portfolio(account, currency, known if symbols else instruments)
        self.portfolio.holds_coins = not broker.capabilities.simulated
        self._around = around
        self._rules = self._rules_of(known) if symbols else None
        self._books = Books(self.portfolio, around.clock)
        self.inspection = Inspection(self._books)
        self._telling = Telling(around.alerts)
        self.orders = OrderManager(
            broker,
            self._books,
            clock=around.clock,
            trading_clock=around.trading_clock,
            ids=around.ids,
            alerts=around.alerts,
            events=around.events,
            may_send=self._may_send,
            overfilled=self._overfilled,
        )
        self.exits = Closing(broker, self.portfolio, self.orders, self._telling)
        self.blockers = Blockers(broker, self.orders, self._telling)
        self.sweeper = Sweeper(broker, self.orders)
        self.killing = Killing(
            self.sweeper, self.orders, switch=around.switch, alerts=around.alerts, clock=around.clock
        )
        self._watch = RiskWatch(
            self.portfolio,
            gate.limits,
            switch=around.switch,
            alerts=around.alerts,
            telling=self._telling,
            events=around.events,
            trading_clock=around.trading_clock,
            killing=self.killing,
        )
        self._search = OrderSearch(broker, self.orders, self._telling, around.clock)
        self._recovery = self._build_recovery()
        self._order_watch = OrderWatch(
            broker,
            self.orders,
            self._search,
            self._recovery,
            events=around.events,
            clock=around.clock,
            trading_clock=around.trading_clock,
        )
        self._drift = DriftWatch(
            account,
            around.switch,
            around.alerts,
            around.events,
            clock=around.clock,
            grace=timedelta(0) if broker.capabilities.simulated else GRACE,
        )
        self.decisions = Decisions(self.orders, self._search)
        self.adjustments = Adjustments(
            broker,
            self.orders,
            self._books,
            watch=self._watch,
            recovery=self._recovery,
            drift=self._drift,
            switch=around.switch,
            alerts=around.alerts,
            clock=around.clock,
            trading_clock=around.trading_clock,
        )

    def _rules_of(self, known: dict[str, Instrument]) -> InstrumentBook:
        around = self._around
        changed = self.portfolio.rates.follow
        return InstrumentBook(self.account, known, alerts=around.alerts, clock=around.clock, changed=changed)

    def _build_recovery(self) -> Recovery:
        around = self._around
        external = ExternalTrades(
            self.broker,
            self.orders,
            self._books,
            alerts=around.alerts,
            telling=self._telling,
            events=around.events,
            clock=around.clock,
            trading_clock=around.trading_clock,
            watch=self._watch,
        )
        return Recovery(
            self.broker,
            self.orders,
            self._books,
            search=self._search,
            external=external,
            telling=self._telling,
            trading_clock=around.trading_clock,
        )

    @property
    def market(self) -> Market:
        """The prices that its orders and positions are judged by."""
        return self._around.market

    @property
    def scope(self) -> str:
        """The account's scope in the trading switch."""
        return self._watch.scope

    @property
    def waits_for_confirmation(self) -> bool:
        """Whether it trades real money and no person has let it, on this very broker."""
        return self.broker.is_live and self.confirmed != self.broker.identity

    @property
    def mode(self) -> str:
        """Whose money it is, in a word: paper, live, or what the venue calls its place without real money."""
        if self.broker.capabilities.simulated:
            return "paper"
        return "live" if self.broker.is_live else self.test_mode or "test"

    @property
    def baselines(self) -> Baselines | None:
        """What losses are measured from; None before the first known equity."""
        return self._watch.baselines

    # --- start -------------------------------------------------------------------------------------

    def use_limits(self, limits: RiskLimits) -> None:
        """Put other limits in force: for the next order, and the next look at the account."""
        self.gate.use(limits)
        self._watch.use(limits)

    async def load(self) -> None:
        """Take up what is stored; no venue is asked. Raises `SettingsError` if the market lacks what is held."""
        if self._rules is not None:
            await self._rules.load()
        self.portfolio.load(await ledger_store.load_balances(self.account))
        await self._watch.load()
        await self.orders.load()
        await self.killing.load()
        working = {order.symbol: order.remaining for order in self.orders.open_orders}
        missing = {**working, **self.portfolio.held()}.keys() - self.symbols
        if missing:
            names = ", ".join(sorted(missing))
            raise SettingsError([f"market.symbols: {self.account} still holds or orders {names}: put it back"])

    async def learn(self) -> None:
        """Ask the venue by which rules it trades, where that is not given. Raises `BrokerError`."""
        if self._rules is not None:
            told = await self.broker.get_instruments()
            await self._rules.refresh(each for each in told if each.symbol in self.symbols)

    async def listen(self) -> None:
        """Believe the venue's reports, for ever; ends with `Unavailable` when the connection does.

        What was said while nobody listened is asked for first, what others do there as soon as it is heard of.
        """
        reports, others = self.broker.reports(), OthersWatch(self._recovery.book_others)
        booking = asyncio.create_task(others.run())
        try:
            await self._recovery.settle_orders(after_gap=True)
            async for report in reports:
                if not await self.orders.apply(report) and report.filled and not self.broker.capabilities.simulated:
                    others.hear()
        finally:
            booking.cancel()
            await asyncio.gather(booking, return_exceptions=True)
            await reports.aclose()

    async def reconcile(self) -> list[Drift]:
        """Settle open orders with the venue, record what others did there, then compare positions and cash.

        What differs without a reason for a minute may only be reduced. Raises `BrokerError` if the venue cannot be
        asked: a failed query is not an empty answer.
        """
        began, drifts = self._around.clock.now(), None
        try:
            await self._recovery.settle_orders()
            drifts = await self._recovery.compare()
        finally:  # whatever has kept us from comparing: nothing is proved then
            self.reconciled = drifts == []
        self.agreement = None if drifts else agreement(self, began)
        await self._drift.judge(drifts)
        return drifts

    async def look_after_orders(self) -> None:
        """Resolve doubts, repeat lost cancels, and give up what has not filled in its time."""
        await self._order_watch.look()

    async def _overfilled(self, symbol: str, reason: str) -> None:
        await self._drift.restrict(symbol, reason)

    # --- looking -----------------------------------------------------------------------------------

    def state_for(self, strategies: tuple[str, ...] = (), symbol: str = "") -> TradingState:
        """The gravest state of the whole house, the account, these strategies and the instrument."""
        return self._around.switch.state_for(self.account, strategies, symbol)

    def view(self) -> PortfolioView:
        """The account as risk may see it, now. Without baselines losses are unknown, and nothing new trades."""
        base = self.baselines
        return PortfolioView(
            account=self.account,
            currency=self.currency,
            at=self._around.trading_clock.now(),
            cash=self.portfolio.cash,
            equity=self.portfolio.equity,
            day_start_equity=base.day_start_equity if base else ZERO,
            peak_equity=base.peak_equity if base else ZERO,
            holdings=self._holdings(),
            working=tuple(order.as_working() for order in self.orders.open_orders),
            submissions=self.orders.submissions,
            quotes=self._around.market.quotes,
            daily_volume=self._around.market.volumes,
            states=self._around.switch.states,
            fx_rates=self.portfolio.fx_rates,
        )

    def _holdings(self) -> dict[str, Holding]:
        instrument, marks = self.portfolio.instrument, self.portfolio.marks
        held = self.portfolio.held()
        return {symbol: Holding(instrument(symbol), quantity, marks.get(symbol)) for symbol, quantity in held.items()}

    def mark(self, marks: Mapping[str, Decimal]) -> None:
        """New prices to value positions at."""
        self.portfolio.marks.update(marks)

    def closable(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of a strategy that are held and not being closed."""
        return self.exits.closable(strategy, symbol)

    def closing(self, strategy: str = "") -> dict[str, dict[str, Decimal]]:
        """By symbol, the signed quantity that each strategy (or the one named) must trade to be flat.

        What somebody else holds in the account is closed only if it is named. What cannot be traded stays.
        """
        orders = {symbol: self.tradable(symbol, parts) for symbol, parts in self.exits.to_close(strategy).items()}
        return {symbol: parts for symbol, parts in orders.items() if parts}

    def tradable(self, symbol: str, parts: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """What of `parts`, which close something, can be traded now."""
        return self.exits.tradable(symbol, parts)

    def is_dust(self, symbol: str, quantity: Decimal) -> bool:
        """Whether nothing of a holding can be sold, and there is something."""
        return self.exits.is_dust(symbol, quantity)

    def dust(self, strategy: str = "") -> list[str]:
        """What would stay if everything (or what one strategy has) were closed: a line each."""
        return self.exits.dust(strategy)

    # --- risk --------------------------------------------------------------------------------------

    async def roll_day(self, at: datetime | None = None) -> None:
        """Keep what losses are measured from at `at` (now)."""
        await self._watch.roll_day(at)

    async def accept_baselines(self) -> None:
        """A person goes on: losses are measured from now."""
        await self._watch.accept_baselines()

    async def sweep(self) -> Assessment:
        """Assess the account and act on it."""
        await self._order_watch.give_up()
        return await self._watch.sweep(self.view())

    async def halt_for(self, what: str, reason: str) -> None:
        """Halt the account by the program's own judgement."""
        await self._watch.halt_for(what, reason)

    def _may_send(self, intent: OrderIntent) -> bool:
        """Whether trading is still allowed as it was when `intent` was approved, a moment ago."""
        state = self._around.switch.state_for(self.account, intent.strategies, intent.instrument.symbol)
        if self.waits_for_confirmation:
            return False
        if state is TradingState.REDUCING:
            held = self.portfolio.quantity(intent.instrument.symbol)
            return held * intent.side.sign < 0 and intent.quantity <= abs(held)
        return state is TradingState.ACTIVE or intent.origin is Origin.FLATTEN
