"""The desk of one account: its broker, orders, portfolio, baselines and gate, and how they start and stop.

Start is recovery: load what is stored, ask the venue, correct, and only then allow trading. If that fails
the account is HALTED and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from brokers.account import AccountInfo
from brokers.errors import BrokerError
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock, Ids
from core.events import Events, StateChanged
from core.store import ledger as ledger_store
from core.store import orders as order_store
from core.store.control import get_baselines, put_baselines
from core.store.database import transaction
from core.trading.ledger import Posting, deposit
from core.trading.market import Market
from core.trading.order_manager import OrderManager
from core.trading.portfolio import Portfolio
from core.trading.reconcile import (
    Apply,
    Drift,
    External,
    NeverPlaced,
    OurOrder,
    Ours,
    find_drift,
    reconcile_orders,
)
from core.trading.states import OrderState
from core.trading.switch import TradingSwitch
from risk.baselines import Baselines, first_baselines, roll_baselines
from risk.gate import RiskGate
from risk.intent import OrderIntent, Origin
from risk.monitor import Assessment, assess
from risk.view import Holding, PortfolioView, TradingState

log = structlog.get_logger(__name__)


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
    """One account."""

    def __init__(
        self,
        account: str,
        currency: str,
        broker: AbstractBroker,
        gate: RiskGate,
        instruments: Mapping[str, Instrument],
        around: Surroundings,
    ) -> None:
        self.account = account
        self.currency = currency
        self.broker = broker
        self.gate = gate
        self.portfolio = Portfolio(account, currency, instruments)
        self.orders = OrderManager(
            broker,
            self.portfolio,
            clock=around.clock,
            trading_clock=around.trading_clock,
            ids=around.ids,
            alerts=around.alerts,
            events=around.events,
            may_send=self._may_send,
        )
        self.baselines: Baselines | None = None
        self.reconciled = False
        self._around = around
        self._told: set[str] = set()

    @property
    def scope(self) -> str:
        """The account's scope in the trading switch."""
        return f"account:{self.account}"

    # --- start -------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up what is stored; no venue is asked."""
        self.portfolio.load(await ledger_store.load_balances())
        self.baselines = await get_baselines(self.account)
        await self.orders.load()

    async def listen(self) -> None:
        """Believe the venue's reports, for ever; ends with `Unavailable` when the connection does."""
        reports = self.broker.reports()
        try:
            async for report in reports:
                await self.orders.apply(report)
        finally:
            await reports.aclose()

    async def reconcile(self) -> list[Drift]:
        """Settle open orders with the venue, then compare positions and cash; drift halts the account.

        Raises `BrokerError` if the venue cannot be asked.
        """
        await self._reconcile_orders()
        info = await self.broker.get_account_info()
        await self._open_books(info)
        drifts = find_drift(self._ours(), info)
        for position in info.positions.values():
            if position.mark_price is not None:
                self.portfolio.marks.setdefault(position.symbol, position.mark_price)
        if drifts:
            await self.halt_for("RECONCILIATION", "; ".join(map(str, drifts)))
        self.reconciled = not drifts
        return drifts

    async def _reconcile_orders(self) -> None:
        ours = [OurOrder(order.id, order.state) for order in self.orders.open_orders]
        found = {
            each.client_order_id: await self.broker.find_order(ClientOrderId(each.client_order_id)) for each in ours
        }
        theirs = await self.broker.get_open_orders()
        known = frozenset([each.client_order_id for each in ours]) | await self._known(theirs)
        for correction in reconcile_orders(ours, found, theirs, known):
            await self._correct(correction)

    async def _known(self, reports: Sequence[OrderReport]) -> frozenset[str]:
        ids = [report.client_order_id for report in reports]
        return frozenset([each for each in ids if await order_store.get_order(each)])

    async def _correct(self, correction: Apply | NeverPlaced | External) -> None:
        match correction:
            case Apply(report):
                await self.orders.apply(report)
            case NeverPlaced(order_id, was):
                order = next(each for each in self.orders.open_orders if each.id == order_id)
                note = f"was {was}; the venue knows no such order"
                await self.orders.settle_as(order, OrderState.NOT_PLACED, note)
            case External(report):
                await self._tell_external(report)

    async def _tell_external(self, report: OrderReport) -> None:
        title = f"An order that is not ours: {report.side} {report.remaining.normalize():f} {report.symbol}"
        await self._once(f"external:{report.client_order_id}", Alert("external", Severity.WARNING, title))

    async def _open_books(self, info: AccountInfo) -> None:
        """The first time, what the venue holds is our opening deposit."""
        for currency, balance in info.balances.items():
            ref = f"opening:{self.account}:{currency}"
            if not self.portfolio.balances and balance.total and not await ledger_store.is_posted(ref):
                await self._post(deposit(self.account, currency, balance.total, ref))

    async def _post(self, posting: Posting) -> None:
        now = self._around.trading_clock.now()
        async with transaction():
            await ledger_store.post(posting, self.portfolio.balances, now, self._around.clock.now())
        self.portfolio.apply(posting.entries)

    def _ours(self) -> Ours:
        prefix = f"cash/{self.account}"
        cash = {unit: amount for (path, unit), amount in self.portfolio.balances.items() if path == prefix}
        orders = [OurOrder(order.id, order.state) for order in self.orders.open_orders]
        return Ours(orders, self.portfolio.held(), cash)

    # --- risk --------------------------------------------------------------------------------------

    def view(self) -> PortfolioView:
        """The account as risk may see it, now."""
        equity = self.portfolio.equity
        now = self._around.trading_clock.now()
        base = self.baselines or first_baselines(equity or self.portfolio.cash, now)
        return PortfolioView(
            account=self.account,
            currency=self.currency,
            at=now,
            cash=self.portfolio.cash,
            equity=equity,
            day_start_equity=base.day_start_equity,
            peak_equity=base.peak_equity,
            holdings=self._holdings(),
            working=tuple(order.as_working() for order in self.orders.open_orders),
            submissions=self.orders.submissions,
            quotes=self._around.market.quotes,
            daily_volume=self._around.market.volumes,
            states=self._around.switch.states,
        )

    def _holdings(self) -> dict[str, Holding]:
        return {symbol: self._holding(symbol, quantity) for symbol, quantity in self.portfolio.held().items()}

    def _holding(self, symbol: str, quantity: Decimal) -> Holding:
        instrument = self.portfolio.instruments[symbol]
        cost = sum((lot.cost for _, lot in self.portfolio.lots(symbol)), Decimal(0))
        average = abs(cost / (quantity * instrument.multiplier))
        return Holding(instrument, quantity, average, self.portfolio.marks.get(symbol))

    def mark(self, marks: Mapping[str, Decimal]) -> None:
        """New prices to value positions at."""
        self.portfolio.marks.update(marks)

    async def roll_day(self, at: datetime | None = None) -> None:
        """Keep the baselines at `at` (now): a new day starts at the last known equity, a new peak is a peak."""
        equity, now = self.portfolio.equity, at or self._around.trading_clock.now()
        old = self.baselines
        if old is None:
            if equity is None:
                return
            self.baselines = first_baselines(equity, now)
        else:
            self.baselines = roll_baselines(old, equity, now)
        if self.baselines != old:
            await put_baselines(self.account, self.baselines)

    async def accept_baselines(self) -> None:
        """A person has looked at the loss and goes on: daily loss and drawdown are measured from now."""
        equity = self.portfolio.equity
        if equity is not None:
            self.baselines = first_baselines(equity, self._around.trading_clock.now())
            await put_baselines(self.account, self.baselines)
            self._told.clear()

    def closing(self, strategy: str = "") -> dict[str, dict[str, Decimal]]:
        """By symbol, the signed quantity that each strategy (or the one named) must trade to be flat."""
        wanted: dict[str, dict[str, Decimal]] = {}
        for name, lot in self.portfolio.lots():
            symbol = lot.instrument.symbol
            left = lot.quantity + self.orders.pending(name, symbol)
            if left and strategy in ("", name):
                wanted.setdefault(symbol, {})[name] = -left
        return wanted

    async def sweep(self) -> Assessment:
        """Assess the account; a breach makes its state graver, at once and for good, and is told once a day."""
        before = self._around.switch.state(self.scope)
        assessment = assess(self.view(), self.gate.limits, before)
        if assessment.state > before:
            reason = "; ".join(
                breach.message for breach in assessment.breaches if breach.severity.state == assessment.state
            )
            await self._make_graver(assessment.state, reason)
        elif before is TradingState.ACTIVE:
            await self._warn(assessment)
        return assessment

    async def _warn(self, assessment: Assessment) -> None:
        """Tell once a day of what is getting close; a breach that has changed the state is told by that."""
        day = self._around.trading_clock.now().date()
        for breach in assessment.breaches:
            name = breach.code.replace("_", " ").lower()
            alert = Alert("breach", Severity.WARNING, f"Risk warning: {name}", breach.message)
            await self._once(f"breach:{breach.code}:{day}", alert)

    async def _make_graver(self, state: TradingState, reason: str) -> None:
        if state is TradingState.HALTED:
            await self.halt_for("RISK BREACH", reason)
            return
        await self._around.switch.set(self.scope, state, reason, "risk monitor")
        await self._around.alerts.add(Alert("breach", Severity.WARNING, "Risk breach: only exits may trade", reason))
        await self._publish(state, reason)

    async def halt_for(self, what: str, reason: str) -> None:
        """Halt the account by the program's own judgement, tell everyone, cancel what is open."""
        if self._around.switch.state(self.scope) is TradingState.HALTED:
            return
        await self._around.switch.set(self.scope, TradingState.HALTED, reason, "risk monitor")
        body = f"{reason}\nNothing trades until an admin resumes. Open orders are being cancelled."
        await self._around.alerts.add(Alert("halt", Severity.CRITICAL, f"{what}: trading is HALTED", body))
        await self._publish(TradingState.HALTED, reason)
        await self.cancel_everything(reason)

    async def _publish(self, state: TradingState, reason: str) -> None:
        await self._around.events.publish(StateChanged(self._around.trading_clock.now(), self.scope, state, reason))

    def _may_send(self, intent: OrderIntent) -> bool:
        return (
            intent.origin is Origin.FLATTEN
            or self._around.switch.gravest(self.account).state is not TradingState.HALTED
        )

    # --- cancelling --------------------------------------------------------------------------------

    async def cancel_everything(self, reason: str, *, rounds: int = 5) -> list[str]:
        """Cancel by the venue's own list and ours, then look again until nothing is open; a line for each part.

        One order that cannot be cancelled never keeps the others.
        """
        lines: list[str] = []
        for _ in range(rounds):
            try:
                theirs = {report.client_order_id for report in await self.broker.get_open_orders()}
            except BrokerError as error:
                return [*lines, f"🔴 {self.account}: open orders cannot be listed: {error}"]
            targets = theirs | {order.id for order in self.orders.open_orders}
            if not targets:
                break
            lines += [
                line
                for line in [await self._cancel_one(ClientOrderId(each), reason) for each in sorted(targets)]
                if line
            ]
        left = len(self.orders.open_orders)
        summary = f"{self.account}: no open orders" if not left else f"🔴 {self.account}: {left} orders still open"
        return [*lines, summary]

    async def _cancel_one(self, order_id: ClientOrderId, reason: str) -> str:
        try:
            await self.orders.cancel(order_id, reason)
        except BrokerError as error:
            found = await self._look_up(order_id)
            return "" if found else f"{order_id}: {error}"
        return f"cancelled {order_id}"

    async def _look_up(self, order_id: ClientOrderId) -> bool:
        """After a refused cancel: is the order over after all?"""
        try:
            report = await self.broker.find_order(order_id)
        except BrokerError:
            return False
        if report is None:
            return False
        await self.orders.apply(report)
        return not report.state.is_open

    async def _once(self, key: str, alert: Alert) -> None:
        """Tell a thing once while the program runs."""
        if key not in self._told:
            self._told.add(key)
            await self._around.alerts.add(alert)
