"""What a report says of an order's terms: a change of ours that was made, or one that somebody made at the venue."""

from __future__ import annotations

from dataclasses import replace

from brokers.order import OrderReport, VenueOrderState
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.belief import Belief
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState, of_venue
from core.trading.terms import Terms, terms_of


def told_terms(order: LiveOrder, report: OrderReport, belief: Belief, *, fresh: bool) -> tuple[Belief, Alert | None]:
    """`belief` with the terms that `report` tells, and an alert for a change that was not ours.

    Terms count if they are what we asked for, or if the report is known to be newer than our last wish (`fresh`).
    The old terms while a change is open prove nothing: it may still be on its way.
    """
    told = _terms(report, order)
    if told is None or (order.wanted is None and (not fresh or told == order.terms)):
        return belief, None
    if told == order.wanted:
        return _back_to_work(belief.on_terms(told), report.state), None
    if not fresh or told == order.terms:
        return belief, None
    title = f"Changed at the venue: {order.what}"
    alert = Alert("order", Severity.WARNING, title, f"It is now: {told}. Before: {order.terms}.")
    return _back_to_work(belief.on_terms(told), report.state), alert


def _terms(report: OrderReport, order: LiveOrder) -> Terms | None:
    """The terms that a report tells; None from one that leaves some out, or is about an order that is over."""
    if not report.state.is_open or not order.state.is_open or report.type is not order.request.type:
        return None
    told = terms_of(report)
    lacks_limit = order.request.type.has_limit and told.limit_price is None
    lacks_stop = order.request.type.has_stop and told.stop_price is None
    return None if lacks_limit or lacks_stop or told.quantity <= 0 else told


def _back_to_work(belief: Belief, venue: VenueOrderState) -> Belief:
    """The change is settled: the order is not "modifying" any more."""
    if belief.state is not OrderState.MODIFYING or not venue.is_open:
        return belief
    state = OrderState.PARTIALLY_FILLED if belief.filled else of_venue(venue)
    return replace(belief, state=state)
