"""Which orders only shrink a position. They need no price, no equity and no room under any limit on size."""

from __future__ import annotations

from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Side
from risk.intent import OrderIntent
from risk.view import PortfolioView, WorkingOrder, together


def reducible(view: PortfolioView, symbol: str, side: Side, intent: OrderIntent | None = None) -> Decimal:
    """Units that an order on `side` may have and still only shrink the position.

    Open orders on the same side count as if they fill, uncertain ones too: two exits must not make an entry.
    Open orders on the other side are not counted on. `intent` says whose sake it is asked for: see `_stands`.
    """
    position = view.quantity(symbol)
    if position * side.sign >= 0:
        return ZERO
    exits = (each for each in view.working if each.symbol == symbol and each.side is side)
    return max(abs(position) - together(each for each in exits if intent is None or _stands(each, intent)), ZERO)


def only_reduces(intent: OrderIntent, view: PortfolioView) -> bool:
    """Whether `intent` shrinks the position and can neither raise nor flip it, whatever else fills."""
    return intent.quantity <= reducible(view, intent.instrument.symbol, intent.side, intent)


def _stands(order: WorkingOrder, intent: OrderIntent) -> bool:
    """Whether an open exit takes room from `intent`.

    A resting stop or target that the venue itself keeps reduce-only gives way to an exit that is, too: they cannot
    both fill. Two resting exits do not give way to each other, unless they are one OCO group.
    """
    if order.oco_group and order.oco_group == intent.oco_group:
        return False
    both = order.resting_exit and order.reduce_only and intent.reduce_only
    return not (both and not intent.is_resting_exit)
