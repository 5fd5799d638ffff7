"""Which orders only shrink a position. They need no price, no equity and no room under any limit on size."""

from __future__ import annotations

from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Side
from risk.intent import OrderIntent
from risk.view import PortfolioView


def reducible(view: PortfolioView, symbol: str, side: Side) -> Decimal:
    """Units that an order on `side` may have and still only shrink the position.

    Open orders on the same side count as if they fill, uncertain ones too: two exits must not make an entry.
    Open orders on the other side are not counted on.
    """
    position = view.quantity(symbol)
    if position * side.sign >= 0:
        return ZERO
    return max(abs(position) - view.working_quantity(symbol, side), ZERO)


def only_reduces(intent: OrderIntent, view: PortfolioView) -> bool:
    """Whether `intent` shrinks the position and can neither raise nor flip it, whatever else fills."""
    return intent.quantity <= reducible(view, intent.instrument.symbol, intent.side)
