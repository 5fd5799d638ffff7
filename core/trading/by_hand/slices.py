"""A close by hand of more than the venue takes at once: the orders that it goes in, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import TimeInForce
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.by_hand.numbers import plain
from core.trading.desk import Desk
from core.trading.dust import too_little
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from risk.intent import OrderIntent
from risk.verdict import Denied

NOT_THERE = (OrderState.REJECTED, OrderState.NOT_SENT)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a person has confirmed, in `asked` orders: those that were sent, and the gate's no to the one after them."""

    wanted: OrderIntent
    asked: int
    orders: tuple[LiveOrder, ...]
    denied: Denied | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every order of it is out, or was."""
        return len(self.orders) == self.asked and not any(self._failed(each) for each in self.orders)

    @property
    def told(self) -> str:
        """What a person is told of a close in several orders, or of one that is not there; empty where one is."""
        if self.asked == 1:
            return self._told_of_one
        if self.is_whole:
            return f"✅ {self.asked} orders are on their way"
        out = sum(not self._failed(each) or each.state.is_in_doubt for each in self.orders)
        left = f"{plain(self._left)} {self.wanted.instrument.symbol}"
        rest = f"{left} were not sent: look, then /close the rest" if self._left else "All of it may be out"
        return f"🔴 {out} of {self.asked} orders are out. {self._why}. {rest}."

    @property
    def _told_of_one(self) -> str:
        (order,) = self.orders
        if order.state in NOT_THERE:
            return f"🔴 It was not taken: {order.trouble or order.unwanted}"
        return "🔴 Whether the venue has it is not known yet: it counts" if order.state.is_in_doubt else ""

    @property
    def alert(self) -> Alert | None:
        """The same, for whoever looks later; None if nothing is missing."""
        if self.asked == 1 or self.is_whole:
            return None
        title = f"Not all of it was sent: {self.wanted.side} {plain(self.wanted.quantity)} {self._symbol}"
        return Alert("order", Severity.CRITICAL, title, self.told, account=self.wanted.account)

    @property
    def _symbol(self) -> str:
        return self.wanted.instrument.symbol

    @property
    def _left(self) -> Decimal:
        """What was never sent, or definitely not taken. What is in doubt may be."""
        out = (each.request.quantity for each in self.orders if each.state not in NOT_THERE)
        return self.wanted.quantity - sum(out, ZERO)

    @property
    def _why(self) -> str:
        if self.denied is not None:
            return self.denied.reason
        last = self.orders[-1]
        if last.state.is_in_doubt:
            return f"Whether the venue has the last of them is not known: it counts in full ({plain(last.remaining)})"
        return f"The next was not taken: {last.trouble or last.unwanted}"

    @staticmethod
    def _failed(order: LiveOrder) -> bool:
        return order.state in NOT_THERE or order.state.is_in_doubt


def slices_of(intent: OrderIntent, desk: Desk) -> tuple[OrderIntent, ...]:
    """The orders that `intent` goes in: more than one only if it closes, and is more than the venue takes at once.

    The odd one is the first; one that the venue would find too small takes a part of the next.
    """
    thing = intent.instrument
    most = thing.most(at_market=not intent.type.has_limit)
    closes = desk.exits.only_closes(thing.symbol, intent.allocations)
    if most is None or intent.quantity <= most or not closes or intent.time_in_force is TimeInForce.FOK:
        return (intent,)
    count, rest = divmod(intent.quantity, most)
    sizes = [rest, *[most] * int(count)] if rest else [most] * int(count)
    if too_little(thing, rest, desk.portfolio.marks.get(thing.symbol)) and rest:
        moved = thing.floor_quantity(most / 2)
        sizes[:2] = [rest + moved, most - moved]
    return tuple(intent.resized(size) for size in sizes)
