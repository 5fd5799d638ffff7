"""How a close by hand is judged while stops rest at the venue: they make room for it when it is sent, so not before."""

from __future__ import annotations

from dataclasses import replace

from risk.intent import OrderIntent
from risk.view import PortfolioView, WorkingOrder


def with_room(view: PortfolioView, intent: OrderIntent) -> PortfolioView:
    """The account without the stops that give way to `intent`, if it closes something; for a look beforehand only.

    What is sent is judged on the account as it really is then, by `Hand.order`; a stop in doubt gives no way.
    """
    if view.quantity(intent.instrument.symbol) * intent.side.sign >= 0:
        return view
    return replace(view, working=tuple(each for each in view.working if not _gives_way(each, intent)))


def _gives_way(order: WorkingOrder, intent: OrderIntent) -> bool:
    is_same = order.symbol == intent.instrument.symbol and order.side is intent.side
    return is_same and order.resting_exit and not order.uncertain
