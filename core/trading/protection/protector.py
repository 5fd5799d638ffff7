"""The protective engine of one account: looks at every position that has exits, and acts.

Our engine watches every level at every look, whatever rests at the venue; the venue holds as much of it as it may, so
that it works without us, too. A way out is stored before its order is sent, and the strategy's goal is flat from then
on. Every method is called inside the pipeline's turn: nobody else sends orders meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from brokers.market import Bar
from brokers.money import ZERO
from brokers.urgency import urgently
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.market.indicators import atr as average_true_range
from core.store.database import transaction
from core.store.models import FillRow, OrderRow
from core.store.protections import drop_protection, exits_of, load_protections
from core.strategy.manager import StrategyManager
from core.trading.desk import Desk
from core.trading.goals import Goals
from core.trading.lifetimes import for_now
from core.trading.market import Market
from core.trading.portfolio import Lot
from core.trading.protection import words
from core.trading.protection.attempts import Attempts
from core.trading.protection.fitting import (
    Resting,
    committed,
    covered,
    leg_of,
)
from core.trading.protection.guard import Guard, Holder, Leg
from core.trading.protection.keeping import episode_of, guard_of, keep_guard
from core.trading.protection.spec import ExitSpec, Source
from core.trading.protection.venue_side import VenueSide, exit_order
from risk.intent import OrderIntent
from risk.metrics import is_price
from risk.verdict import Approved, Denied
from risk.view import TradingState

log = structlog.get_logger(__name__)

_ATR_BARS = 14
_PATIENCE = timedelta(seconds=10)  # how long a venue may take to act on a price that it should have acted on

Place = Callable[[OrderIntent], Awaitable[Approved | Denied]]
Filled = Sequence[tuple[OrderRow, Sequence[FillRow]]]


class Protector:
    """The exits of all strategies of one desk. `place` is the pipeline's way of ordering."""

    def __init__(
        self,
        strategies: StrategyManager,
        desk: Desk,
        market: Market,
        goals: Goals,
        *,
        place: Place,
        alerts: Alerts,
        trading_clock: Clock,
    ) -> None:
        self._strategies = strategies
        self._desk = desk
        self._market = market
        self._goals = goals
        self._place = place
        self._alerts = alerts
        self._clock = trading_clock
        self._guards: dict[tuple[str, str], Guard] = {}
        self._stored: dict[tuple[str, str], Guard] = {}
        self._loaded = False
        self._venue = VenueSide(desk, alerts, trading_clock)
        self._exits = Attempts(timedelta(seconds=1), timedelta(seconds=30))
        self._away: set[tuple[str, str]] = set()  # not looked at since the start, or since a halt
        self._hit_since: dict[tuple[str, str], datetime] = {}  # levels that the venue has not acted on
        self._told: set[tuple[str, str]] = set()  # what was said, and of which episode
        self._halt_told = True  # an alert about a halt may be open: at the start one of a former life

    # --- looking -----------------------------------------------------------------------------------

    @property
    def guards(self) -> tuple[Guard, ...]:
        """Every guarded position, by strategy and symbol."""
        return tuple(self._guards[key] for key in sorted(self._guards))

    def guard(self, strategy: str, symbol: str) -> Guard | None:
        """How one position is protected; None if it is not."""
        return self._guards.get((strategy, symbol))

    def _allowed(self, symbol: str) -> list[Guard]:
        """The guards of a symbol that are not halted."""
        guards = [each for each in self.guards if each.symbol == symbol]
        return [each for each in guards if self._state(each) is not TradingState.HALTED]

    def _state(self, guard: Guard) -> TradingState:
        return self._desk.state_for((guard.strategy,), guard.symbol)

    def _last(self, symbol: str) -> Decimal | None:
        quote = self._market.quotes.get(symbol)
        return quote.last if quote is not None and is_price(quote.last) else None

    # --- what others call --------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the stored guards, once."""
        if not self._loaded:
            rows = await load_protections(self._desk.account)
            guards = [guard_of(row, self._desk.portfolio.instrument) for row in rows]
            self._guards = {each.key: each for each in guards}
            self._stored, self._away = dict(self._guards), set(self._guards)
            self._loaded = True

    async def keep(self) -> None:
        """One look at everything: positions, prices, what rests at the venue."""
        await self.load()
        for symbol in self._at_stake():
            await self._keep(symbol)
        await self._tell_over()

    async def on_bars(self, bars: Mapping[str, Bar]) -> None:
        """Count the bars of every guarded position; each bar once, whatever a restart repeats."""
        for guard in self.guards:
            bar = bars.get(guard.symbol)
            if bar is not None and bar.at > max(guard.opened_at, guard.bar_at or guard.opened_at):
                self._believe(replace(guard, bars=guard.bars + 1, bar_at=bar.at))
        await self._save()

    async def protect(self, strategy: str, symbol: str, spec: ExitSpec | None) -> Guard | None:
        """A person says how a position is protected, until it is flat; None: not at all.

        Raises `LookupError` if the strategy holds nothing there.
        """
        await self.load()
        lot = self._desk.portfolio.lot(strategy, symbol)
        if not lot.quantity:
            raise LookupError(f"{strategy} holds no {symbol}")
        guard = self._guards.get((strategy, symbol)) or self._opened(strategy, symbol, lot, spec, Source.PERSON)
        self._believe(self._known_atr(replace(guard, spec=spec, source=Source.PERSON, best=None)))
        await self._save()
        await self._keep(symbol)
        return self.guard(strategy, symbol)

    async def make_room(self, intent: OrderIntent) -> OrderIntent | Denied:
        """Before another order that closes: take away the stops that would then be larger than what is left.

        If one of them may still be there, the order is reduce-only, and if the venue knows no such thing it waits:
        both would fill.
        """
        symbol, held = intent.instrument.symbol, self._desk.portfolio.quantity(intent.instrument.symbol)
        if held * intent.side.sign >= 0 or not self._venue.resting(symbol):
            return intent
        await self._venue.fit(symbol, self._allowed(symbol), self._last(symbol), intent)
        room = abs(self._desk.portfolio.quantity(symbol)) - self._venue.ordered(symbol, intent.side) - intent.quantity
        if committed(self._venue.resting(symbol), intent.side) <= max(room, ZERO):
            return intent
        if self._desk.broker.capabilities.reduce_only and room >= 0:
            return replace(intent, reduce_only=True)
        reason = "A stop that could not be cancelled may still close it"
        return Denied("EXIT_IN_DOUBT", reason, "no other exit", "one in doubt", ZERO)

    # --- one symbol --------------------------------------------------------------------------------

    def _at_stake(self) -> list[str]:
        """Every symbol with a position or an exit of ours."""
        exits = {order.symbol for order in self._desk.orders.open_orders if order.is_resting_exit}
        held = {lot.instrument.symbol for _, lot in self._desk.portfolio.lots() if lot.quantity}
        return sorted(exits | held | {symbol for _, symbol in self._guards})

    async def _keep(self, symbol: str) -> None:
        await self._meet_positions(symbol)
        guards = [each for each in self.guards if each.symbol == symbol]
        if self._desk.waits_for_confirmation:
            await self._leave_alone(symbol, guards)
            return
        halted = [each for each in guards if self._state(each) is TradingState.HALTED]
        await self._tell_halted(halted)
        for guard in guards:
            if guard not in halted:
                await self._watch(guard)
        await self._venue.fit(symbol, self._allowed(symbol), self._last(symbol))
        for guard in [each for each in self.guards if each.symbol == symbol and each.fired]:
            if self._state(guard) is not TradingState.HALTED:
                await self._leave(guard)
        await self._note_holders(symbol)

    async def _leave_alone(self, symbol: str, guards: Sequence[Guard]) -> None:
        """Nobody has let this account trade yet: what rests at the venue stays, and nothing is added to it."""
        await self._venue.release(symbol)
        rests = self._venue.resting(symbol)
        found = [(guard, _holder(guard, rests)) for guard in guards]
        await self._tell_vanished([each for each, holder in found if holder is Holder.ENGINE])
        for guard, holder in found:
            self._away.add(guard.key)
            self._believe(replace(guard, holder=Holder.NOBODY if holder is Holder.ENGINE else holder))
        await self._save()

    async def _tell_vanished(self, bare: Sequence[Guard]) -> None:
        """What rested at the venue, and does not any more: said once, for nothing is placed anew."""
        gone = [each for each in bare if each.holder in (Holder.VENUE, Holder.BOTH)]
        fresh = [each for each in gone if ("gone", each.episode) not in self._told]
        if fresh:
            await self._alerts.add(words.vanished(fresh))
            self._told.update(("gone", each.episode) for each in fresh)

    async def _tell_halted(self, halted: list[Guard]) -> None:
        """A halt cancels exits, too: say once what is unprotected."""
        for guard in halted:
            self._away.add(guard.key)
            self._believe(replace(guard, holder=Holder.NOBODY))
        await self._save()
        fresh = [each for each in halted if ("halt", each.episode) not in self._told]
        if fresh:
            await self._alerts.add(words.unprotected(fresh, self._desk.account))
            self._told.update(("halt", each.episode) for each in fresh)
            self._halt_told = True

    async def _tell_over(self) -> None:
        """No guard is halted any more, or none is left: nobody is reminded of it; another halt is told anew."""
        if not self._halt_told or any(self._state(each) is TradingState.HALTED for each in self.guards):
            return
        await self._alerts.close(words.halted_key(self._desk.account), "no stop or target is held back by a halt")
        self._told = {each for each in self._told if each[0] != "halt"}
        self._halt_told = False

    # --- positions ---------------------------------------------------------------------------------

    async def _meet_positions(self, symbol: str) -> None:
        """Guards follow what each strategy holds."""
        lots = dict(self._desk.portfolio.lots(symbol))
        for name in sorted(lots.keys() | {name for name, where in self._guards if where == symbol}):
            lot = self._desk.portfolio.lot(name, symbol)
            guard = self._guards.get((name, symbol))
            if guard is not None and guard.instrument != lot.instrument:  # the venue trades by other rules by now
                guard = replace(guard, instrument=lot.instrument)
                self._believe(guard)
            if guard is not None and (lot.quantity != guard.quantity or (guard.fired and self._is_left(name, lot))):
                guard = await self._changed(guard, lot)
            await self._respecify(name, symbol, lot, guard)
        await self._save()

    def _is_left(self, name: str, lot: Lot) -> bool:
        """Whether a lot is what stays when all that can be sold is sold: nothing protects that."""
        symbol = lot.instrument.symbol
        return self._desk.exits.is_gone(symbol, lot.quantity) and not self._desk.orders.pending(name, symbol)

    async def _respecify(self, name: str, symbol: str, lot: Lot, guard: Guard | None) -> None:
        """What settings and signals say counts unless a person has said something, or an exit is under way."""
        if not lot.quantity or (guard is not None and (guard.source is Source.PERSON or guard.fired is not None)):
            return
        if guard is None and self._is_left(name, lot):
            return
        spec, source = self._strategies.exits(name, symbol)
        if guard is None and spec is not None:
            self._believe(self._opened(name, symbol, lot, spec, source))
        elif guard is not None and spec is None:
            await self._forget(guard)
        elif guard is not None and spec != guard.spec:
            self._believe(self._known_atr(replace(guard, spec=spec, source=source, atr=None)))
        elif guard is not None and guard.waits_for_atr:
            self._believe(self._known_atr(guard))
        await self._tell_waiting(name, symbol)

    async def _tell_waiting(self, name: str, symbol: str) -> None:
        guard = self._guards.get((name, symbol))
        if guard is not None and guard.waits_for_atr and ("atr", guard.episode) not in self._told:
            await self._alerts.add(words.no_atr(guard))
            self._told.add(("atr", guard.episode))

    def _opened(self, name: str, symbol: str, lot: Lot, spec: ExitSpec | None, source: Source) -> Guard:
        now = self._clock.now()
        episode = episode_of(self._desk.account, name, symbol, now)
        return self._known_atr(Guard(name, lot.instrument, spec, source, lot.quantity, lot.average_price, now, episode))

    def _known_atr(self, guard: Guard) -> Guard:
        """The guard with the average true range of now, if it needs one and there is one."""
        history = self._strategies.history(guard.symbol) if guard.waits_for_atr else None
        if history is None or len(history) <= _ATR_BARS:
            return guard
        value = average_true_range(history.high, history.low, history.close, _ATR_BARS)
        measured = Decimal(repr(float(value)))
        return replace(guard, atr=measured) if is_price(measured) else guard

    async def _changed(self, guard: Guard, lot: Lot) -> Guard | None:
        """The position is another than we knew: by our exits, or by its strategy."""
        filled = await exits_of(self._desk.account, guard.episode, guard.opened_at)
        if filled:
            self._goals.bar(guard.strategy, guard.symbol, words.level_of(guard, _leg_of(filled, guard)))
            await self._goals.save()
        if lot.quantity * guard.quantity > 0 and not self._is_left(guard.strategy, lot):
            self._believe(replace(guard, quantity=lot.quantity, entry=lot.average_price))
            return self._guards[guard.key]
        await self._ended(guard, filled, lot)
        return self._guards.get(guard.key)

    async def _ended(self, guard: Guard, filled: Filled, lot: Lot) -> None:
        """Flat, or turned round: told and forgotten in one commit. What two exits sold too much is closed."""
        turned = self._too_much(guard, lot) if lot.quantity * guard.quantity < 0 and filled else None
        async with transaction():
            await drop_protection(self._desk.account, guard.strategy, guard.symbol)
            for alert in _told_of(guard, filled):
                await self._alerts.add(alert)
            if turned is not None:
                await keep_guard(self._desk.account, turned)
                await self._alerts.add(words.excess(turned))
        for memory in (self._guards, self._stored):
            memory.pop(guard.key, None)
            if turned is not None:
                memory[turned.key] = turned
        self._calm(guard)

    def _too_much(self, guard: Guard, lot: Lot) -> Guard | None:
        if not self._goals.is_barred(guard.strategy, guard.symbol) or self._is_left(guard.strategy, lot):
            return None
        opened = self._opened(guard.strategy, guard.symbol, lot, None, Source.NOBODY)
        return replace(opened, fired=Leg.EXCESS)

    def _calm(self, guard: Guard) -> None:
        """Nothing of this position is news, late or away any more."""
        self._exits.forget(guard.key)
        self._venue.calm(guard)
        self._away.discard(guard.key)
        self._hit_since.pop(guard.key, None)
        self._told = {each for each in self._told if guard.episode not in each}

    async def _forget(self, guard: Guard) -> None:
        """Nobody wants it protected any more."""
        await drop_protection(self._desk.account, guard.strategy, guard.symbol)
        self._guards.pop(guard.key, None)
        self._stored.pop(guard.key, None)
        self._calm(guard)

    # --- prices ------------------------------------------------------------------------------------

    async def _watch(self, guard: Guard) -> None:
        """Move the trailing stop, and begin the way out if a level is hit and the venue does not see to it."""
        price = self._last(guard.symbol)
        away = guard.key in self._away
        if price is not None:
            hit = guard.hit_by(price)  # by what we knew before this price
            guard = guard if hit else guard.seeing(price)
            self._believe(guard)
        hit = guard.hit_by(price) if price is not None else None
        leg = hit or (Leg.TIME if guard.is_overdue(self._clock.now()) else None)
        self._away.discard(guard.key)
        if leg is None or guard.fired is not None:
            self._hit_since.pop(guard.key, None)
        elif not self._venue_sees_to(guard, leg):
            gap = words.gap(guard, leg, price) if away and hit is not None and price is not None else None
            await self._fire(guard, leg, gap)
        await self._save()

    def _venue_sees_to(self, guard: Guard, leg: Leg) -> bool:
        """Whether all of it rests at the venue, which has had no more than a moment to act."""
        rests = self._venue.resting(guard.symbol)
        if leg is Leg.TIME or covered(guard, leg, rests) < abs(guard.quantity):
            return False
        since = self._hit_since.setdefault(guard.key, self._clock.now())
        acts = any(each.filled for each in rests if each.strategy == guard.strategy)
        return acts or self._clock.now() - since < _PATIENCE

    async def _fire(self, guard: Guard, leg: Leg, gap: Alert | None) -> None:
        """The way out is decided: the goal is flat, then the decision is stored, then orders are sent."""
        log.info("exit", strategy=guard.strategy, symbol=guard.symbol, leg=leg.value)
        self._goals.bar(guard.strategy, guard.symbol, words.level_of(guard, leg))
        await self._goals.save()
        fired = replace(guard, fired=leg)
        async with transaction():
            await keep_guard(self._desk.account, fired)
            if gap is not None:
                await self._alerts.add(gap)
        self._guards[guard.key] = self._stored[guard.key] = fired

    async def _leave(self, guard: Guard) -> None:
        """Close at market what is left, less what other orders close already; in slices, as the venue takes it."""
        for _ in range(self._desk.exits.slices(guard.symbol, self._desk.closable(*guard.key))):
            if not await self._leave_once(guard):
                return

    async def _leave_once(self, guard: Guard) -> bool:
        """Whether an order to close it went out. What fails is tried later and later.

        The pipeline makes room for it: what still rests is cancelled, or the order waits if it may fill beside it.
        """
        await self._desk.exits.write_off(guard.symbol, self._open(guard))
        intent = self._way_out(guard)
        if intent is None or not self._exits.may(guard.key, self._clock.now()):
            return False
        before = self._desk.closable(*guard.key)
        with urgently():
            verdict = await self._place(intent)
        if self._desk.closable(*guard.key) != before:
            self._exits.forget(guard.key)
            self._told.discard(("exit", guard.episode))
            return True
        self._exits.failed(guard.key, self._clock.now())
        if ("exit", guard.episode) not in self._told:
            reason = verdict.reason if isinstance(verdict, Denied) else "the order was refused"
            await self._alerts.add(words.exit_fails(guard, reason))
            self._told.add(("exit", guard.episode))
        return False

    def _way_out(self, guard: Guard) -> OrderIntent | None:
        """The market order that closes it; None if nothing is left to close."""
        exits = self._desk.exits
        left = exits.at_once(guard.symbol, exits.tradable(guard.symbol, self._open(guard))).get(guard.strategy)
        if not left:
            return None
        able = self._desk.broker.capabilities
        more = {"reduce_only": exits.can_promise(guard.symbol, left), "time_in_force": for_now(able)}
        return exit_order(guard, guard.fired or Leg.STOP, abs(left), self._desk.account, self._clock.now(), **more)

    def _open(self, guard: Guard) -> dict[str, Decimal]:
        """What would make its strategy flat."""
        return {guard.strategy: -self._desk.closable(*guard.key)}

    # --- memory ------------------------------------------------------------------------------------

    async def _note_holders(self, symbol: str) -> None:
        """Who closes each position when a price is hit."""
        rests = self._venue.resting(symbol)
        for guard in [each for each in self.guards if each.symbol == symbol]:
            if self._state(guard) is not TradingState.HALTED:
                self._believe(replace(guard, holder=_holder(guard, rests)))
                self._told.discard(("halt", guard.episode))
        await self._save()

    def _believe(self, guard: Guard) -> None:
        self._guards[guard.key] = guard

    async def _save(self) -> None:
        """Store the guards that have changed."""
        for key, guard in self._guards.items():
            if self._stored.get(key) != guard:
                await keep_guard(self._desk.account, guard)
                self._stored[key] = guard


def _leg_of(filled: Filled, guard: Guard) -> Leg:
    """Which way out the last exit order was."""
    leg = leg_of(filled[-1][0].role) or Leg.STOP
    return guard.stop_leg if leg is Leg.STOP and guard.stop is not None else leg


def _told_of(guard: Guard, filled: Filled) -> Iterable[Alert]:
    fills = [fill for _, each in filled for fill in each]
    if fills:
        yield words.closed(guard, _leg_of(filled, guard), fills)


def _holder(guard: Guard, rests: list[Resting]) -> Holder:
    """VENUE if all of it rests there with every price; ENGINE if none of it."""
    legs = [leg for leg, level in ((Leg.STOP, guard.stop), (Leg.TARGET, guard.target)) if level is not None]
    there = [covered(guard, leg, rests) for leg in legs]
    timed = guard.spec is not None and (guard.spec.max_bars is not None or guard.spec.max_hours is not None)
    if not any(there) or guard.fired is not None:
        return Holder.ENGINE
    return Holder.VENUE if min(there) >= abs(guard.quantity) and not timed else Holder.BOTH
