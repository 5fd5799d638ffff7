"""A change of a working order by hand. One that makes it larger or dearer passes the gate like a new order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from brokers.money import ZERO
from core.errors import UserError
from core.trading.by_hand.numbers import number, plain
from core.trading.desk import Desk
from core.trading.live_order import LiveOrder
from core.trading.terms import Terms, changed_terms
from risk.intent import OrderIntent, Origin
from risk.verdict import Approved, Denied

FIELDS = ("price", "quantity", "stop")


def wanted_terms(desk: Desk, order: LiveOrder, field: str, word: str) -> Terms:
    """The terms that `price 98.5`, `quantity 5` or `stop 90` ask for. Raises `UserError` for what cannot be."""
    if not desk.broker.capabilities.modify:
        raise UserError("This venue cannot change an order: cancel it, and order anew.")
    if order.is_resting_exit:
        raise UserError("That is a protective exit: /exits changes it.")
    if order.origin != Origin.MANUAL:
        raise UserError("Only orders by hand can be changed: a strategy's order follows its strategy.")
    request = order.request
    if not desk.broker.capabilities.changes(request.type):
        raise UserError(f"This venue cannot change a {request.type} order: cancel it, and order anew.")
    if field == "price" and not request.type.has_limit:
        raise UserError(
            f"A {request.type} order has no limit price." + (" Its trigger: stop." if request.type.has_stop else "")
        )
    if field == "stop" and not request.type.has_stop:
        raise UserError(f"A {request.type} order has no trigger of its own.")
    value = number(word, field)
    wanted = changed_terms(
        request,
        ZERO,
        quantity=value if field == "quantity" else None,
        limit_price=value if field == "price" else None,
        stop_price=value if field == "stop" else None,
    )
    if wanted.quantity <= order.filled:
        raise UserError(f"{plain(order.filled)} have filled already; cancel the rest instead.")
    return wanted


def changed_intent(desk: Desk, order: LiveOrder, wanted: Terms, at: datetime) -> OrderIntent:
    """What is left of the order, on the new terms, as if it were new."""
    request, left = order.request, wanted.quantity - order.filled
    whole = OrderIntent(
        account=desk.account,
        instrument=request.instrument,
        side=request.side,
        quantity=request.quantity,
        at=at,
        allocations=dict(order.parts),
        type=request.type,
        limit_price=wanted.limit_price,
        stop_price=wanted.stop_price,
        time_in_force=request.time_in_force,
        reduce_only=request.reduce_only,
        origin=Origin.MANUAL,
        reason="changed by hand",
        trail=request.trail,
        trail_percent=request.trail_percent,
        expires_at=request.expires_at,
        post_only=request.post_only,
        role=f"change:{order.id}",
    )
    return whole.resized(left)


def judge(desk: Desk, order: LiveOrder, wanted: Terms, at: datetime) -> Approved | Denied:
    """What the gate says of it, on the account as it would be without the order."""
    view = desk.view()
    others = tuple(each for each in view.working if each.client_order_id != order.id)
    return desk.gate.review(changed_intent(desk, order, wanted, at), replace(view, working=others))
