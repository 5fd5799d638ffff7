"""The venue's side of protective exits: makes what rests there fit what is held, and tells when it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from brokers.errors import BrokerError, Rejected
from brokers.money import ZERO
from brokers.order import OrderType, Side
from brokers.urgency import urgently
from core.alerts.outbox import Alerts
from core.clock import Clock
from core.trading.desk import Desk
from core.trading.lifetimes import to_rest
from core.trading.protection import words
from core.trading.protection.attempts import Attempts
from core.trading.protection.fitting import (
    Cancel,
    Change,
    Resting,
    Step,
    Wanted,
    resting,
    role_of,
    to_grow,
    to_shrink,
    wanted,
)
from core.trading.protection.guard import Guard, Leg
from core.trading.states import OrderState
from risk.intent import OrderIntent, Origin
from risk.verdict import Denied

log = structlog.get_logger(__name__)


class VenueSide:
    """The stops and targets of one desk that rest at its venue. Called inside the pipeline's turn."""

    def __init__(self, desk: Desk, alerts: Alerts, trading_clock: Clock) -> None:
        self._desk = desk
        self._alerts = alerts
        self._clock = trading_clock
        self._creates = Attempts(timedelta(seconds=5), timedelta(minutes=5))
        self._cancels = Attempts(timedelta(seconds=2), timedelta(seconds=2))
        self._told: set[tuple[str, Leg]] = set()
        self._untold: set[str] = set()  # episodes whose trailing stop the venue does not take: a stop follows there

    def resting(self, symbol: str) -> list[Resting]:
        """Our stops and targets that may be at the venue."""
        return resting(self._desk.orders.open_orders, symbol)

    def calm(self, guard: Guard) -> None:
        """The position is over: nothing of it is late, or told, any more."""
        self._untold.discard(guard.episode)
        for leg in Leg:
            self._creates.forget((*guard.key, leg))
            self._told.discard((guard.episode, leg))

    async def release(self, symbol: str) -> None:
        """Take away what rests without a position; nothing else is touched, however it fits."""
        net = self._desk.portfolio.quantity(symbol)
        for order in self.resting(symbol):
            if net * order.side.sign >= 0:
                await self._take(Cancel(order, "nothing is left to close"))

    async def fit(
        self, symbol: str, guards: Sequence[Guard], last: Decimal | None, coming: OrderIntent | None = None
    ) -> None:
        """Make what rests at the venue fit what is held; with an order `coming`, only take away.

        `guards` are those of the symbol that may have exits now, `last` is its price.
        """
        net = self._desk.portfolio.quantity(symbol)
        side = Side.of(-net) if net else Side.SELL
        room = abs(net) - self.ordered(symbol, side)
        if coming is not None and coming.side is side:
            room -= coming.quantity
        room = max(room, ZERO)
        able = self._desk.broker.capabilities
        closing = {each.strategy: self._closing(each, coming) for each in guards}

        def wants() -> list[Wanted]:
            there = self.resting(symbol)
            untold = self._untold if coming is None else self._untold | _stopped(guards, there)
            return wanted(guards, room, side, able, closing=closing, last=last, orders=there, untold=untold)

        self._refuse_untold(wants(), self.resting(symbol))
        untold = len(self._untold)
        await self._fit(symbol, wants(), room, grows=coming is None)
        if len(self._untold) > untold:  # the venue has refused one: a stop takes its place at once
            await self._fit(symbol, wants(), room, grows=True)

    def _refuse_untold(self, wants: Sequence[Wanted], there: Sequence[Resting]) -> None:
        """What the venue would not take is known before the stop that rests is cancelled for it."""
        stopped = _stopped([each.guard for each in wants if each.leg is Leg.TRAIL], there)
        for want in wants:
            if want.leg is Leg.TRAIL and want.guard.episode in stopped:
                refused = self._desk.orders.refusal(self._resting_intent(want))
                self._untold |= {want.guard.episode} if refused is not None else set()

    async def _fit(self, symbol: str, wants: Sequence[Wanted], room: Decimal, *, grows: bool) -> None:
        able = self._desk.broker.capabilities
        for step in to_shrink(wants, self.resting(symbol), able):
            await self._take(step)
        if grows:
            for each in to_grow(wants, self.resting(symbol), able, room):
                await (self._create(each) if isinstance(each, Wanted) else self._take(each))

    def _closing(self, guard: Guard, coming: OrderIntent | None) -> Decimal:
        """Units of a position that other orders close already, or are about to."""
        pending = self._desk.orders.pending(*guard.key)
        if coming is not None:
            pending += coming.allocations.get(guard.strategy, ZERO)
        return max(-pending * guard.sign, ZERO)

    def ordered(self, symbol: str, side: Side) -> Decimal:
        """Units on `side` that orders other than resting exits may still fill."""
        orders = (each for each in self._desk.orders.open_orders if each.symbol == symbol and each.request.side is side)
        return sum((each.remaining for each in orders if not each.is_resting_exit), ZERO)

    async def _take(self, step: Step) -> None:
        """Cancel or change a resting exit; one that fails is tried again with the next look after a moment."""
        order, now = step.order, self._clock.now()
        if not self._cancels.may(order.id, now):
            return
        try:
            if isinstance(step, Change):
                await self._change(step)
            else:
                await self._desk.orders.cancel(order.id, f"exit: {step.reason}")
        except BrokerError as error:
            self._cancels.failed(order.id, now)
            log.warning("an exit could not be changed", order=order.id, reason=str(error))
        else:
            self._cancels.forget(order.id)

    async def _change(self, step: Change) -> None:
        """Change a resting exit; one that the venue will not change is cancelled, and placed anew by the next step."""
        order, price = step.order, step.price
        limit, stop = (price, None) if order.type is OrderType.LIMIT else (None, price)
        try:
            await self._desk.orders.modify(
                order.id, quantity=step.quantity, limit_price=limit, stop_price=stop, reason=f"exit: {step.reason}"
            )
        except Rejected:
            await self._desk.orders.cancel(order.id, "exit: the venue would not change it")

    async def _create(self, want: Wanted) -> None:
        """Place a stop or target. If that fails it is told at once, and our own engine guards alone."""
        guard = want.guard
        key = (*guard.key, want.leg)
        if not self._creates.may(key, self._clock.now()):
            return
        failure = await self._placed(want)
        if want.leg is Leg.TRAIL and guard.episode in self._untold:
            return
        if failure is None:
            if self._creates.forget(key):
                await self._alerts.add(words.venue_holds_again(guard))
            self._told.discard((guard.episode, want.leg))
            return
        self._creates.failed(key, self._clock.now())
        if (guard.episode, want.leg) not in self._told:
            await self._alerts.add(words.venue_fails(guard, _leg(want), failure))
            self._told.add((guard.episode, want.leg))

    async def _placed(self, want: Wanted) -> str | None:
        """Ask the gate, and send. What went wrong, None if it is at the venue, or in doubt and being asked about."""
        verdict = self._desk.gate.review(self._resting_intent(want), self._desk.view())
        if isinstance(verdict, Denied):
            return f"{verdict.code}: {verdict.reason}"
        with urgently():  # a position without its stop; whoever only moves one leaves what is kept back to others
            order = await self._desk.orders.submit(verdict)
        if want.leg is Leg.TRAIL and order.state is OrderState.REJECTED:
            self._untold.add(want.guard.episode)
        gone = not order.state.is_open and not order.filled
        return f"the order is {order.state}" if gone else None

    def _resting_intent(self, want: Wanted) -> OrderIntent:
        able = self._desk.broker.capabilities
        return exit_order(
            want.guard,
            want.leg,
            want.quantity,
            self._desk.account,
            self._clock.now(),
            type=want.type,
            stop_price=want.price if want.type.has_stop else None,
            limit_price=want.price if want.type.has_limit else None,
            trail=want.trail,
            trail_percent=want.trail_percent,
            time_in_force=to_rest(able),
            reduce_only=able.reduce_only,
            oco_group=want.oco_group,
        )


def _stopped(guards: Iterable[Guard], orders: Iterable[Resting]) -> set[str]:
    """The episodes without a trailing stop at the venue."""
    trailing = {each.strategy for each in orders if each.leg is Leg.TRAIL}
    return {each.episode for each in guards if each.strategy not in trailing}


def exit_order(guard: Guard, leg: Leg, quantity: Decimal, account: str, at: datetime, **more: object) -> OrderIntent:
    """An order that closes `quantity` of a guarded position; `more` are further fields of the intent."""
    side = guard.exit_side
    plain = OrderIntent(
        account=account,
        instrument=guard.instrument,
        side=side,
        quantity=quantity,
        at=at,
        allocations={guard.strategy: side.sign * quantity},
        origin=Origin.PROTECTION,
        role=role_of(leg, guard.episode),
        reason=f"{guard.strategy}: {words.level_of(guard, leg)}",
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def _leg(want: Wanted) -> Leg:
    """The leg as people know it: a stop at the venue stands for the nearer of both stops."""
    return want.guard.stop_leg if want.leg is Leg.STOP else want.leg
