"""The questions half of the service: every view that a person may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from brokers.errors import BrokerError
from brokers.money import ZERO
from core.access.audit import who
from core.access.roles import Actor
from core.engine import Engine
from core.errors import UnknownName
from core.reporting import PERIODS, performance_view, report_view
from core.rows import (
    alert_row,
    audit_row,
    entry_price,
    exit_row,
    fill_row,
    limit_title,
    limit_value,
    order_card,
    order_row,
    pnl_row,
)
from core.store import alerts as alert_store
from core.store import audit as audit_store
from core.store import orders as order_store
from core.store.control import get_cursor
from core.strategy.manager import Instance
from core.trading.periods import profits_since
from core.trading.profit import Profit, profit_of, profits
from core.trading.states import OrderState
from core.trading.switch import instrument_scope
from core.views import (
    AlertRow,
    AuditRow,
    BalanceRow,
    ExitRow,
    FillRow,
    FlattenPreview,
    HealthRow,
    JobRow,
    LimitRow,
    OrderCard,
    OrderRow,
    Overview,
    Page,
    PerformanceView,
    PnlView,
    PositionRow,
    ReportView,
    RiskScreenView,
    ScopeState,
    StrategyCard,
    StrategyRow,
    StrategyStatus,
)
from risk.metrics import Unknown, exposure
from risk.rule import all_rules
from risk.usage import limit_usage
from risk.view import TradingState

# The cursor of when a person last went on after a halt: losses before that are forgiven.
MEASURED = "losses measured"

_HELD_BACK = {
    TradingState.REDUCING: "Trading is REDUCING: it may only close.",
    TradingState.HALTED: "Trading is HALTED: it decides nothing until /resume.",
}


class Questions:
    """Looks at the engine and changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- the whole ---------------------------------------------------------------------------------

    async def overview(self) -> Overview:
        """How are we doing, and is everything all right?"""
        engine, desk = self._engine, self._engine.desk
        setting = engine.switch.gravest(desk.account)
        view = desk.view()
        pnl = await self.pnl()
        counts = [each.status for each in engine.strategies.instances]
        orders = desk.orders.open_orders
        peak = view.peak_equity
        instruments = instrument_scope(desk.account, "")
        return Overview(
            account=desk.account,
            simulated=desk.broker.capabilities.simulated,
            currency=desk.currency,
            state=setting.state,
            state_reason=setting.reason,
            equity=view.equity,
            cash=view.cash,
            today=pnl.today,
            today_fraction=pnl.today_fraction,
            drawdown_fraction=None if view.equity is None or peak <= 0 else float((peak - view.equity) / peak),
            gross_fraction=self._gross_fraction(),
            running=counts.count(StrategyStatus.RUNNING),
            paused=counts.count(StrategyStatus.PAUSED),
            stopped=counts.count(StrategyStatus.STOPPED),
            failed=counts.count(StrategyStatus.FAILED),
            positions=len(desk.portfolio.held()),
            open_orders=len(orders),
            uncertain_orders=sum(order.state is OrderState.UNCERTAIN for order in orders),
            pending_alerts=await alert_store.count_waiting(),
            market_time=engine.trading_clock.now(),
            wall_time=engine.clock.now(),
            connected=desk.broker.is_connected,
            feed=engine.rounds.status,
            measured_since=await get_cursor(MEASURED),
            restricted=tuple(
                scope.removeprefix(instruments)
                for scope, state in sorted(engine.switch.states.items())
                if scope.startswith(instruments) and state is not TradingState.ACTIVE
            ),
        )

    def _gross_fraction(self) -> float | None:
        view = self._engine.desk.view()
        if not view.equity:
            return None
        try:
            return float(exposure(view).gross / view.equity)
        except Unknown:
            return None

    async def health(self) -> tuple[HealthRow, ...]:
        """Every part of the program, and whether it is well."""
        engine = self._engine
        waiting = await alert_store.count_waiting()
        parts = [
            HealthRow(name, engine.supervisor.is_well(name), self._part(name))
            for name in engine.supervisor.parts
            if name != "market"  # it has a line of its own, which says more
        ]
        return (
            HealthRow("broker", engine.desk.broker.is_connected, f"{engine.desk.account}: {self._broker_word()}"),
            HealthRow(
                "reconciled",
                engine.desk.reconciled,
                "books and venue agree" if engine.desk.reconciled else "not yet",
            ),
            HealthRow("alerts", waiting < 100, f"{waiting} waiting"),
            HealthRow("market", engine.supervisor.is_well("market"), engine.rounds.status),
            *parts,
        )

    def _broker_word(self) -> str:
        return "connected" if self._engine.desk.broker.is_connected else "not connected"

    def _part(self, name: str) -> str:
        """`running`, `done`, `starting again`, and how often it had to be."""
        supervisor = self._engine.supervisor
        failures = supervisor.failures.get(name, 0)
        word = "running" if supervisor.is_running(name) else "done"
        word = word if supervisor.is_well(name) else "starting again"
        return f"{word}; started again {failures}x" if failures else word

    # --- strategies --------------------------------------------------------------------------------

    async def strategies(self) -> tuple[StrategyRow, ...]:
        """Every strategy in a line."""
        return tuple(self._strategy_row(each) for each in self._engine.strategies.instances)

    def _strategy_row(self, instance: Instance) -> StrategyRow:
        exposures = instance.exposures.values()
        return StrategyRow(
            name=instance.name,
            kind=instance.settings.kind,
            symbols=instance.settings.symbols,
            status=instance.status,
            exposure=sum(exposures) / max(1, len(instance.settings.symbols)),
            pnl=profit_of(self._engine.desk.portfolio, instance.name).net,
            currency=self._engine.desk.currency,
        )

    async def strategy(self, name: str) -> StrategyCard:
        """All about one strategy."""
        instance = self._engine.strategies.get(name)
        profit = profit_of(self._engine.desk.portfolio, name)
        params = instance.strategy.params
        fields = type(params).model_fields
        orders = [order for order in self._engine.desk.orders.open_orders if name in order.allocations]
        return StrategyCard(
            row=self._strategy_row(instance),
            title=instance.strategy.title,
            summary=instance.strategy.summary(),
            parameters={key: str(value) for key, value in params.model_dump().items()},
            parameter_help={key: field.description or "" for key, field in fields.items()},
            sizing=", ".join(f"{key} {value}" for key, value in instance.settings.sizing.items()),
            account=self._engine.desk.account,
            running_since=instance.running_since,
            bars_seen=instance.bars_seen,
            signals=instance.signals,
            last_signal=instance.last_signal,
            last_signal_at=instance.last_signal_at,
            error=instance.error,
            restarts=instance.restarts,
            realised=profit.realised,
            unrealised=profit.unrealised,
            fees=profit.fees,
            positions=tuple(row for row in self._virtual_positions() if row.strategy == name),
            open_orders=len(orders),
            held_back=self._held_back() if instance.status is StrategyStatus.RUNNING else "",
        )

    def _holders(self) -> set[str]:
        """Whoever has or had a position: strategies that have left the settings, and hands, included."""
        return {name for name, _ in self._engine.desk.portfolio.lots()}

    def _check_known(self, strategy: str) -> None:
        """Raises `UnknownName` unless `strategy` is empty, configured, or holds something."""
        if strategy and strategy not in self._holders():
            self._engine.strategies.get(strategy)

    def _held_back(self) -> str:
        state = self._engine.switch.gravest(self._engine.desk.account).state
        return _HELD_BACK.get(state, "")

    # --- what we hold and do -----------------------------------------------------------------------

    async def positions(self) -> tuple[PositionRow, ...]:
        """The account's net positions, with each strategy's part; and those that net to nothing."""
        portfolio = self._engine.desk.portfolio
        rows = []
        for symbol in sorted({row.symbol for row in self._virtual_positions()}):
            parts = {name: lot.quantity for name, lot in portfolio.lots(symbol) if lot.quantity}
            lots = [lot for _, lot in portfolio.lots(symbol) if lot.quantity]
            quantity = sum(parts.values(), ZERO)
            cost = sum((lot.cost for lot in lots), ZERO)
            average = entry_price([lot for lot in lots if lot.quantity * quantity > 0])
            rows.append(self._position_row(symbol, quantity, cost, average, parts))
        return tuple(rows)

    def _position_row(
        self, symbol: str, quantity: Decimal, cost: Decimal, average: Decimal, parts: dict[str, Decimal]
    ) -> PositionRow:
        portfolio = self._engine.desk.portfolio
        mark = portfolio.marks.get(symbol)
        value = None if mark is None else quantity * mark * portfolio.instruments[symbol].multiplier
        unrealised = None if value is None else value - cost
        return PositionRow(
            symbol,
            quantity,
            average,
            mark,
            value,
            unrealised,
            "",
            portfolio.instruments[symbol].currency,
            parts,
            self._exits(symbol, parts),
        )

    def _exits(self, symbol: str, names: Iterable[str]) -> tuple[ExitRow, ...]:
        """How the positions of these strategies are protected."""
        found = (self._engine.pipeline.protection.guard(name, symbol) for name in names)
        return tuple(exit_row(each) for each in found if each is not None and each.spec is not None)

    def _virtual_positions(self) -> list[PositionRow]:
        portfolio = self._engine.desk.portfolio
        rows = []
        for name, lot in portfolio.lots():
            if lot.quantity:
                symbol = lot.instrument.symbol
                mark = portfolio.marks.get(symbol)
                value = None if mark is None else lot.quantity * mark * lot.instrument.multiplier
                rows.append(
                    PositionRow(
                        symbol,
                        lot.quantity,
                        lot.average_price,
                        mark,
                        value,
                        lot.unrealised(mark),
                        name,
                        lot.instrument.currency,
                        {name: lot.quantity},
                        self._exits(symbol, [name]),
                    )
                )
        return rows

    async def orders(self, *, page: int = 1, size: int = 8, which: str = "all", strategy: str = "") -> Page[OrderRow]:
        """Orders, newest first: "all", "open", or those in "doubt". Raises `UnknownName`."""
        self._check_known(strategy)
        state = OrderState.UNCERTAIN if which == "doubt" else None
        rows, total = await order_store.page_of_orders(
            page, size, open_only=which != "all", strategy=strategy, state=state
        )
        return Page(tuple(order_row(row) for row in rows), page, size, total)

    async def order(self, client_order_id: str) -> OrderCard:
        """One order with its whole history. Raises `UnknownName`."""
        row = await order_store.get_order(client_order_id)
        desk = self._engine.desk
        if row is None:
            raise UnknownName("order", client_order_id[:40], [order.id for order in desk.orders.open_orders])
        return order_card(
            row,
            await order_store.events_of(client_order_id),
            await order_store.fills_of(desk.account, [client_order_id]),
            desk.decisions.next_step(client_order_id),
        )

    async def fills(self, *, page: int = 1, size: int = 8, symbol: str = "") -> Page[FillRow]:
        """Fills, newest first. Raises `UnknownName`."""
        portfolio = self._engine.desk.portfolio
        known = {*portfolio.instruments, *(lot.instrument.symbol for _, lot in portfolio.lots())}
        if symbol and symbol not in known:
            raise UnknownName("symbol", symbol, known)
        rows, total = await order_store.page_of_fills(page, size, symbol)
        return Page(tuple(fill_row(row) for row in rows), page, size, total)

    async def balances(self) -> tuple[BalanceRow, ...]:
        """Cash by our ledger beside the venue's own word."""
        desk = self._engine.desk
        try:
            theirs = dict((await desk.broker.get_account_info()).balances)
        except BrokerError:
            theirs = {}
        ours = desk.portfolio.cash_by_currency
        rows = []
        for currency in sorted({*ours, *theirs}):
            venue = theirs.get(currency)
            total, free = (venue.total, venue.free) if venue else (None, None)
            rows.append(BalanceRow(desk.account, currency, ours.get(currency, ZERO), total, free))
        return tuple(rows)

    # --- how it went -------------------------------------------------------------------------------

    async def pnl(self) -> PnlView:
        """Profit today and by strategy."""
        return await self._pnl(None)

    async def _pnl(self, since: datetime | None) -> PnlView:
        """Profit today, and by strategy since a moment or since the start."""
        desk = self._engine.desk
        view = desk.view()
        today = None if view.equity is None else view.equity - view.day_start_equity
        start = view.day_start_equity
        by_name = profits(desk.portfolio) if since is None else await profits_since(desk.portfolio, since)
        names = [each.name for each in self._engine.strategies.instances]
        rows = [pnl_row(name, by_name.get(name, Profit())) for name in [*names, *sorted(set(by_name) - set(names))]]
        return PnlView(
            currency=desk.currency,
            today=today,
            today_fraction=None if today is None or start <= 0 else float(today / start),
            day_start_equity=start,
            total=pnl_row("total", sum(by_name.values(), Profit())),
            strategies=tuple(rows),
            at=view.at,
        )

    async def performance(self, subject: str = "account") -> PerformanceView:
        """Figures and the curve of the account or of one strategy."""
        if subject != "account":
            self._engine.strategies.get(subject)
        return await performance_view(
            subject, self._engine.desk.portfolio, self._deposits(), simulated=self._simulated()
        )

    async def report(self, period: str = "all") -> ReportView:
        """A report over a day, a week, a month, or everything."""
        if period not in PERIODS:
            raise UnknownName("period", period, PERIODS)
        now = self._engine.trading_clock.now()
        length = PERIODS[period]
        return await report_view(
            period,
            now,
            await self._pnl(None if length is None else now - length),
            self._engine.desk.portfolio,
            base=self._deposits(),
            simulated=self._simulated(),
            denials=self._engine.pipeline.denials,
        )

    def _deposits(self) -> Decimal:
        return self._engine.desk.portfolio.deposits or ZERO

    def _simulated(self) -> bool:
        return self._engine.desk.broker.capabilities.simulated

    # --- risk, alerts, jobs, audit -----------------------------------------------------------------

    async def risk(self) -> RiskScreenView:
        """States, baselines, limits and their use."""
        desk, switch = self._engine.desk, self._engine.switch
        view = desk.view()
        usage = tuple(
            LimitRow(each.code, each.title, each.value, each.limit, each.fraction)
            for each in limit_usage(view, desk.gate.limits)
        )
        limits = desk.gate.limits
        return RiskScreenView(
            state=switch.gravest(desk.account).state,
            scopes=tuple(
                ScopeState(scope, each.state, each.reason, each.by, each.at) for scope, each in switch.settings.items()
            ),
            equity=view.equity,
            day_start_equity=view.day_start_equity,
            peak_equity=view.peak_equity,
            currency=desk.currency,
            usage=usage,
            limits={
                limit_title(each): limit_value(each, getattr(limits, each), desk.currency)
                for each in type(limits).model_fields
            },
            rules={each.code: each.title for each in all_rules()},
            measured_since=await get_cursor(MEASURED),
        )

    async def alerts(self, *, page: int = 1, size: int = 8) -> Page[AlertRow]:
        """Alerts, newest first."""
        rows, total = await alert_store.page_of_alerts(page, size)
        deliveries = await alert_store.deliveries_of(row.id for row in rows)
        by_status = {row.id: [each.status for each in deliveries if each.alert_id == row.id] for row in rows}
        return Page(tuple(alert_row(row, by_status[row.id]) for row in rows), page, size, total)

    async def jobs(self) -> tuple[JobRow, ...]:
        """Every scheduled job."""
        return await self._engine.scheduler.rows()

    async def audit(self, *, page: int = 1, size: int = 10) -> Page[AuditRow]:
        """The audit trail, newest first."""
        rows, total = await audit_store.page_of_audit(page, size)
        return Page(tuple(audit_row(row) for row in rows), page, size, total)

    async def traces(self, actor: Actor, since: datetime) -> tuple[AuditRow, ...]:
        """What one person has left in the audit trail since a moment, oldest first."""
        rows = await audit_store.lines_of(who(actor), since)
        return tuple(audit_row(row) for row in rows)

    async def flatten_preview(self, strategy: str = "") -> FlattenPreview:
        """What flattening a strategy, or everything, would trade."""
        self._check_known(strategy)
        held = self._engine.desk.closing(strategy)
        marks = self._engine.desk.portfolio.marks
        orders = []
        for symbol, parts in held.items():
            quantity = sum(parts.values(), ZERO)
            mark = marks.get(symbol)
            orders.append((symbol, quantity, None if mark is None else abs(quantity) * mark))
        return FlattenPreview(strategy or "everything", tuple(orders), self._engine.desk.currency)
