"""When a conditional order wakes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.order import Side
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder


def followed(order: BookOrder, tick: Tick) -> BookOrder:
    """A trailing stop that has seen `tick`; any other order as it is."""
    if not order.request.type.is_trailing:
        return order
    best = tick.last if order.best is None else _better(order, tick.last)
    return order if best == order.best else replace(order, best=best)


def is_reached(order: BookOrder, last: Decimal) -> bool:
    """Whether the last price wakes the order: gone against it for a stop, its way for a take-profit."""
    trigger = order.trigger
    assert trigger is not None
    rising = (order.request.side is Side.BUY) is not order.request.type.takes_profit
    return last >= trigger if rising else last <= trigger


def _better(order: BookOrder, last: Decimal) -> Decimal:
    assert order.best is not None
    return min(order.best, last) if order.request.side is Side.BUY else max(order.best, last)
