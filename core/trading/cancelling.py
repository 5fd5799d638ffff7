"""Cancels everything at one venue, and never stops at a failure: the last part of every halt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from brokers.errors import BrokerError
from brokers.order import ClientOrderId
from brokers.port import AbstractBroker
from core.trading.order_manager import OrderManager

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.1


async def cancel_everything(broker: AbstractBroker, orders: OrderManager, reason: str, *, rounds: int) -> list[str]:
    """Cancel by the venue's own list and by ours, then look again until both are empty; a line for each part.

    The venue's list is what proves it. If it cannot be had, what we know is cancelled all the same. A line that
    begins with 🔴 is something that is still open, or may be.
    """
    lines: list[str] = []
    for attempt in range(rounds):
        if attempt > 1:  # a venue may take a moment to do what it has confirmed
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        theirs, problem = await _listed(broker)
        targets = sorted(theirs | {order.id for order in orders.open_orders})
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
