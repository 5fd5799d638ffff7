"""Cancels one order. Everything at one venue is `core.trading.sweep`."""

from __future__ import annotations

from dataclasses import replace

from brokers.errors import Rejected, Uncertain
from brokers.order import ClientOrderId, OrderReport
from brokers.port import AbstractBroker
from core.trading.beliefs import Beliefs
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState, of_venue


async def ask_to_cancel(
    broker: AbstractBroker, beliefs: Beliefs, order: LiveOrder | None, order_id: ClientOrderId, reason: str
) -> OrderState:
    """See `OrderManager.cancel`."""
    try:
        if order is not None and order.state is not OrderState.CANCELLING:
            await beliefs.settle_as(order, OrderState.CANCELLING, reason)
    finally:
        state = await _ask(broker, beliefs, order, order_id)
    return order.state if order is not None else state


async def cancel_at_once(
    broker: AbstractBroker, beliefs: Beliefs, order: LiveOrder | None, order_id: ClientOrderId, reason: str
) -> OrderState:
    """As `ask_to_cancel`, for a kill: the request is out before anything is written, for the disk may be broken."""
    try:
        state = await _ask(broker, beliefs, order, order_id, reason)
    except Uncertain:
        if order is not None and order.state is not OrderState.CANCELLING:
            await beliefs.settle_as(order, OrderState.CANCELLING, reason)
        raise
    return order.state if order is not None else state


async def _ask(
    broker: AbstractBroker, beliefs: Beliefs, order: LiveOrder | None, order_id: ClientOrderId, reason: str = ""
) -> OrderState:
    try:
        report = await broker.cancel_order(order_id)
    except Rejected:
        found = await broker.find_order(order_id)
        if found is None or found.state.is_open:
            await _back_to_work(beliefs, order, found)
            raise
        report = found
    await beliefs.apply(replace(report, reason=report.reason or reason))
    return of_venue(report.state)


async def _back_to_work(beliefs: Beliefs, order: LiveOrder | None, found: OrderReport | None) -> None:
    """The venue refused to cancel and still works the order: it is not "cancelling", and we say so."""
    if found is None:
        return
    await beliefs.apply(found)
    if order is not None and order.state is OrderState.CANCELLING:
        await beliefs.settle_as(order, of_venue(found.state), "the venue refused to cancel it")
