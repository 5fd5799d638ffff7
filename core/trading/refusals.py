"""An order that is refused is tried again with every bar; a person hears of it once."""

from __future__ import annotations

from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.live_order import LiveOrder


class Refusals:
    """Remembers which refusals have been told, until an order of the same strategies gets through."""

    def __init__(self) -> None:
        self._told: set[tuple[str, tuple[str, ...], str]] = set()

    def first(self, order: LiveOrder, code: str, reason: str) -> Alert | None:
        """The alert for a refusal with `code`, None if it was told before."""
        key = (order.symbol, tuple(sorted(order.parts)), code)
        if key in self._told:
            return None
        self._told.add(key)
        title = f"Order refused: {order.request.side} {order.request.quantity.normalize():f} {order.symbol}"
        return Alert("order", Severity.WARNING, title, f"{', '.join(order.parts)}: {reason}")

    def forget(self, order: LiveOrder) -> None:
        """It got through: the next refusal is news."""
        whose = (order.symbol, tuple(sorted(order.parts)))
        self._told = {key for key in self._told if key[:2] != whose}
