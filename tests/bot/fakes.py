"""Stand-ins for what the chat asks of core: in memory, with the same semantics as the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.health import Breaker, CallHealth, Health, StreamHealth
from brokers.market import Bar
from brokers.order import OrderType, Side
from core.access.audit import who
from core.access.roles import Actor
from core.access.tickets import Ticket, TicketProblem, TicketRefused, TicketRequest
from core.alerts.channel import Message, Severity, Standing, Status
from core.analytics.summary import performance
from core.clock import Clock, Ids
from core.errors import UnknownName, UserError
from core.rows import limit_title, limit_value
from core.service import Quarterdeck
from core.settings import UserSettings
from core.store.inbox import InboxItem
from core.trading.adjustment import Wish
from core.trading.own_limits import changed, said
from core.trading.scopes import HOUSE, Scope, ScopeKind, halt_said
from core.views import (
    ActionResult,
    Adjusted,
    AdjustView,
    AlertCard,
    AlertRow,
    AuditRow,
    AwayRow,
    BalanceRow,
    BrokerView,
    CandlesView,
    DeliveryLine,
    EquityPoint,
    ExposureView,
    FailbackView,
    FillRow,
    FlattenPreview,
    HealthRow,
    InvitationView,
    JobRow,
    KillView,
    LimitEdit,
    LimitRow,
    LimitSet,
    LiveView,
    Muting,
    OrderCard,
    OrderFill,
    OrderRow,
    OrderStep,
    Overview,
    Page,
    PerformanceView,
    PersonView,
    PnlRow,
    PnlView,
    PositionRow,
    ReportView,
    ResumeView,
    RiskScreenView,
    ScopeState,
    StrategyCard,
    StrategyRow,
    StrategyStatus,
)
from risk.limits import RiskLimits, loosened
from risk.view import TradingState
from tests.bot.manual_fakes import FakeHand

NOW = datetime(2026, 3, 2, 14, 3, 22, tzinfo=UTC)
MARKET = datetime(2000, 9, 29, tzinfo=UTC)
D = Decimal


@dataclass
class World:
    """What the fake service knows; tests change it."""

    state: TradingState = TradingState.ACTIVE
    reason: str = ""
    simulated: bool = True
    waits_for_yes: bool = True
    strategies: dict[str, StrategyRow] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    positions: list[PositionRow] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    restricted: tuple[str, ...] = ()
    kills: list[KillView] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    alerts: list[AlertRow] = field(default_factory=list)
    mutes: list[Muting] = field(default_factory=list)
    jobs: dict[str, JobRow] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    brokers: list[BrokerView] = field(default_factory=list)
    away: list[AwayRow] = field(default_factory=list)
    differs: AdjustView | None = None
    points: int = 0


def strategy_row(name: str = "trend-aapl", **changes: Any) -> StrategyRow:
    row = StrategyRow(name, "trend", ("AAPL",), StrategyStatus.RUNNING, 0.62, D("1234.50"), "USD")
    return replace(row, **changes)


def position(symbol: str = "AAPL", quantity: str = "120", **changes: Any) -> PositionRow:
    row = PositionRow(
        symbol, D(quantity), D("25.1"), D("26.35"), D("3162"), D("150"), "", "USD", {"trend-aapl": D(quantity)}
    )
    return replace(row, **changes)


def order(number: int = 1, *, is_open: bool = True, **changes: Any) -> OrderRow:
    row = OrderRow(
        f"qd01HZX{number:019d}", "paper", "AAPL", Side.BUY, D("100"), D("25") if is_open else D("100"),
        OrderType.LIMIT, D("25.5"), None, "partially_filled" if is_open else "filled", is_open,
        ("trend-aapl",), "", NOW - timedelta(seconds=12 * number),
    )  # fmt: skip
    return replace(row, **changes)


def fill(number: int = 1, **changes: Any) -> FillRow:
    at = MARKET - timedelta(days=number)
    row = FillRow("AAPL", Side.SELL, D("100"), D("25.75"), D("2.58"), "USD", ("trend-aapl",), at)
    return replace(row, **changes)


def alert(number: int = 1, **changes: Any) -> AlertRow:
    row = AlertRow(
        number, "WARNING", "Daily loss 2.1%", "The alert limit is 2%.", NOW - timedelta(minutes=number), 1, 0
    )
    return replace(row, **changes)


def job(name: str = "daily-report", **changes: Any) -> JobRow:
    row = JobRow(
        name, "Daily report", "every day at 22:00", True, NOW + timedelta(hours=8), NOW - timedelta(hours=16), "ok"
    )
    return replace(row, **changes)


def connection(name: str = "paper", adapter: str = "paper", mode: str = "paper", **changes: Any) -> BrokerView:
    row = BrokerView(name, adapter, mode, is_feed=False, is_live=mode == "live", connected=True, health=Health())
    return replace(row, **changes)


def well(**changes: Any) -> Health:
    """The health of a venue over the wire with which nothing is wrong."""
    calls = {"place": CallHealth(40, 0, 0.021, 0.084), "cancel": CallHealth(12, 0, 0.019, 0.05),
             "query": CallHealth(1000, 2, 0.033, 1.26)}  # fmt: skip
    streams = {
        "reports": StreamHealth(True, NOW - timedelta(seconds=4), 1),
        "quotes": StreamHealth(True, NOW - timedelta(seconds=1)),
    }
    health = Health(calls=calls, streams=streams, used=0.12, clock_offset=timedelta(milliseconds=43), reconnects=1)
    return replace(health, **changes)


def ill() -> Health:
    """The health of a venue with which everything is wrong."""
    return well(
        breaker=Breaker.TRIAL, used=0.97, banned_until=NOW + timedelta(minutes=12), clock_offset=timedelta(seconds=10),
        streams={"reports": StreamHealth(False, NOW - timedelta(minutes=3), 7), "quotes": StreamHealth(True, None)},
        last_error="RequestTimeout: binance POST <order> & no answer",
    )  # fmt: skip


def busy_world(count: int = 1) -> World:
    """A world with `count` of everything."""
    names = ["trend-aapl", *(f"strategy-{number}" for number in range(2, count + 1))]
    statuses = list(StrategyStatus)
    world = World(points=30)
    for place, name in enumerate(names):
        world.strategies[name] = strategy_row(name, status=statuses[place % 4], pnl=D(1000 - 400 * place))
    world.positions = [position(f"SYM{n}" if n else "AAPL", str(120 - 50 * n)) for n in range(count)]
    world.orders = [order(n, is_open=n <= 2) for n in range(1, 3 * count + 1)]
    world.fills = [fill(n) for n in range(1, 7 * count + 1)]
    world.alerts = [alert(n) for n in range(1, 3 * count + 1)]
    world.jobs = {name: job(name, enabled=name != "paused-job") for name in ("daily-report", "paused-job")}
    world.jobs["risk-sweep"] = job(
        "risk-sweep", schedule="every 5 s", usual="every 2 s", changed_by="Ada", guards=True, interval=True
    )
    world.jobs["report-week-1"] = job("report-week-1", schedule="mon 08:00 Europe/Berlin", added_by="Ada")
    world.brokers = [connection(), connection("main", "binance", "testnet", health=well())][:count]
    world.audit = [
        AuditRow(n, NOW - timedelta(minutes=n), "Ada (1)", "halt", "too risky", "ok") for n in range(4 * count)
    ]
    return world


class FakeService(FakeHand, Quarterdeck):  # type: ignore[misc]
    """Quarterdeck in memory. `calls` lists the actions; `gate` (when set) holds every question back."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or busy_world()
        self.calls: list[tuple[str, ...]] = []
        self.gate: asyncio.Event | None = None
        self.fault: Exception | None = None
        self.measured_since: datetime | None = None
        self.halted_scopes: list[Scope] = []
        self.health_rows: tuple[HealthRow, ...] = (
            HealthRow("database", True, "12 MB"),
            HealthRow("broker", False, "reconnecting <1 min>"),
        )

    async def _wait(self) -> World:
        if self.gate:
            await self.gate.wait()
        if self.fault:
            raise self.fault
        return self.world

    def accounts_of_strategy(self, name: str, actor: Actor) -> tuple[str, ...]:
        if self.fault:
            raise self.fault
        return (self._row(name).account or "paper",)

    async def account_of_order(self, order_id: str, actor: Actor) -> str:
        if self.fault:
            raise self.fault
        found = [row.account or "paper" for row in self.world.orders if row.client_order_id == order_id]
        if not found:
            raise UserError(f"There is no order {order_id[:60]}. /orders lists them.")
        return found[0]

    def limit_change(self, name: str, value: str, actor: Actor, account: str = "") -> LimitEdit:
        before = RiskLimits()
        after = changed(before, name, value)
        old, new = (limit_value(name, getattr(each, name), "USD") for each in (before, after))
        token = said(getattr(before, name))
        return LimitEdit("paper", limit_title(name), old, new, token, old != new, bool(loosened(before, after)))

    def limits_now(self, actor: Actor, account: str = "") -> dict[str, str]:
        return {name: said(getattr(RiskLimits(), name)) for name in RiskLimits.model_fields}

    async def set_limit(self, name: str, value: str, actor: Actor, account: str = "", seen: str = "") -> ActionResult:
        return self._act("set_limit", name, value, seen, actor.name, said=f"{name} is {value}.")

    async def limits_set(self, actor: Actor) -> tuple[LimitSet, ...]:
        return ()

    async def unlock_codes(self, name: str, actor: Actor) -> ActionResult:
        return self._act("unlock_codes", name, actor.name, said=f"The codes of {name} are looked at again.")

    def _row(self, name: str) -> StrategyRow:
        if name not in self.world.strategies:
            raise UnknownName("strategy", name, self.world.strategies)
        return self.world.strategies[name]

    def seen_by(self, actor: Actor) -> tuple[str, ...] | None:
        return None

    def visible(self, accounts: Collection[str] | None = None) -> tuple[str, ...]:
        return ()

    async def overview(self, account: str = "", accounts: Collection[str] | None = None) -> Overview:
        w = await self._wait()
        _check_account(account)
        by = [row.status for row in w.strategies.values()]
        return Overview(
            account="paper", simulated=w.simulated, mode="" if w.simulated else "live", currency="USD", state=w.state, state_reason=w.reason,
            equity=D("101234.5"), cash=D("98072.5"), today=D("-120.4"), today_fraction=-0.00119,
            drawdown_fraction=0.012, gross_fraction=0.312, running=by.count(StrategyStatus.RUNNING),
            paused=by.count(StrategyStatus.PAUSED), stopped=by.count(StrategyStatus.STOPPED),
            failed=by.count(StrategyStatus.FAILED), positions=len(w.positions),
            open_orders=sum(row.is_open for row in w.orders), uncertain_orders=sum(row.state == "uncertain" for row in w.orders), pending_alerts=0,
            market_time=MARKET, wall_time=NOW, connected=True, feed="replaying 2000-09-29 at 4 bars/s",
            measured_since=self.measured_since, restricted=w.restricted,
        )  # fmt: skip

    async def brokers(self, accounts: Collection[str] | None = None) -> tuple[BrokerView, ...]:
        return tuple((await self._wait()).brokers)

    async def strategies(self, account: str = "", accounts: Collection[str] | None = None) -> tuple[StrategyRow, ...]:
        return tuple((await self._wait()).strategies.values())

    async def strategy(self, name: str, accounts: Collection[str] | None = None) -> StrategyCard:
        w = await self._wait()
        row = self._row(name)
        return StrategyCard(
            row=row, title="Trend following", summary="Buys above the moving average <200>.",
            parameters={"fast": "20", "slow": "100"}, parameter_help={"fast": "days of the fast average"},
            sizing="volatility target 10%", account="paper", running_since=NOW - timedelta(days=3), bars_seen=180,
            signals=12, last_signal="long 0.62: fast above slow", last_signal_at=NOW - timedelta(minutes=5),
            error=w.errors.get(name, ""), restarts=0, realised=D("1500"), unrealised=D("-200.5"), fees=D("65"),
            positions=tuple(w.positions[:2]), open_orders=1 if w.orders else 0,
        )  # fmt: skip

    async def positions(self, account: str = "", accounts: Collection[str] | None = None) -> tuple[PositionRow, ...]:
        return tuple((await self._wait()).positions)

    async def orders(
        self,
        *,
        page: int = 1,
        size: int = 8,
        which: str = "all",
        strategy: str = "",
        account: str = "",
        accounts: Collection[str] | None = None,
    ) -> Page[OrderRow]:
        w = await self._wait()
        if strategy:
            self._row(strategy)
        rows = [row for row in w.orders if row.is_open or which == "all"]
        return _page([row for row in rows if which != "doubt" or row.state == "uncertain"], page, size)

    async def order(self, client_order_id: str, accounts: Collection[str] | None = None) -> OrderCard:
        w = await self._wait()
        known = {row.client_order_id: row for row in w.orders}
        if client_order_id not in known:
            raise UnknownName("order", client_order_id, known)
        row = known[client_order_id]
        doubt = row.state == "uncertain"
        steps = (
            OrderStep("intended", "submitting", row.reason, NOW),
            OrderStep("submitting", row.state, "the line <broke> & nobody knows" if doubt else "", NOW),
        )
        fills = (OrderFill(row.filled, D("101.5"), None, "booked", NOW),) if row.filled else ()
        next_step = "The venue is asked again and again; so far not found 1 time." if doubt else ""
        return OrderCard(row, "v-1", "", "strategy", "", doubt, next_step, None, steps, fills)

    async def protect(self, strategy: str, symbol: str, spec: object, actor: Actor) -> ActionResult:
        return self._act("protect", strategy, symbol, actor.name, said=f"{strategy} in {symbol}: {spec}.")

    async def look_again(self, client_order_id: str, actor: Actor) -> ActionResult:
        return self._act(
            "look_again", client_order_id, actor.name, said="Not found this time: it still counts in full."
        )

    async def decide_order(self, client_order_id: str, *, placed: bool, actor: Actor) -> ActionResult:
        return self._act("decide_order", client_order_id, str(placed), actor.name, said="It no longer counts.")

    async def fills(
        self,
        *,
        page: int = 1,
        size: int = 8,
        symbol: str = "",
        account: str = "",
        accounts: Collection[str] | None = None,
    ) -> Page[FillRow]:
        known = {row.symbol for row in (await self._wait()).fills}
        if symbol and symbol not in known:
            raise UnknownName("symbol", symbol, known)
        rows = [row for row in self.world.fills if symbol in ("", row.symbol)]
        return _page(rows, page, size)

    async def balances(self, account: str = "", accounts: Collection[str] | None = None) -> tuple[BalanceRow, ...]:
        w = await self._wait()
        return (BalanceRow("paper", "USD", D("98072.5"), D("98072.5"), D("90000")),) if w.strategies else ()

    async def pnl(self, account: str = "", accounts: Collection[str] | None = None) -> PnlView:
        w = await self._wait()
        rows = tuple(PnlRow(row.name, row.pnl, D("-20.5"), D("3")) for row in w.strategies.values())
        total = PnlRow("total", D("1500"), D("-200.5"), D("65"))
        return PnlView("USD", D("-120.4"), -0.00119, D("101354.9"), total, rows, MARKET)

    async def symbols(self) -> tuple[str, ...]:
        return (*dict.fromkeys(row.symbol for row in self.world.positions), "MSFT")

    async def candles(self, symbol: str, account: str = "", accounts: Collection[str] | None = None) -> CandlesView:
        w = await self._wait()
        if symbol not in await self.symbols():
            raise UnknownName("symbol", symbol, await self.symbols())
        days = [MARKET - timedelta(days=min(w.points, 40) - n) for n in range(min(w.points, 40))]
        bars = tuple(
            Bar(symbol, at, D(100), D(103 + n % 5), D(98), D(101 + n % 3), D(1000 * n)) for n, at in enumerate(days)
        )
        held = next((row for row in w.positions if row.symbol == symbol), None)
        quantity, cost = (held.quantity, held.average_price) if held else (D(0), None)
        return CandlesView(symbol, "USD", w.simulated, bars, tuple(w.fills[:3]), quantity, cost, (D("97.5"),))

    async def exposure(self, account: str = "", accounts: Collection[str] | None = None) -> ExposureView:
        w = await self._wait()
        unpriced = tuple(row.symbol for row in w.positions if row.value is None)
        by_symbol = {row.symbol: row.value for row in w.positions if row.value is not None}
        by_strategy = {name: D(units) for row in w.positions for name, units in row.by_strategy.items()}
        gross = None if unpriced else sum(map(abs, by_symbol.values()), D(0))
        net = None if unpriced else sum(by_symbol.values(), D(0))
        return ExposureView("USD", w.simulated, D(100_000), gross, net, by_symbol, by_strategy, unpriced)

    async def performance(self, subject: str = "account", accounts: Collection[str] | None = None) -> PerformanceView:
        w = await self._wait()
        if subject != "account":
            self._row(subject)
        series = tuple(
            EquityPoint(MARKET - timedelta(days=w.points - n), D(100000 + (n * 37) % 11 * 100)) for n in range(w.points)
        )
        figures = performance([point.at for point in series], [point.value for point in series])
        return PerformanceView(subject, "USD", w.simulated, figures, series, ())

    async def risk(self, account: str = "", accounts: Collection[str] | None = None) -> RiskScreenView:
        w = await self._wait()
        _check_account(account)
        scopes = (
            ScopeState("global", w.state, w.reason or "start", "Ada", NOW - timedelta(minutes=3)),
            *(ScopeState(f"instrument:paper/{each}", TradingState.REDUCING, "drift", "reconciliation", NOW)
              for each in w.restricted),
        )  # fmt: skip
        usage = (
            LimitRow("DAILY_LOSS", "Daily loss", "0.1%", "5%", 0.024),
            LimitRow("GROSS_EXPOSURE", "Gross exposure", "31.2%", "100%", 0.312),
            LimitRow("VOLUME", "Part of the day's volume", "?", "1%", None),
        )
        limits = {"daily loss halts at": "5%", "largest order": "$10,000.00"}
        rules = {"ORDER_VALUE": "no order above the largest value <all strategies>", "COLLAR": "prices near the market"}
        return RiskScreenView(
            w.state, scopes, D("101234.5"), D("101354.9"), D("102000"), "USD", usage, limits, rules,
            self.measured_since,
        )  # fmt: skip

    async def restrictions(self, accounts: Collection[str] | None = None) -> tuple[ScopeState, ...]:
        return (await self.risk()).scopes

    async def alerts(
        self, *, page: int = 1, size: int = 8, which: str = "all", actor: Actor | None = None
    ) -> Page[AlertRow]:
        severity = {"critical": "CRITICAL", "warning": "WARNING"}.get(which)
        rows = [row for row in (await self._wait()).alerts if severity in (None, row.severity)]
        if which == "open":
            rows = [row for row in rows if row.standing and row.standing.status is Status.OPEN]
        return _page(rows, page, size)

    def _alert_row(self, alert_id: int) -> AlertRow:
        known = {row.id: row for row in self.world.alerts}
        if alert_id not in known:
            raise UserError(f"There is no alert #{alert_id}. /alerts lists them.")
        return known[alert_id]

    async def alert(self, alert_id: int, actor: Actor) -> AlertCard:
        row = self._alert_row(alert_id)
        message = Message(
            (row.id,), "breach", Severity(row.severity), row.title, tuple(row.body.splitlines()), row.at,
            account=row.account, step=row.repeats, standing=row.standing,
        )  # fmt: skip
        due = NOW + timedelta(minutes=4) if row.standing and row.standing.status is Status.OPEN else None
        told = DeliveryLine("Ada <1>", "telegram", 0, "delivered", row.at)
        again = DeliveryLine("Tom", "email", 1, "refused: no such mailbox", row.at)
        return AlertCard(row, message, row.body, (told, again) if row.delivered else (), due)

    async def account_of_alert(self, alert_id: int) -> str:
        return next((row.account for row in self.world.alerts if row.id == alert_id), "")

    async def acknowledge(self, alert_id: int, actor: Actor) -> ActionResult:
        row = self._alert_row(alert_id)
        if row.standing is None or row.standing.status is not Status.OPEN:
            return ActionResult(False, f"#{alert_id} is acknowledged already by Bob.")
        self._stand(row, Standing(Status.ACKNOWLEDGED, actor.name, NOW))
        return self._act("acknowledge", str(alert_id), actor.name, said="Acknowledged: it is yours now.")

    async def snooze(self, alert_id: int, length: timedelta, actor: Actor) -> ActionResult:
        self._stand(self._alert_row(alert_id), Standing(Status.SNOOZED, actor.name, NOW, NOW + length))
        return self._act("snooze", str(alert_id), str(length), actor.name, said="Snoozed: it comes back.")

    def _stand(self, row: AlertRow, standing: Standing) -> None:
        self.world.alerts = [replace(row, standing=standing) if one is row else one for one in self.world.alerts]

    async def mutes(self, actor: Actor) -> tuple[Muting, ...]:
        return tuple((await self._wait()).mutes)

    async def mutable(self, actor: Actor) -> tuple[str, ...]:
        return (*(f"strategy:{name}" for name in self.world.strategies), "account:paper", "kind:fill", "kind:drift")

    async def mute(self, what: str, length: timedelta, reason: str, actor: Actor) -> ActionResult:
        return self._act("mute", what, str(length), reason, actor.name, said=f"#1: {what}.")

    async def maintain(self, length: timedelta, reason: str, actor: Actor, account: str = "") -> ActionResult:
        return self._act("maintain", str(length), reason, account, actor.name, said="#1: maintenance.")

    async def unmute(self, mute_id: int, actor: Actor) -> ActionResult:
        return self._act("unmute", str(mute_id), actor.name, said=f"#{mute_id} is over.")

    async def account_of_mute(self, mute_id: int) -> str:
        return ""

    async def account_of_scope(self, scope: str) -> str:
        return ""

    def account_names(self) -> tuple[str, ...]:
        return ("paper",)

    async def jobs(self) -> tuple[JobRow, ...]:
        return tuple((await self._wait()).jobs.values())

    async def audit(self, *, page: int = 1, size: int = 10) -> Page[AuditRow]:
        return _page((await self._wait()).audit, page, size)

    async def traces(self, actor: Actor, since: datetime) -> tuple[AuditRow, ...]:
        rows = (await self._wait()).audit
        return tuple(row for row in rows if row.actor == who(actor) and row.at >= since)

    async def health(self, accounts: Collection[str] | None = None) -> tuple[HealthRow, ...]:
        await self._wait()
        return self.health_rows

    async def report(
        self, period: str = "all", account: str = "", accounts: Collection[str] | None = None
    ) -> ReportView:
        pnl, shown = await self.pnl(), await self.performance()
        return ReportView(f"Report: {period}", period, shown, pnl, 7, 3, 1, 0, f"report-{period}.csv", b"at,symbol\n")

    async def flatten_preview(
        self, strategy: str = "", account: str = "", accounts: Collection[str] | None = None
    ) -> FlattenPreview:
        w = await self._wait()
        if strategy:
            self._row(strategy)
        orders = tuple((row.symbol, -row.quantity, row.value) for row in w.positions)
        return FlattenPreview(strategy or "account", orders, "USD")

    def _act(self, *call: str, said: str) -> ActionResult:
        self.calls.append(call)
        return ActionResult(True, said)

    def _set(self, name: str, status: StrategyStatus) -> None:
        self.world.strategies[name] = replace(self._row(name), status=status)

    async def start_strategy(self, name: str, actor: Actor) -> ActionResult:
        self._set(name, StrategyStatus.RUNNING)
        return self._act("start", name, actor.name, said=f"{name} runs.")

    async def pause_strategy(self, name: str, actor: Actor) -> ActionResult:
        self._set(name, StrategyStatus.PAUSED)
        return self._act("pause", name, actor.name, said=f"{name} is paused.")

    async def stop_strategy(self, name: str, actor: Actor) -> ActionResult:
        self._set(name, StrategyStatus.STOPPED)
        return self._act("stop", name, actor.name, said=f"{name} is stopped.")

    async def flatten_plan(self, strategy: str = "", account: str = "", accounts: Any = None) -> str:
        return f"[{len(self.world.positions)}]"

    async def flatten(
        self, actor: Actor, strategy: str = "", account: str = "", accounts: Any = None, shown: str = ""
    ) -> ActionResult:
        result = self._act("flatten", strategy or account, actor.name, said="2 orders sent.")
        return replace(result, lines=tuple(f"sell {row.quantity} {row.symbol}" for row in self.world.positions))

    async def halt(self, actor: Actor, reason: str) -> ActionResult:
        self.world.state, self.world.reason = TradingState.HALTED, reason
        return self._act("halt", reason, actor.name, said=f"Halted: {reason}")

    async def halt_said(self, actor: Actor, text: str) -> ActionResult:
        said = halt_said(text, self.known_scopes())
        self.halted_scopes.append(said.scope)
        return await self.halt(actor, said.reason)

    def known_scopes(self, actor: Actor | None = None) -> dict[ScopeKind, list[str]]:
        strategies = list(self.world.strategies)
        return {ScopeKind.ACCOUNT: ["paper"], ScopeKind.BROKER: ["paper"], ScopeKind.STRATEGY: strategies}

    def accounts_of(self, scope: Scope) -> tuple[str, ...]:
        return ("paper",)

    def modes(self, actor: Actor) -> dict[str, str]:
        return {"paper": "paper" if self.world.simulated else "live"}

    def live_preview(self, actor: Actor, account: str = "") -> LiveView:
        if self.world.simulated:
            raise UserError(f"{account or 'paper'} trades no real money: there is nothing to confirm.")
        return LiveView(
            "paper", "binance", "binance spot live 0a1b2c", "t0k3n", self.world.waits_for_yes, "USDT", D("1234.5"), 1,
            ("trend-aapl",), TradingState.HALTED,
        )  # fmt: skip

    async def go_live(self, actor: Actor, account: str, seen: str) -> ActionResult:
        if seen != "t0k3n":
            return ActionResult(False, "The broker of paper is not what was shown: ask again.")
        self.world.waits_for_yes = False
        return self._act("go_live", account, actor.name, said="paper trades REAL MONEY from now on.")

    def failback_preview(self, actor: Actor, strategy: str = "") -> FailbackView:
        if strategy and strategy not in {row.strategy for row in self.world.away}:
            raise UserError(f"{strategy} trades in its own account.")
        return FailbackView(tuple(self.world.away), "t0k3n")

    async def fail_back(self, actor: Actor, strategy: str, seen: str) -> ActionResult:
        if seen != "t0k3n":
            return ActionResult(False, "Not what was shown trades away from home by now: ask again.")
        return self._act("fail_back", strategy, actor.name, said="They trade in their own accounts again.")

    def accounts_to_adjust(self, actor: Actor, account: str = "") -> tuple[str, ...]:
        if account not in ("", "paper"):
            raise UnknownName("account", account, ["paper"])
        return ("paper",)

    async def adjust_preview(self, actor: Actor, account: str, wish: Wish) -> AdjustView:
        return self.world.differs or AdjustView("paper", "USD", "paper")

    async def adjust(self, actor: Actor, account: str, wish: Wish, reason: str, seen: str) -> Adjusted:
        view = await self.adjust_preview(actor, account, wish)
        if seen != view.token:
            return Adjusted(ActionResult(False, "It is not what was shown by now. Nothing was booked."), view)
        self.world.differs = None
        words = (account, wish.treatment.value, wish.first, reason)
        return Adjusted(self._act("adjust", *words, actor.name, said="Booked: the books of paper are the venue's."))

    async def kills(self) -> tuple[KillView, ...]:
        return tuple(self.world.kills)

    async def resume_preview(self, actor: Actor, scope: Scope = HOUSE) -> ResumeView:
        lifts = tuple(each for each in (await self.risk()).scopes if each.state is not TradingState.ACTIVE)
        return ResumeView(str(scope), lifts, self.world.reason, (), ())

    async def resume(self, actor: Actor, scope: Scope = HOUSE, seen: str = "") -> ActionResult:
        if seen != self.world.reason:
            return ActionResult(False, "The halt is not the one that you were asked about.")
        self.world.state, self.world.reason = TradingState.ACTIVE, ""
        return self._act("resume", actor.name, said="Trading again.")

    async def set_job(self, name: str, *, enabled: bool, actor: Actor) -> ActionResult:
        return self._act("set_job", name, str(enabled), actor.name, said=f"{name}: {'on' if enabled else 'paused'}.")

    async def test_channels(self, actor: Actor) -> ActionResult:
        return self._act("test_channels", actor.name, said="All 1 tests were accepted.")

    async def run_job(self, name: str, actor: Actor) -> ActionResult:
        return self._act("run_job", name, actor.name, said=f"{name} ran.")

    async def move_job(self, name: str, text: str, zone: str, actor: Actor) -> ActionResult:
        return self._act("move_job", name, text, zone, actor.name, said=f"{name}: {text}.")

    async def add_job(self, kind: str, argument: str, text: str, zone: str, actor: Actor) -> ActionResult:
        return self._act("add_job", kind, argument, text, zone, actor.name, said=f"{kind} {argument}: {text}.")

    async def people(self) -> tuple[PersonView, ...]:
        await self._wait()
        return (
            PersonView(1, "Ada", "admin", "admin", "Europe/Berlin", "", None),
            PersonView(2, "Tom <b>", "trader", "trader, nothing in fund", "UTC", "Ada (1)", NOW),
        )

    def check_invitation(self, name: str, role: str, account: str = "") -> str:
        return f"{role} {account}".strip()

    def trust_after(self, name: str, role: str, account: str = "") -> tuple[UserSettings, str, str]:
        return UserSettings(id=2, name="Tom", role="trader"), "trader", f"{role} {account}".strip()

    async def invite(self, name: str, role: str, actor: Actor, account: str = "") -> InvitationView:
        self._act("invite", name, role, account, actor.name, said="")
        return InvitationView(name, role, "join-" + "7" * 26, NOW)

    async def set_role(self, name: str, role: str, actor: Actor, account: str = "") -> ActionResult:
        return self._act("set_role", name, role, account, actor.name, said=f"{name} is now {role}.")

    async def set_time_zone(self, name: str, user_id: int, actor: Actor) -> ActionResult:
        return self._act("set_time_zone", name, actor.name, said=f"Times are in {name} from now on.")

    async def remove_person(self, name: str, actor: Actor) -> ActionResult:
        return self._act("remove_person", name, actor.name, said=f"{name} is removed.")

    async def admit(self, code: str, user_id: int) -> bool:
        self._act("admit", code, str(user_id), said="")
        return False

    async def remove_job(self, name: str, actor: Actor) -> ActionResult:
        return self._act("remove_job", name, actor.name, said=f"{name} is gone.")


