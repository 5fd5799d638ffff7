"""The pipeline, the page to read first: how a bar becomes orders.

    bars → signals → conflict resolution → goals → intent → risk gate → order manager

Each step takes only what the step before returns. A wish stays until it is met: what was denied, refused or
has expired is tried again with the next bar. And an exit never waits for an entry: what is denied as a whole
is tried again without the parts that open anything.

Whoever orders or cancels does it in the pipeline's turn, one after another: bars, a person's flatten and orders
(`core.trading.by_hand`), and the stops and targets of `core.trading.protection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.market import Bar
from brokers.money import ZERO
from brokers.order import Side
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store.along import Stored, store
from core.strategy.conflicts import Policy, Target, resolve
from core.strategy.manager import StrategyManager
from core.trading.by_hand.hand import Hand
from core.trading.denials import Denials
from core.trading.desk import Desk
from core.trading.goals import Goals
from core.trading.lifetimes import for_now
from core.trading.live_order import LiveOrder
from core.trading.market import Market
from core.trading.protection.guard import Guard
from core.trading.protection.protector import Protector
from core.trading.protection.spec import ExitSpec
from core.views import StrategyStatus
from risk.intent import OrderIntent, Origin
from risk.rules.repeated import CODE as REPEATED
from risk.verdict import Approved, Denied
from risk.view import TradingState

CROSSED = "CROSSED"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of orders that were to be cancelled: a line for each, those with 🔴 have failed."""

    lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether none has failed."""
        return not any(line.startswith("🔴") for line in self.lines)


class Pipeline:
    """Bars in, orders out, for one desk, and the strategies that trade there (`names`; None: all)."""

    def __init__(
        self,
        strategies: StrategyManager,
        desk: Desk,
        market: Market,
        *,
        policy: Policy,
        alerts: Alerts,
        trading_clock: Clock,
        names: Collection[str] | None = None,
    ) -> None:
        self._strategies = strategies
        self._names = names
        self._desk = desk
        self._market = market
        self._policy = policy
        self._trading_clock = trading_clock
        self._alerts = alerts
        self._goals = Goals(strategies, desk, market)
        self._denials = Denials(alerts)
        self._turn = asyncio.Lock()  # held from looking at what is missing until it is ordered
        self.protection = Protector(
            strategies, desk, market, self._goals, place=self._order, alerts=alerts, trading_clock=trading_clock
        )
        self.hand = Hand(desk, self._goals, self.protection, along=self, alerts=alerts)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Hand]:
        """Inside, nobody else orders or cancels for this account: what a person looks at is what he trades on."""
        async with self._turn:
            await self._goals.load()
            yield self.hand

    def serve(self, names: Collection[str]) -> None:
        """These strategies trade here from now on, and no others. In the turn of every pipeline that it is about."""
        self._names = names

    async def hand_over(self, name: str, to: Pipeline) -> Stored:
        """A strategy that is flat here trades `to` there: in both turns, inside a transaction."""
        return await self._goals.hand_over(name, to._goals)

    @property
    def denials(self) -> int:
        """How often the gate has said no since the start."""
        return self._denials.count

    async def load(self) -> None:
        """Take up the stored goals and protections. After reconciliation, before anything trades."""
        await self._goals.load()
        await self.protection.load()
        await self.hand.wishes.load()

    async def keep(self) -> None:
        """Look after the stops and targets of all strategies: after every quote, and every now and then."""
        async with self._turn:
            await self._goals.load()
            await self.hand.wishes.keep()
            await self.protection.keep()

    async def protect(self, strategy: str, symbol: str, spec: ExitSpec | None) -> Guard | None:
        """A person says how a position is protected until it is flat; None: not at all.

        Raises `LookupError` if the strategy holds nothing there.
        """
        async with self._turn:
            await self._goals.load()
            return await self.protection.protect(strategy, symbol, spec)

    async def prepare(self, bars: Mapping[str, Bar]) -> None:
        """Before the strategies decide: stops and targets have seen the bars."""
        async with self._turn:
            await self._goals.load()
            await self.protection.keep()
            await self.protection.on_bars(bars)

    async def order(self, bars: Mapping[str, Bar]) -> None:
        """After the strategies have decided: what they want is ordered as far as risk allows."""
        targets = [resolve(symbol, self._strategies.wishes(symbol, self._names), self._policy) for symbol in bars]
        async with self._turn:
            self._set_goals(targets)
            for target in targets[:1]:
                await self._order_missing(target)
        for target in targets[1:]:
            async with self._turn:
                await self._order_missing(target)
        await store(self)  # what no order has taken along
        await self.keep()

    async def write(self) -> Stored:
        """Store what strategies wish and what they are to hold, in the commit of the order that comes of it."""
        each = [await self._strategies.write(self._names), await self._goals.write()]

        def stored() -> None:
            for done in each:
                done()

        return stored

    async def flatten(self, symbol: str, parts: Mapping[str, Decimal], reason: str) -> Approved | Denied:
        """Close `parts` of what strategies hold in `symbol`: no more than is still left to close by now."""
        async with self._turn:
            await self._goals.load()
            for name in parts:
                self._goals.be_flat(name, symbol, reason)
            await self._goals.save()
            left = self._desk.exits.to_close().get(symbol, {})
            closing = {name: _in_any_case(left[name], part) for name, part in parts.items() if name in left}
            await self._desk.exits.tell_uncovered(symbol, closing)
            intent = self._intent(symbol, closing, reason, Origin.FLATTEN)
            if intent is None:
                return Denied("NOTHING_TO_CLOSE", "It is flat, or being closed already", "", "", ZERO)
            verdict = await self._order(intent)
            await self.protection.keep()
            return verdict

    async def cancel_orders_of(
        self, names: Collection[str], reason: str, *, entries_only: bool = False, exits: bool = False
    ) -> Cancelled:
        """Cancel the open orders that are for any of these strategies, those on their way included.

        Their stops and targets stay (`exits`: those go, too): their positions stay as well. With `entries_only` only
        what opens or enlarges a position goes. What an order did for others is ordered anew with the next bar.
        """
        async with self._turn:
            found = [each for each in self._desk.orders.open_orders if not each.parts.keys().isdisjoint(names)]
            wanted = [each for each in found if exits or not each.is_resting_exit]
            chosen = [each for each in wanted if not entries_only or self._opens(each, names)]
            return Cancelled(tuple([await self._desk.orders.cancel_told(each.id, reason) for each in chosen]))

    def _opens(self, order: LiveOrder, names: Collection[str]) -> bool:
        """Whether an order would make a position of one of `names` larger."""
        parts = {name: order.pending_part(name) for name in order.parts if name in names}
        held = {name: self._desk.portfolio.lot(name, order.symbol).quantity for name in parts}
        return any(abs(held[name] + part) > abs(held[name]) for name, part in parts.items())

    # --- target → goal → intent --------------------------------------------------------------------

    def _set_goals(self, targets: list[Target]) -> None:
        """Turn exposures into units. The commit of the first order takes them along, so they are stored before it."""
        for target in targets:
            for name, exposure in target.exposures.items():
                if self._serves(name):
                    self._goals.size(name, target.symbol, exposure)

    async def _order_missing(self, target: Target) -> None:
        """Order what is missing between all goals and what is held and ordered, as one net order.

        What the venue does not take at once follows in further orders, as long as they go out.
        """
        missing = self._missing_of(target)
        if await self._desk.exits.write_off(target.symbol, missing):
            missing = self._missing_of(target)
        if not missing:
            return
        await self._order_parts(target.symbol, missing)
        for _ in range(1, self._desk.exits.slices(target.symbol, sum(missing.values(), ZERO))):
            missing, before = self._missing_of(target), missing
            if not missing or missing == before:
                return
            await self._order_parts(target.symbol, missing)

    def _missing_of(self, target: Target) -> dict[str, Decimal]:
        parts = {name: self._missing(name, target.symbol) for name in target.exposures if self._serves(name)}
        return {name: part for name, part in parts.items() if part}

    async def _order_parts(self, symbol: str, wanted: Mapping[str, Decimal]) -> None:
        reasons = (f"{name}: {self._goals[name, symbol].reason}" for name in wanted)
        intent = self._intent(symbol, wanted, "; ".join(reasons), Origin.STRATEGY)
        if intent is not None:
            await self._order(intent)

    def _serves(self, name: str) -> bool:
        """Whether a strategy trades here; it may have moved to another account since its wish was read."""
        return self._names is None or name in self._names

    def _missing(self, name: str, symbol: str) -> Decimal:
        """What a strategy still has to trade; one that is paused opens nothing, one that has stopped trades nothing.

        What a stop or target has ended is not the pipeline's: the protective engine closes it to the end.
        """
        instance = self._strategies.get(name)
        if not instance.trades or self._goals.is_barred(name, symbol):  # stopped or failed since its wish was read
            return ZERO
        held = self._desk.portfolio.position(name, symbol)
        missing = self._goals[name, symbol].quantity - held - self._desk.orders.pending(name, symbol)
        missing = _in_any_case(missing, missing + self._desk.orders.doubtful(name, symbol))
        return self._exit(name, symbol, missing) if instance.status is StrategyStatus.PAUSED else missing

    def _exit(self, name: str, symbol: str, part: Decimal) -> Decimal:
        """As much of `part` as only closes what the strategy holds."""
        left = self._desk.closable(name, symbol)
        if left * part >= 0:
            return ZERO
        return max(part, -left) if part < 0 else min(part, -left)

    def _intent(self, symbol: str, parts: Mapping[str, Decimal], reason: str, origin: Origin) -> OrderIntent | None:
        """One net order for all parts, in the whole lots that a venue knows; None if nothing is left of them.

        What only closes is no more than the account has, and promises just that where the venue knows such a promise:
        it may then be worth as little as it is.
        """
        instrument, exits = self._desk.portfolio.instruments[symbol], self._desk.exits
        whole = {name: instrument.floor_quantity(part) for name, part in parts.items()}
        wanted = {name: part for name, part in whole.items() if part}
        closes = exits.only_closes(symbol, wanted)
        wanted = exits.at_once(symbol, exits.tradable(symbol, wanted)) if closes else wanted
        if not wanted:
            return None
        net, able = sum(wanted.values(), ZERO), self._desk.broker.capabilities
        promises = able.reduce_only and origin is Origin.FLATTEN  # the gate holds it to that in any case
        return OrderIntent(
            account=self._desk.account,
            instrument=instrument,
            side=Side.of(net) if net else Side.BUY,
            quantity=abs(net),
            at=self._trading_clock.now(),
            allocations=wanted,
            time_in_force=for_now(able),
            reduce_only=promises or (closes and net != 0 and exits.can_promise(symbol, net)),
            origin=origin,
            reason=reason,
        )

    # --- intent → order ----------------------------------------------------------------------------

    async def _order(self, intent: OrderIntent) -> Approved | Denied:
        """Order all of it; or if that is denied, the exits in it; or as much of the exits as may trade."""
        verdict = await self._try(intent)
        if isinstance(verdict, Approved) or verdict.code == CROSSED:
            self._denials.forget(intent)
            return verdict
        exits = await self._try_exits(intent)
        await self._denials.tell(intent, verdict)
        if verdict.code == REPEATED:
            await self._pause(intent, verdict)
        if exits is None:
            return verdict
        return replace(verdict, reason=f"{verdict.reason}. {exits.quantity.normalize():f} to close were sent")

    async def _pause(self, intent: OrderIntent, denied: Denied) -> None:
        """A strategy that enters again and again waits for a person (RTS 6, 15.3)."""
        for name in intent.strategies:
            if await self._strategies.pause(name):
                body = f"{denied.reason}: {denied.value}. It only closes from now on; /run {name} lets it trade again."
                await self._alerts.add(
                    Alert("repeated", Severity.CRITICAL, f"{name} is paused: it repeats itself", body)
                )

    async def _try(self, intent: OrderIntent) -> Approved | Denied:
        """Ask the gate and, if it agrees, send. Parts that cancel each other never leave the house."""
        if intent.quantity == 0:
            return await self._cross(intent)
        roomy = await self.protection.make_room(intent)
        if isinstance(roomy, Denied):
            return roomy
        verdict = self._desk.gate.review(roomy, self._desk.view())
        if isinstance(verdict, Approved):
            order = await self._desk.orders.submit(verdict, along=self)
            if order.refused and await self._desk.blockers.make_way(order):
                return await self._try_again(roomy)
        return verdict

    async def _try_again(self, intent: OrderIntent) -> Approved | Denied:
        """Once: what kept an exit back at the venue is out of its way."""
        verdict = self._desk.gate.review(replace(intent, at=self._trading_clock.now()), self._desk.view())
        if isinstance(verdict, Approved):
            await self._desk.orders.submit(verdict, along=self)
        return verdict

    async def _try_exits(self, intent: OrderIntent) -> OrderIntent | None:
        """Order what closes something, without the rest; what was ordered, None if nothing was."""
        exits = self._exits_of(intent)
        if exits is None:
            return None
        verdict = await self._try(exits)
        if isinstance(verdict, Denied) and verdict.largest_passing > 0:
            exits = exits.resized(verdict.largest_passing)
            verdict = await self._try(exits)
        return exits if isinstance(verdict, Approved) or verdict.code == CROSSED else None

    def _exits_of(self, intent: OrderIntent) -> OrderIntent | None:
        symbol = intent.instrument.symbol
        parts = {name: self._exit(name, symbol, part) for name, part in intent.allocations.items()}
        exits = self._intent(symbol, parts, intent.reason, intent.origin)
        return exits and replace(exits, role=intent.role)

    async def _cross(self, intent: OrderIntent) -> Denied:
        """Wishes that cancel each other: the strategies trade among themselves at the middle, nothing is sent."""
        state = self._desk.view().state_for(intent.strategies)
        exits = self._exits_of(intent)
        closes = exits is not None and exits.allocations == intent.allocations
        if state is TradingState.HALTED and intent.origin is not Origin.FLATTEN:
            return Denied("TRADING_STATE", "Trading is halted", "a person's flatten only", intent.origin.value, ZERO)
        if state is not TradingState.ACTIVE and not closes:
            return Denied("TRADING_STATE", "Only exits trade now", "reducing orders", "new risk", ZERO)
        quote = self._market.quotes.get(intent.instrument.symbol)
        if quote is None:
            return Denied("PRICE_UNKNOWN", "There is no price to trade at", "a price", "none", ZERO)
        await self._desk.orders.cross(intent, quote.mid, along=self)
        return Denied(CROSSED, "strategies traded with each other", "", "", ZERO)


def _in_any_case(one: Decimal, other: Decimal) -> Decimal:
    """As much as is missing whatever becomes of an order in doubt: the smaller, or nothing if the sides differ."""
    return ZERO if one * other <= 0 else min(one, other, key=abs)
