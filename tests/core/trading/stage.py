"""One desk on the real paper broker and a real SQLite file, under hand-moved clocks, and short words for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.adapters.paper import PaperSettings, PaperTradingBroker
from brokers.instrument import Instrument
from brokers.market import Bar
from brokers.order import OrderReport, OrderType, Side, TimeInForce
from brokers.registry import BrokerContext
from brokers.simulation.source import Tick, TickSource
from core.alerts.outbox import Alerts
from core.clock import Ids, ManualClock
from core.events import Event, Events
from core.store.database import Database
from core.store.ledger import load_balances, sums_of_entries
from core.store.models import AlertRow, FillRow, OrderRow
from core.strategy.conflicts import Policy, Wish
from core.trading.desk import Desk, Surroundings
from core.trading.floor import Floor, Place
from core.trading.invariants import Violation, check_books, check_free
from core.trading.ledger import EXACT
from core.trading.market import Market
from core.trading.pipeline import Pipeline
from core.trading.profit import profits
from core.trading.protection.spec import ExitSpec, Source
from core.trading.sweep import Errand, Sweeper, SweepReport
from core.trading.switch import TradingSwitch
from core.views import StrategyStatus
from risk.gate import RiskGate
from risk.intent import OrderIntent, Origin
from risk.limits import RiskLimits
from risk.sizer import build_sizer
from risk.verdict import Approved
from risk.view import TradingState
from tests.core.trading.faulty_broker import Faulty
from tests.databases import database_url

START = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
ACME = Instrument("ACME", "USD", min_notional=Decimal(1))
PAIR = Instrument("BTC/USD", "USD", lot=Decimal("0.00001"), tick=Decimal("0.01"))
WIDE = RiskLimits(
    max_order_value_percent=1000,
    max_order_value=10_000_000,
    max_volume_percent=None,
    price_collar_percent=1000,
    stale_quote_seconds=None,
    max_position_percent=1000,
    max_gross_exposure_percent=1000,
    max_net_exposure_percent=1000,
    min_free_balance_percent=None,
    max_orders_per_second_strategy=1000,
    max_orders_per_second_account=1000,
    duplicate_orders=1000,
    max_entries=100_000,
    price_drift_percent=1000,
    daily_loss_alert_percent=1000,
    daily_loss_reduce_percent=1000,
    daily_loss_halt_percent=1000,
    drawdown_reduce_percent=1000,
    drawdown_halt_percent=1000,
    exposure_reduce_percent=1000,
)


def dec(value: object) -> Decimal:
    return Decimal(str(value))


@dataclass
class Instance:
    """What the pipeline needs to know of a strategy; `units` is its size at exposure 1."""

    name: str
    units: Any = 10
    status: StrategyStatus = StrategyStatus.RUNNING
    last_signal: str = "a reason"
    priority: int = 1
    exposures: dict[str, float] = field(default_factory=dict)
    exits: ExitSpec | None = None

    @property
    def trades(self) -> bool:
        return self.status in (StrategyStatus.RUNNING, StrategyStatus.PAUSED)

    @property
    def sizer(self) -> Any:
        return build_sizer({"method": "fixed", "units": dec(self.units)})


class Strategies:
    """Strategies whose wishes a test sets by hand."""

    def __init__(self, *names: str) -> None:
        self.instances = {name: Instance(name) for name in names}

    def get(self, name: str) -> Instance:
        return self.instances[name]

    def want(self, name: str, exposure: float, symbol: str = "ACME") -> None:
        self.instances.setdefault(name, Instance(name)).exposures[symbol] = exposure

    def wishes(self, symbol: str, names: Any = None) -> list[Wish]:
        live = (StrategyStatus.RUNNING, StrategyStatus.PAUSED)
        each = [one for one in self.instances.values() if one.status in live and symbol in one.exposures]
        return [Wish(one.name, one.exposures[symbol], one.priority) for one in each]

    def observe(self, bars: Any) -> None:
        """Nothing to learn."""

    def history(self, symbol: str) -> None:
        return None

    def exits(self, name: str, symbol: str) -> Any:
        spec = self.instances[name].exits if name in self.instances else None
        return spec, Source.SETTINGS

    async def pause(self, name: str) -> bool:
        paused = self.instances[name].status is StrategyStatus.RUNNING
        self.instances[name].status = StrategyStatus.PAUSED
        return paused

    async def decide(self, bars: Any, names: Any = None) -> list[Any]:
        return []

    async def write(self, names: Any = None) -> Any:
        """Nothing to store."""
        return lambda: None


class Stage:
    """Open it with `await Stage.open(folder)`, close it with `await stage.close()`; `crash` does neither well."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.options = options
        self.simulated = options.pop("simulated", True)
        self.limits = options.pop("limits", WIDE)
        self.policy = options.pop("policy", Policy.NET)
        self.database = Database(database_url(folder / "q.sqlite3"), require_durable=False)
        self.strategies = options.pop("strategies", None) or Strategies()
        self.instruments = options.pop("instruments", (ACME, PAIR))
        self.now = options.pop("now", START)
        self.listener: asyncio.Task[None] | None = None
        self.checks_history = options.pop("checks_history", True)
        self.violations: list[Violation] = []

    @classmethod
    async def open(cls, folder: Path, **options: Any) -> Stage:
        stage = cls(folder, **options)
        await stage.database.open()
        stage.build()
        await stage.paper.connect()
        return stage

    def build(self) -> None:
        """Everything in memory, new: as after a start of the process."""
        self.wall, self.market_clock = ManualClock(self.now), ManualClock(self.now)
        self.source = TickSource(self.instruments)
        defaults = {"shorting": True, "leverage": 10, "latency_ms": 0, "max_participation": "1"}
        settings = PaperSettings.model_validate({**defaults, **self.options})
        self.paper = PaperTradingBroker(
            "main", settings, BrokerContext(self.folder, self.market_clock.now, self.source)
        )
        self.broker = Faulty(self.paper, simulated=self.simulated)
        self.alerts = Alerts(["telegram:1"], self.wall, self.market_clock)
        self.switch, self.market, self.events = TradingSwitch(self.wall), Market(), Events()
        self.events.subscribe(Event, self._check_invariants)
        self._build_desk()

    def _build_desk(self) -> None:
        """The desk on whatever broker there is."""
        around = Surroundings(
            self.wall, self.market_clock, Ids(self.wall), self.alerts, self.events, self.switch, self.market
        )
        self.desk = Desk("main", "USD", self.broker, RiskGate(self.limits), self.source.instruments, around)  # type: ignore[arg-type]
        self.pipeline = Pipeline(
            self.strategies,
            self.desk,
            self.market,
            policy=self.policy,
            alerts=self.alerts,
            trading_clock=self.market_clock,
        )

    @property
    def floor(self) -> Floor:
        """The desk as the only one of its floor."""
        return Floor([Place(self.desk, self.pipeline, "paper", tuple(self.strategies.instances))])

    async def start(self) -> None:
        """Recover as the engine does, and listen."""
        await self.switch.load()
        await self.desk.load()
        await self.desk.reconcile()
        await self.desk.roll_day()
        self.listen()
        await asyncio.wait_for(self.broker.read.wait(), 30)

    def listen(self) -> None:
        self.listener = asyncio.create_task(self.desk.listen())

    async def _check_invariants(self, _: Event) -> None:
        """After every event; what is wrong is told at the end, for events swallow errors."""
        self.violations += check_books(self.desk.portfolio)

    async def close(self) -> None:
        await self.deafen()
        await self.paper.disconnect()
        try:
            wrong = await self.desk.inspection.look_at_all() if self.checks_history else []
        finally:
            await self.database.close()
        assert not self.violations, self.violations[:3]
        assert not wrong, wrong[:3]

    async def deafen(self) -> None:
        if self.listener is not None:
            self.listener.cancel()
            await asyncio.gather(self.listener, return_exceptions=True)

    async def crash_and_restart(self) -> None:
        """Throw away all that is in memory; the database and the venue's journal stay."""
        self.now = self.market_clock.now()
        await self.deafen()
        await self.paper.disconnect()
        self.build()
        await self.paper.connect()
        await self.start()

    async def tick(self, price: object, symbol: str = "ACME", spread: object = "0.02", **more: Any) -> None:
        """The market moves on by a second."""
        self.market_clock.advance(1)
        self.wall.advance(1)
        half = dec(spread) / 2
        one = Tick(symbol, dec(price) - half, dec(price) + half, dec(price), self.market_clock.now(), **more)
        self.market.on_quotes([one])
        self.source.push([one])
        await asyncio.sleep(0)
        await self.broker.settled()
        self.desk.mark({symbol: dec(price)})

    async def bar(self, symbol: str = "ACME") -> None:
        """The strategies look."""
        price = self.market.quotes[symbol].last
        at = self.market_clock.now()
        await self.decide({symbol: Bar(symbol, at, price, price, price, price)})

    async def decide(self, bars: Mapping[str, Bar]) -> None:
        """A round of the strategies, as `core.rounds` makes it."""
        self.strategies.observe(bars.values())
        await self.pipeline.prepare(bars)
        if self.desk.state_for() is not TradingState.HALTED:
            await self.strategies.decide(bars)
            await self.pipeline.order(bars)

    async def round(self, price: object, symbol: str = "ACME") -> None:
        """Strategies decide at `price`, then the market trades there once more."""
        await self.tick(price, symbol)
        await self.bar(symbol)
        await self.tick(price, symbol)

    def intent(self, quantity: object, *, symbol: str = "ACME", **more: Any) -> OrderIntent:
        signed = dec(quantity)
        parts: Mapping[str, Decimal] = more.pop("parts", {"alpha": signed})
        limit = more.pop("limit", None)
        return OrderIntent(
            account="main",
            instrument=self.source.instruments[symbol],
            side=Side.of(signed),
            quantity=abs(signed),
            at=self.market_clock.now(),
            allocations=parts,
            type=more.pop("type", OrderType.MARKET if limit is None else OrderType.LIMIT),
            limit_price=None if limit is None else dec(limit),
            time_in_force=TimeInForce(more.pop("tif", "gtc")),
            origin=more.pop("origin", Origin.STRATEGY),
            **more,
        )

    def approve(self, quantity: object, **more: Any) -> Approved:
        verdict = self.desk.gate.review(self.intent(quantity, **more), self.desk.view())
        assert isinstance(verdict, Approved), verdict
        return verdict

    async def submit(self, quantity: object, **more: Any) -> Any:
        return await self.desk.orders.submit(self.approve(quantity, **more))

    async def sweep(self, reason: str = "test", *, seconds: float = 5.0) -> SweepReport:
        """Cancel everything once, exits of people too, as a kill does."""
        flattens = {order.id for order in self.desk.orders.open_orders if order.origin == Origin.FLATTEN}
        return await Sweeper(self.broker, self.desk.orders, seconds=seconds).sweep(Errand(reason, doomed=flattens))  # type: ignore[arg-type]

    def held(self, strategy: str, symbol: str = "ACME") -> Decimal:
        return self.desk.portfolio.lot(strategy, symbol).quantity

    async def told(self, kind: str = "") -> list[str]:
        rows = await (AlertRow.filter(kind=kind) if kind else AlertRow.all()).order_by("id")
        return [row.title for row in rows]

    async def orders(self) -> list[OrderRow]:
        return await OrderRow.all().order_by("recorded_at", "client_order_id")

    async def fills(self) -> list[FillRow]:
        return await FillRow.all().order_by("id")

    async def check(self) -> None:
        """The books equal the venue, the disk equals memory, and profit equals what was gained: exactly."""
        portfolio = self.desk.portfolio
        info = await self.paper.get_account_info()
        assert not list(check_free(info.balances))
        assert portfolio.cash == info.balances["USD"].total
        assert portfolio.held() == {symbol: each.quantity for symbol, each in info.positions.items()}
        assert _solid(await load_balances()) == _solid(portfolio.balances) == _solid(await sums_of_entries())
        by_unit: dict[str, Decimal] = {}
        for (_, unit), amount in portfolio.balances.items():
            by_unit[unit] = EXACT.add(by_unit.get(unit, Decimal(0)), amount)
        assert not any(by_unit.values())
        marked = all(
            lot.unrealised(portfolio.marks.get(lot.instrument.symbol)) is not None for _, lot in portfolio.lots()
        )
        if (equity := portfolio.equity) is not None and marked:
            gained = sum((one.net for one in profits(portfolio).values()), Decimal(0))
            assert gained == equity + portfolio.balances["deposits/main", "USD"]


def _solid(balances: Mapping[Any, Decimal]) -> dict[Any, Decimal]:
    return {key: amount for key, amount in balances.items() if amount}


async def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until it is so; a slow machine is given its time."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.001)


def drop(_: OrderReport) -> list[OrderReport]:
    return []
