"""Orders by hand, inside the pipeline's turn: through the same gate and order manager as all others."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.money import ZERO
from core.alerts.outbox import Alerts
from core.store.along import Along
from core.trading.by_hand.slices import NOT_THERE, Sent
from core.trading.by_hand.wishes import Together, Wish, Wishes
from core.trading.desk import Desk
from core.trading.goals import Goal, Goals
from core.trading.live_order import MANUAL, LiveOrder
from core.trading.protection.protector import Protector
from core.trading.protection.spec import ExitSpec
from risk.intent import OrderIntent
from risk.verdict import Approved, Denied


class Hand:
    """What a person may do on one desk. Every method is called inside the pipeline's turn."""

    def __init__(self, desk: Desk, goals: Goals, protection: Protector, along: Along, alerts: Alerts) -> None:
        self._desk = desk
        self._alerts = alerts
        self._goals = goals
        self._protection = protection
        self._along = along
        self.wishes = Wishes(desk, protection)

    async def send(self, slices: Sequence[OrderIntent], exits: ExitSpec | None = None, *trail: Along) -> Sent:
        """Place what a person has confirmed, in its `slices`, one after another, as long as each of them gets there.

        What is not there, or may not be, ends it: nothing is sent past it, and people are told what is left.
        """
        wanted = slices[0].resized(sum((each.quantity for each in slices), ZERO))
        sent, denied = list[LiveOrder](), None
        for each in slices:
            found = await self.order(each, exits, *(() if sent else trail))
            if isinstance(found, Denied):
                denied = found
                break
            sent.append(found)
            if found.state in NOT_THERE or found.state.is_in_doubt:
                break
        end = Sent(wanted, len(slices), tuple(sent), denied)
        if sent and end.alert is not None:
            await self._alerts.add(end.alert)
        return end

    async def order(self, intent: OrderIntent, exits: ExitSpec | None = None, *trail: Along) -> LiveOrder | Denied:
        """Place what a person has confirmed, and its exits with the first fill. Denied: nothing was sent.

        `trail` is stored in the commit of the order. What the venue says, or fails to say, is the state of what is
        returned.
        """
        await self.wishes.load()
        before = self._goals_of(intent)
        roomy = await self._protection.make_room(intent)
        verdict = roomy if isinstance(roomy, Denied) else self._desk.gate.review(roomy, self._desk.view())
        if isinstance(verdict, Denied):
            await self._protection.keep()  # stops that had to make room
            return verdict
        wish = [] if exits is None else [self.wishes.along(Wish(intent.role, intent.instrument.symbol, exits))]
        self._follow(intent)
        order = await self._desk.orders.submit(verdict, along=Together(self._along, *wish, *trail))
        if order.refused and await self._desk.blockers.make_way(order):
            again = self._desk.gate.review(verdict.intent, self._desk.view())
            if isinstance(again, Approved):
                order = await self._desk.orders.submit(again, along=Together(self._along, *trail))
        if order.state in NOT_THERE:
            self._goals.restore(before)
            await self._goals.save()
        await self.wishes.keep()
        await self._protection.keep()
        return order

    def _follow(self, intent: OrderIntent) -> None:
        """What a strategy loses to a close stays closed until it wishes something else."""
        for name, part in intent.allocations.items():
            if name != MANUAL:
                held = self._desk.closable(name, intent.instrument.symbol)  # what is being closed already is gone
                left = held + part if (held + part) * held > 0 else ZERO
                self._goals.keep_at(name, intent.instrument.symbol, left, intent.reason)

    def _goals_of(self, intent: OrderIntent) -> dict[tuple[str, str], Goal | None]:
        keys = ((name, intent.instrument.symbol) for name in intent.allocations if name != MANUAL)
        return {key: self._goals.get(key) for key in keys}


def entry_role(nonce: str) -> str:
    """What an order with exits is known by."""
    return f"hand:{nonce}"
