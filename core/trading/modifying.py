"""Changes a working order at the venue: written down first, believed when the venue says so, never a second order.

====================  =====================================================================================
the venue              what follows
====================  =====================================================================================
confirms               the new terms
refuses                it is asked what it has: the old terms, or the end that came meanwhile
cannot be reached      the old terms
says nothing           MODIFYING: both sizes are possible, the larger counts; it is asked until it is known
fills meanwhile        the fill counts; whatever is left has the terms that the venue tells
====================  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.errors import BrokerError, NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, OrderReport
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.beliefs import Beliefs
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from core.trading.terms import Terms, changed_terms
from risk.verdict import Approved

_WORKING = (OrderState.WORKING, OrderState.PARTIALLY_FILLED)

Change = Mapping[str, Decimal | None]


async def modify(
    broker: AbstractBroker,
    beliefs: Beliefs,
    order: LiveOrder | None,
    order_id: ClientOrderId,
    change: Change,
    reason: str,
    approved: Approved | None = None,
) -> OrderState:
    """See `OrderManager.modify`."""
    if order is None:
        raise OrderNotFound(order_id)
    wanted = _checked(broker, order, change, approved)
    if wanted == order.terms:
        return order.state
    order.asked += 1
    order.is_changing = True
    try:
        return await _change(broker, beliefs, order, wanted, reason)
    finally:
        order.is_changing = False


async def _change(broker: AbstractBroker, beliefs: Beliefs, order: LiveOrder, wanted: Terms, reason: str) -> OrderState:
    if not await beliefs.settle_as(order, OrderState.MODIFYING, f"to {wanted}: {reason}", wanted=wanted):
        raise Rejected("ORDER_CLOSED", f"it is {order.state} by now")
    try:
        report = await broker.modify_order(order.id, **_differences(order.terms, wanted))
    except Rejected as refused:
        await _ask_what_it_has(broker, beliefs, order, str(refused))
        raise
    except Unavailable as down:
        await back_to_work(beliefs, order, f"not changed: {down}")
        raise
    except Uncertain as doubt:
        if not await _tell_doubt(beliefs, order, wanted, str(doubt)):
            return order.state
        raise
    await beliefs.apply(report, asked=order.asked)
    return order.state


def _checked(broker: AbstractBroker, order: LiveOrder, change: Change, approved: Approved | None) -> Terms:
    """The terms that `change` asks for. Raises `Rejected` for what must not be asked."""
    if not broker.capabilities.modify:
        raise NotSupported("changing an order")
    if order.state not in _WORKING or order.is_changing:
        raise Rejected("NOT_WORKING", f"only a working order can be changed, this one is {order.state}")
    wanted = changed_terms(
        order.request,
        order.filled,
        quantity=change["quantity"],
        limit_price=change["limit_price"],
        stop_price=change["stop_price"],
    )
    if not order.request.reduce_only and _is_more(order, wanted) and not _covers(approved, order, wanted):
        raise Rejected("NEEDS_APPROVAL", "a larger or dearer order must pass the risk gate: cancel it, order anew")
    return wanted


def _covers(approved: Approved | None, order: LiveOrder, wanted: Terms) -> bool:
    """Whether the gate has approved just this order on just these terms."""
    if approved is None:
        return False
    intent, request = approved.intent, order.request
    same = (intent.instrument, intent.side, intent.type, intent.role) == (
        request.instrument,
        request.side,
        request.type,
        f"change:{order.id}",
    )
    terms = (intent.quantity, intent.limit_price, intent.stop_price)
    return same and terms == (wanted.quantity - order.filled, wanted.limit_price, wanted.stop_price)


def _is_more(order: LiveOrder, wanted: Terms) -> bool:
    """Whether the change asks for more than was approved: more units, or a worse price for us."""
    old, sign = order.terms, order.request.side.sign
    prices = ((old.limit_price, wanted.limit_price), (old.stop_price, wanted.stop_price))
    worse = any(new is not None and was is not None and (new - was) * sign > 0 for was, new in prices)
    return worse or wanted.quantity > old.quantity


def _differences(old: Terms, new: Terms) -> dict[str, Decimal | None]:
    """What the venue must be told: a term that stays is not sent."""
    names = ("quantity", "limit_price", "stop_price")
    return {name: getattr(new, name) for name in names if getattr(new, name) != getattr(old, name)}


async def _ask_what_it_has(broker: AbstractBroker, beliefs: Beliefs, order: LiveOrder, refusal: str) -> None:
    """The venue refused: the order is as it was, or over. If it cannot be asked now, it is asked later."""
    try:
        found = await broker.find_order(order.id)
    except BrokerError:
        return
    if found is not None:
        await take_answer(beliefs, order, found, f"the venue refused to change it: {refusal}")


async def take_answer(beliefs: Beliefs, order: LiveOrder, found: OrderReport, note: str) -> None:
    """The venue's word on an order whose change is definitely over, made or not."""
    await beliefs.apply(found, asked=order.asked)
    await back_to_work(beliefs, order, note)


async def back_to_work(beliefs: Beliefs, order: LiveOrder, note: str) -> None:
    """The change was not made: the old terms hold."""
    if order.wanted is None or not order.state.is_open:
        return
    state = order.state
    if state is OrderState.MODIFYING:
        state = OrderState.PARTIALLY_FILLED if order.filled else OrderState.WORKING
    await beliefs.settle_as(order, state, note, wanted=None)


async def _tell_doubt(beliefs: Beliefs, order: LiveOrder, wanted: Terms, reason: str) -> bool:
    """Whether there is any: a report may have told meanwhile what came of the change."""
    body = f"{reason}\nWanted: {wanted}. The larger size counts until the venue says which it has. We keep asking."
    alert = Alert("doubt", Severity.WARNING, f"Change in doubt: {order.what}", body)
    return await beliefs.settle_as(
        order, OrderState.MODIFYING, reason, alert, given=lambda: order.wanted == wanted, wanted=wanted
    )
