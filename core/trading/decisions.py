"""What a person may do about an order in doubt: have it looked for now, or say what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from core.trading.ladder import WATCH
from core.trading.live_order import LiveOrder
from core.trading.order_manager import OrderManager
from core.trading.order_search import OrderSearch
from core.trading.states import OrderState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: `ok` if something is known now that was not, a sentence, and the order's state."""

    ok: bool
    text: str
    state: OrderState | None = None


class Decisions:
    """The doors for a person. Whoever calls them writes the audit line."""

    def __init__(self, orders: OrderManager, search: OrderSearch) -> None:
        self._orders = orders
        self._search = search

    def next_step(self, order_id: str) -> str:
        """What the program does about an order by itself; empty if there is nothing to do."""
        order = self._orders.open_order(order_id)
        if order is None:
            watched = any(each.id == order_id for each in self._orders.watched)
            return "It is still looked for, and counts again if it turns up." if watched else ""
        match order.state:
            case OrderState.UNCERTAIN:
                return f"The venue is asked again and again; so far {self._search.search_of(order_id).summary()}."
            case OrderState.MODIFYING:
                return f"A change to {order.wanted} is on its way; the venue is asked which terms it has."
            case OrderState.CANCELLING:
                return "The cancel is on its way; it is repeated until the venue says that the order is over."
            case _:
                return ""

    async def look_again(self, order_id: str) -> Outcome:
        """Ask the venue for an order now, at every rung of the ladder."""
        order = await self._orders.known(order_id)
        if order is None:
            return Outcome(False, f"There is no order {order_id[:40]}.")
        if self._orders.is_in_flight(order.id):
            return Outcome(False, "It is being sent at this moment.", order.state)
        if await self._search.look(order):
            return Outcome(True, f"The venue has it: {order.state}, {_filled(order)}.", order.state)
        if order.state.is_open:
            told = self._search.search_of(order.id).summary()
            return Outcome(False, f"Not found this time: {told}. It still counts in full.", order.state)
        return Outcome(True, f"The venue does not know it: {order.state}.", order.state)

    async def decide(self, order_id: str, *, placed: bool) -> Outcome:
        """A person has looked at the venue: the order is there, or it is not.

        One that is said to be absent no longer counts, and is watched for a day; one that is said to be there counts
        as working. Either way the venue's own word, should it come, is believed.
        """
        order = self._orders.open_order(order_id)
        if order is None or order.state is not OrderState.UNCERTAIN:
            state = order.state if order is not None else None
            return Outcome(False, f"Order {order_id[:40]} is not in doubt.", state)
        if placed:
            await self._orders.settle_as(order, OrderState.WORKING, "a person says that the venue has it")
            return Outcome(True, f"{order.what} counts as working. It can be cancelled.", order.state)
        await self._search.give_up(order, "a person says that the venue does not have it")
        hours = WATCH.total_seconds() / 3600
        return Outcome(True, f"{order.what} no longer counts. It is watched for {hours:.0f} hours more.", order.state)


def _filled(order: LiveOrder) -> str:
    return f"{order.filled.normalize():f} of {order.request.quantity.normalize():f} filled"
