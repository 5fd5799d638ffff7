"""Cancels: one order, or everything at one venue: the last part of every halt.

The sweep never stops at a failure. A line that begins with 🔴 is something that is still open, or may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import structlog

from brokers.errors import BrokerError, Rejected
from brokers.order import ClientOrderId, OrderReport
from brokers.port import AbstractBroker
from core.trading.beliefs import Beliefs
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState, of_venue

if TYPE_CHECKING:
    from core.trading.order_manager import OrderManager

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.1


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


async def _ask(
    broker: AbstractBroker, beliefs: Beliefs, order: LiveOrder | None, order_id: ClientOrderId
) -> OrderState:
    try:
        report = await broker.cancel_order(order_id)
    except Rejected:
        found = await broker.find_order(order_id)
        if found is None or found.state.is_open:
            await _back_to_work(beliefs, order, found)
            raise
        report = found
    await beliefs.apply(report)
    return of_venue(report.state)


async def _back_to_work(beliefs: Beliefs, order: LiveOrder | None, found: OrderReport | None) -> None:
    """The venue refused to cancel and still works the order: it is not "cancelling", and we say so."""
    if found is None:
        return
    await beliefs.apply(found)
    if order is not None and order.state is OrderState.CANCELLING:
        await beliefs.settle_as(order, of_venue(found.state), "the venue refused to cancel it")


async def cancel_everything(
    broker: AbstractBroker, orders: OrderManager, reason: str, *, rounds: int, spare: Collection[str] = ()
) -> list[str]:
    """Cancel by the venue's own list and by ours, then look again until both are empty; a line for each part.

    The venue's list is what proves it. If it cannot be had, what we know is cancelled all the same. Orders in
    `spare` stay: a person's exits, placed after the halt.
    """
    lines: list[str] = []
    for attempt in range(rounds):
        if attempt > 1:  # a venue may take a moment to do what it has confirmed
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        theirs, problem = await _listed(broker)
        targets = sorted((theirs | {order.id for order in orders.open_orders}) - set(spare))
        if not targets and not problem:
            return [*lines, f"{orders.account}: no open orders"]
        outcomes = await asyncio.gather(*(_cancel(orders, each, reason) for each in targets))
        lines += [line for line in outcomes if not line.startswith("🔴")]
        failures = [line for line in outcomes if line.startswith("🔴")]
        if problem:
            return [*lines, *failures, problem]
    return [*lines, *failures, f"🔴 {orders.account}: {len(targets)} orders may still be open"]


async def _listed(broker: AbstractBroker) -> tuple[set[ClientOrderId], str]:
    """The venue's own open orders, or what kept us from seeing them."""
    (found,) = await asyncio.gather(broker.get_open_orders(), return_exceptions=True)
    if isinstance(found, BaseException):
        return set(), f"🔴 {broker.name}: open orders cannot be listed: {_told(found)}"
    return {report.client_order_id for report in found}, ""


async def _cancel(orders: OrderManager, order_id: ClientOrderId, reason: str) -> str:
    (state,) = await asyncio.gather(orders.cancel(order_id, reason), return_exceptions=True)
    if isinstance(state, BaseException):
        return f"🔴 {order_id}: {_told(state)}"
    return f"{state} {order_id}"


def _told(error: BaseException) -> str:
    """What a failure says in a line. One that no venue raises is our fault, and is logged in full."""
    if isinstance(error, BrokerError):
        return str(error)
    log.error("cancelling has failed", exc_info=error)
    return f"{type(error).__name__}: {error}"


def is_complete(lines: Sequence[str]) -> bool:
    """Whether the last look at the venue found nothing open."""
    return not lines[-1].startswith("🔴")
