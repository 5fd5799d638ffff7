"""The pipeline, the page to read first: how a bar becomes orders.

    bars → signals → conflict resolution → size → intent → risk gate → order manager

Each step takes only what the step before returns. A wish stays until it is met: what was denied, refused or
has expired is tried again with the next bar, so that an exit is never forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import structlog

from brokers.market import Bar
from brokers.money import ZERO
from brokers.order import Side, TimeInForce
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store import ledger as ledger_store
from core.store import orders as order_store
from core.store.database import transaction
from core.strategy.conflicts import Policy, Target, resolve
from core.strategy.manager import Instance, StrategyManager
from core.trading.desk import Desk
from core.trading.ledger import Allocation, FillFacts, fill_posting
from core.trading.market import Market
from risk.intent import OrderIntent, Origin
from risk.sizer import SizingInputs
from risk.sizing.volatility_target import annual_volatility
from risk.verdict import Approved, Denied
from risk.view import TradingState

log = structlog.get_logger(__name__)

_VOLATILITY_BARS = 60


@dataclass(frozen=True, slots=True)
class Goal:
    """The signed quantity that a strategy is to hold, and why."""

    quantity: Decimal
    reason: str


class Pipeline:
    """Bars in, orders out, for one desk."""

    def __init__(
        self,
        strategies: StrategyManager,
        desk: Desk,
        market: Market,
        *,
        policy: Policy,
        alerts: Alerts,
        clock: Clock,
        trading_clock: Clock,
    ) -> None:
        self._strategies = strategies
        self._desk = desk
        self._market = market
        self._policy = policy
        self._alerts = alerts
        self._clock = clock
        self._trading_clock = trading_clock
        self._goals: dict[tuple[str, str], Goal] = {}
        self._denied: set[tuple[str, str, str]] = set()
        self.denials = 0

    async def on_bars(self, bars: Mapping[str, Bar]) -> None:
        """One round: every strategy sees its bars, and what they want is ordered as far as risk allows."""
        self._strategies.observe(bars.values())
        if self._desk.view().state_for() is TradingState.HALTED:
            return
        await self._strategies.decide(bars)
        for symbol in bars:
            target = resolve(symbol, self._strategies.wishes(symbol), self._policy)
            self._size(target)
            intent = self._intend(symbol, target)
            if intent is not None:
                await self.order(intent)

    # --- target → goal -----------------------------------------------------------------------------

    def _size(self, target: Target) -> None:
        """Give every strategy whose allowed exposure is new a new goal; the others keep theirs."""
        for name, exposure in target.exposures.items():
            instance = self._strategies.get(name)
            key = (name, target.symbol)
            if key not in self._goals:
                self._goals[key] = self._goal_at_start(instance, target.symbol, exposure)
            if target.symbol in instance.changed or self._contradicts(self._goals[key], exposure):
                self._goals[key] = self._goal(instance, target.symbol, exposure)
                instance.changed.discard(target.symbol)

    def _goal_at_start(self, instance: Instance, symbol: str, exposure: float) -> Goal:
        """After a restart: what it holds and has ordered is what it wanted, if the direction fits."""
        held = self._desk.portfolio.lot(instance.name, symbol).quantity + self._desk.orders.pending(
            instance.name, symbol
        )
        goal = Goal(held, instance.last_signal)
        return self._goal(instance, symbol, exposure) if self._contradicts(goal, exposure) else goal

    @staticmethod
    def _contradicts(goal: Goal, exposure: float) -> bool:
        """Whether a goal has another direction than the exposure that is allowed."""
        sign = (exposure > 0) - (exposure < 0)
        return sign != (goal.quantity > 0) - (goal.quantity < 0) and not (goal.reason.startswith("no size") and sign)

    def _goal(self, instance: Instance, symbol: str, exposure: float) -> Goal:
        quote = self._market.quotes.get(symbol)
        held = self._desk.portfolio.lot(instance.name, symbol).quantity
        equity = self._desk.portfolio.equity
        if exposure == 0:
            return Goal(ZERO, instance.last_signal)
        if quote is None or equity is None:
            return Goal(held, "no size: price or equity is not known")
        history = self._strategies.history(symbol)
        volatility = annual_volatility(list(history.last(_VOLATILITY_BARS).close)) if history else None
        inputs = SizingInputs(self._desk.portfolio.instruments[symbol], quote.mid, equity, volatility)
        sized = instance.sizer.explain(exposure, inputs)
        if sized.quantity == 0:
            return Goal(held, f"no size: {sized.reason or 'less than one lot'}")
        return Goal(sized.quantity, instance.last_signal)

    # --- goal → intent -----------------------------------------------------------------------------

    def _intend(self, symbol: str, target: Target) -> OrderIntent | None:
        """What is missing between all goals and what is held and ordered, as one net order."""
        parts: dict[str, Decimal] = {}
        reasons = []
        for name in target.exposures:
            goal = self._goals[name, symbol]
            held = self._desk.portfolio.lot(name, symbol).quantity
            missing = goal.quantity - held - self._desk.orders.pending(name, symbol)
            if missing != 0:
                parts[name] = missing
                reasons.append(f"{name}: {goal.reason}")
        if not parts:
            return None
        return self._intent(symbol, parts, "; ".join(reasons), Origin.STRATEGY)

    def _intent(self, symbol: str, parts: Mapping[str, Decimal], reason: str, origin: Origin) -> OrderIntent:
        instrument = self._desk.portfolio.instruments[symbol]
        net = sum(parts.values(), ZERO)
        # Whole lots are what the venue knows; a part that is being filled may leave a fraction for now.
        quantity = instrument.floor_quantity(abs(net))
        return OrderIntent(
            account=self._desk.account,
            instrument=instrument,
            side=Side.of(net) if net else Side.BUY,
            quantity=quantity,
            at=self._trading_clock.now(),
            allocations=dict(parts),
            time_in_force=TimeInForce.DAY,
            reduce_only=origin is Origin.FLATTEN,
            origin=origin,
            reason=reason,
        )

    async def flatten(self, symbol: str, parts: Mapping[str, Decimal], reason: str) -> Approved | Denied:
        """Close what strategies hold in `symbol` (`parts` are the signed quantities to trade)."""
        for name in parts:
            self._goals[name, symbol] = Goal(ZERO, reason)
        return await self.order(self._intent(symbol, parts, reason, Origin.FLATTEN))

    # --- intent → order ----------------------------------------------------------------------------

    async def order(self, intent: OrderIntent) -> Approved | Denied:
        """Ask the gate and, if it agrees, send."""
        if sum(intent.allocations.values(), ZERO) == 0 and intent.allocations:
            await self._cross(intent)
            return Denied("CROSSED", "strategies traded with each other", "", "", ZERO)
        verdict = self._desk.gate.review(intent, self._desk.view())
        match verdict:
            case Approved():
                self._denied -= {key for key in self._denied if key[1] == intent.instrument.symbol}
                await self._desk.orders.submit(verdict)
            case Denied():
                await self._refuse(intent, verdict)
        return verdict

    async def _refuse(self, intent: OrderIntent, denied: Denied) -> None:
        """Tell once: the same wish is tried with every bar."""
        self.denials += 1
        key = (",".join(intent.strategies), intent.instrument.symbol, denied.code)
        log.info(
            "denied",
            code=denied.code,
            symbol=intent.instrument.symbol,
            value=denied.value,
            limit=denied.limit,
        )
        if key in self._denied:
            return
        self._denied.add(key)
        what = f"{intent.side} {intent.quantity.normalize():f} {intent.instrument.symbol}"
        passing = denied.largest_passing
        largest = f"\nLargest that passes: {passing.normalize():f}" if passing > 0 else ""
        body = f"{what} for {', '.join(intent.strategies)}\n{denied.code}: {denied.reason}{largest}"
        await self._alerts.add(Alert("denied", Severity.WARNING, f"Risk denied: {what}", body))

    async def _cross(self, intent: OrderIntent) -> None:
        """Wishes that cancel each other: the strategies trade among themselves at the middle, nothing is sent."""
        symbol, now = intent.instrument.symbol, self._trading_clock.now()
        quote = self._market.quotes.get(symbol)
        if quote is None:
            return
        portfolio = self._desk.portfolio
        parts = "+".join(f"{name}{part:+f}" for name, part in sorted(intent.allocations.items()))
        facts = FillFacts(
            ref=f"cross:{portfolio.account}:{symbol}:{now.isoformat()}:{parts}"[:200],
            account=portfolio.account,
            symbol=symbol,
            price=quote.mid,
            multiplier=intent.instrument.multiplier,
            currency=intent.instrument.currency,
            fee_currency=intent.instrument.currency,
            allocations=tuple(Allocation(name, part, ZERO) for name, part in sorted(intent.allocations.items())),
        )
        if await ledger_store.is_posted(facts.ref):
            return
        posting = fill_posting(facts, portfolio.balances)
        async with transaction():
            await order_store.insert_allocations(facts, now)
            await ledger_store.post(posting, portfolio.balances, now, self._clock.now())
        portfolio.apply(posting.entries)
