"""Two desks on bad lines of their own, one the standby of the other, and what is really at both venues."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brokers.adapters.paper import PaperSettings, PaperTradingBroker
from brokers.errors import BrokerError, Unavailable
from brokers.health import Breaker, Health
from brokers.market import Bar
from brokers.registry import BrokerContext
from brokers.simulation.source import Tick, TickSource
from core.access.audit import Audit
from core.access.roles import CONSOLE
from core.alerts.outbox import Alerts
from core.clock import Ids, ManualClock
from core.events import Events
from core.store.database import Database
from core.strategy.conflicts import Policy, Wish
from core.trading.desk import Desk, Surroundings
from core.trading.failover import Failover, Plan
from core.trading.floor import Floor, Place
from core.trading.market import Market
from core.trading.pipeline import Pipeline
from core.trading.switch import TradingSwitch
from risk.gate import RiskGate
from risk.view import TradingState
from tests.core.trading.faulty_broker import Faulty
from tests.core.trading.stage import ACME, START, WIDE, Instance, Strategies, dec
from tests.databases import database_url

MAIN, RESERVE = "main", "reserve"
AFTER = 60
PAPER = {
    "shorting": True,
    "leverage": 10,
    "latency_ms": 0,
    "max_participation": "1",
    "slippage": {"model": "fixed", "value": 0},
}


class Line(Faulty):
    """A real venue on a line that can be cut; what it says of its health then is that it does not answer."""

    def __init__(self, broker: PaperTradingBroker) -> None:
        super().__init__(broker, simulated=False)
        self.cut = False
        self.is_live = False

    @property
    def health(self) -> Health:
        return Health(breaker=Breaker.OPEN if self.cut else Breaker.CLOSED)

    async def _call(self, name: str, act: Any, argument: Any = None) -> Any:
        if self.cut:
            self.calls.append((name, argument))
            raise Unavailable("the circuit is open")
        return await super()._call(name, act, argument)

    async def settled(self) -> None:
        await self._broker.settled()


class Placed(Strategies):
    """Strategies that are asked for by name."""

    def wishes(self, symbol: str, names: Any = None) -> list[Wish]:
        return [each for each in super().wishes(symbol) if names is None or each.strategy in names]


class _Named(Instance):
    """With the settings that the failover looks at."""

    @property
    def settings(self) -> Any:
        class Given:
            symbols = ("ACME",)

        return Given


class Pair:
    """Open it with `await Pair.open(folder)`; alpha and beta trade in main, and reserve stands by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(database_url(folder / "q.sqlite3"), require_durable=False)
        self.now = START
        self.strategies = Placed()
        self.strategies.instances = {name: _Named(name) for name in ("alpha", "beta")}

    @classmethod
    async def open(cls, folder: Path) -> Pair:
        pair = cls(folder)
        await pair.database.open()
        await pair.build()
        return pair

    async def build(self, cut: Mapping[str, bool] = MappingProxyType({})) -> None:
        self.wall, self.market_clock = ManualClock(self.now), ManualClock(self.now)
        self.source, self.market, self.events = TickSource([ACME]), Market(), Events()
        self.alerts, self.switch = Alerts(["telegram:1"], self.wall, self.market_clock), TradingSwitch(self.wall)
        self.lines: dict[str, Line] = {}
        places = [self._place(MAIN, ("alpha", "beta")), self._place(RESERVE, ())]
        self.floor = Floor(places)
        plans = {MAIN: Plan(RESERVE, timedelta(seconds=AFTER))}
        self.failover = Failover(
            self.floor,
            self.strategies,  # type: ignore[arg-type]
            plans,
            alerts=self.alerts,
            audit=Audit(self.wall),
            clock=self.wall,
        )
        await self.switch.load()
        for name, line in self.lines.items():
            await line._broker.connect()
            line.cut = cut.get(name, False)
        for desk in self.floor:
            await desk.load()
        await self.failover.load()
        self.floor.check_homes()
        await self.compare()
        for desk in self.floor:
            await desk.roll_day()
        for pipeline in self.floor.pipelines.values():
            await pipeline.load()
        await self.tick(100)

    def _place(self, account: str, strategies: tuple[str, ...]) -> Place:
        context = BrokerContext(self.folder, self.market_clock.now, self.source)
        line = Line(PaperTradingBroker(account, PaperSettings.model_validate(PAPER), context))
        self.lines[account] = line
        around = Surroundings(
            self.wall, self.market_clock, Ids(self.wall), self.alerts, self.events, self.switch, self.market
        )
        desk = Desk(account, "USD", line, RiskGate(WIDE), self.source.instruments, around)  # type: ignore[arg-type]
        pipeline = Pipeline(
            self.strategies,  # type: ignore[arg-type]
            desk,
            self.market,
            policy=Policy.NET,
            alerts=self.alerts,
            trading_clock=self.market_clock,
            names=strategies,
        )
        return Place(desk, pipeline, "paper", strategies)

    async def close(self) -> None:
        for line in self.lines.values():
            await line._broker.disconnect()
        await self.database.close()

    async def restart(self) -> None:
        """All that is in memory is gone. A venue that is away cannot be asked at the start, either."""
        self.now = self.wall.now()
        cut = {name: line.cut for name, line in self.lines.items()}
        for line in self.lines.values():
            await line._broker.disconnect()
        await self.build(cut)

    # --- short words -------------------------------------------------------------------------------

    def desk(self, account: str = MAIN) -> Desk:
        return self.floor.desk(account)

    async def tick(self, price: object = 100) -> None:
        self.pass_(1)
        one = Tick("ACME", dec(price), dec(price), dec(price), self.market_clock.now())
        self.market.on_quotes([one])
        self.source.push([one])
        for line in self.lines.values():
            await line.settled()
        for desk in self.floor:
            desk.mark({"ACME": dec(price)})

    def pass_(self, seconds: float) -> None:
        self.market_clock.advance(seconds)
        self.wall.advance(seconds)

    async def want(self, name: str, exposure: float) -> None:
        """A strategy wishes, and both accounts work through a bar."""
        self.strategies.want(name, exposure)
        await self.bar()

    async def bar(self) -> None:
        at = self.market_clock.now()
        bars = {"ACME": Bar("ACME", at, *[dec(100)] * 4)}
        for desk in self.floor:
            if desk.state_for() is TradingState.HALTED:
                continue
            try:
                await self.floor.pipelines[desk.account].prepare(bars)
                await self.floor.pipelines[desk.account].order(bars)
            except BrokerError:
                continue
        await self.tick()
        await self.hear()

    async def hear(self, *accounts: str) -> None:
        """What the venues have to say of open orders."""
        for desk in self.floor:
            line = self.lines[desk.account]
            if line.cut or (accounts and desk.account not in accounts):
                continue
            for order in list(desk.orders.open_orders):
                report = await line._broker.find_order(order.id)
                if report is not None and not order.state.is_in_doubt:
                    await desk.orders.apply(report)

    async def compare(self) -> None:
        for desk in self.floor:
            try:
                await desk.reconcile()
            except BrokerError:
                continue

    async def down(self, seconds: float = AFTER) -> None:
        """The line of main is cut for so long, and is looked at every now and then."""
        self.lines[MAIN].cut = True
        await self.failover.look()
        self.pass_(seconds)
        await self.failover.look()

    async def back(self, name: str = "alpha") -> str:
        return await self.failover.back(CONSOLE, name)

    def held(self, name: str, account: str) -> Decimal:
        return self.desk(account).portfolio.lot(name, "ACME").quantity

    def trades_in(self, name: str) -> str:
        return self.floor.account_of(name)

    async def at_venue(self, account: str) -> Decimal:
        """What is really there: held, or ordered."""
        broker = self.lines[account]._broker
        info = await broker.get_account_info()
        held = sum((abs(each.quantity) for each in info.positions.values()), Decimal(0))
        return held + sum((each.remaining for each in await broker.get_open_orders()), Decimal(0))
