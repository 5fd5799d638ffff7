"""What one order's fill does to the others: groups that cancel each other, and orders that only reduce."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.order import Fill, VenueOrderState
from brokers.simulation import funds
from brokers.simulation.state import BookOrder, Draft

OCO_OVER = "OCO: another order of the group was filled"
OCO_LESS = "OCO: another order of the group was filled in part"
HOLDING_CLOSED = "REDUCE_ONLY: the holding is closed"
HOLDING_SMALLER = "REDUCE_ONLY: the holding is smaller"


def after_fill(draft: Draft, filled: BookOrder, fill: Fill) -> None:
    """Shrink or end the orders that the fill concerns."""
    for order in list(draft.each(filled.symbol)):
        if order.id == filled.id:
            continue
        if filled.request.oco_group and order.request.oco_group == filled.request.oco_group:
            order = _less(draft, order, order.remaining - fill.quantity, OCO_OVER, OCO_LESS)  # noqa: PLW2901
        if order.state.is_open and order.request.reduce_only:
            most = funds.closable(draft, order.request.instrument, order.request.side)
            _less(draft, order, min(most, order.remaining), HOLDING_CLOSED, HOLDING_SMALLER)


def _less(draft: Draft, order: BookOrder, left: Decimal, over: str, less: str) -> BookOrder:
    """`order` with `left` to fill; over when that is nothing."""
    if left <= 0:
        return draft.close(order, VenueOrderState.CANCELLED, over)
    if left == order.remaining:
        return order
    return draft.tell(replace(order, request=replace(order.request, quantity=order.filled + left)), reason=less)