def _check_account(account: str) -> None:
    if account not in ("", "paper"):
        raise UnknownName("account", account, ["paper"])


def _page(rows: Sequence[Any], number: int, size: int) -> Page[Any]:
    return Page(tuple(rows[(number - 1) * size : number * size]), number, size, len(rows))


class FakeInbox:
    """Keeps its items when the app above it dies: hand the same one to the next app."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.items: dict[int, InboxItem] = {}
        self.outcomes: dict[int, str] = {}
        self.log: list[str] = []

    async def append(self, updates: Sequence[tuple[int, str]]) -> int:
        fresh = {number: raw for number, raw in updates if number not in self.items}
        for number, raw in fresh.items():
            self.items[number] = InboxItem(number, raw, self._clock.now(), False)
        self.log.append(f"append {[number for number, _ in updates]}")
        return len(fresh)

    async def pending(self, after: int = -1, size: int = 200) -> list[InboxItem]:
        waiting = [
            item for number, item in sorted(self.items.items()) if number not in self.outcomes and number > after
        ]
        return waiting[:size]

    async def begin(self, *update_ids: int) -> None:
        for update_id in update_ids:
            self.items[update_id] = replace(self.items[update_id], begun=True)

    async def finish(self, outcome: str, *update_ids: int) -> None:
        self.outcomes.update(dict.fromkeys(update_ids, outcome))


@dataclass
class _Stored:
    request: TicketRequest
    message_id: int | None
    minted_at: datetime
    used: bool = False


class FakeTickets:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = Ids(clock)
        self.stored: dict[str, _Stored] = {}

    async def mint(self, requests: Sequence[TicketRequest], message_id: int | None) -> list[str]:
        nonces = [self._ids.nonce() for _ in requests]
        for nonce, request in zip(nonces, requests, strict=True):
            self.stored[nonce] = _Stored(request, message_id, self._clock.now())
        return nonces

    async def bind(self, nonces: Sequence[str], message_id: int) -> None:
        for nonce in nonces:
            self.stored[nonce].message_id = message_id

    async def take(self, nonce: str, *, user_id: int, chat_id: int, message_id: int) -> Ticket:
        stored = self.stored.get(nonce)
        if problem := self._problem(stored, user_id, chat_id, message_id):
            raise TicketRefused(problem)
        assert stored is not None
        stored.used = True
        request = stored.request
        return Ticket(request.action, request.args, request.confirms, stored.minted_at)

    async def look(self, nonce: str) -> tuple[Ticket, bool] | None:
        stored = self.stored.get(nonce)
        if stored is None:
            return None
        request = stored.request
        return Ticket(request.action, request.args, request.confirms, stored.minted_at), stored.used

    def _problem(self, stored: _Stored | None, user_id: int, chat_id: int, message_id: int) -> TicketProblem | None:
        if stored is None or stored.request.chat_id != chat_id:
            return TicketProblem.UNKNOWN
        if stored.request.user_id not in (None, user_id):
            return TicketProblem.OTHER_USER
        if stored.message_id != message_id:
            return TicketProblem.OTHER_MESSAGE
        if stored.used:
            return TicketProblem.USED
        ttl = stored.request.ttl_seconds
        late = ttl is not None and self._clock.now() >= stored.minted_at + timedelta(seconds=ttl)
        return TicketProblem.EXPIRED if late else None


class FakeAudit:
    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    async def record(self, actor: Actor | str, action: str, detail: str = "", outcome: str = "ok") -> None:
        who = actor if isinstance(actor, str) else actor.name
        self.rows.append((who, action, detail, outcome))


class FakeMemory:
    def __init__(self) -> None:
        self.values: dict[tuple[int, str], str] = {}

    async def get(self, chat_id: int, key: str) -> str | None:
        return self.values.get((chat_id, key))

    async def put(self, chat_id: int, key: str, value: str) -> None:
        self.values[chat_id, key] = value

    async def chats_with(self, key: str) -> Mapping[int, str]:
        return {chat: value for (chat, own), value in self.values.items() if own == key}
