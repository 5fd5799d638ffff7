"""What the gate has denied is tried again with every bar; a person hears of it once."""

from __future__ import annotations

import structlog

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from risk.intent import OrderIntent
from risk.verdict import Denied

log = structlog.get_logger(__name__)

Wish = tuple[str, tuple[str, ...]]


class Denials:
    """Counts denials and remembers which have been told, until the same strategies' wish gets through."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._told: set[tuple[Wish, str]] = set()
        self.count = 0

    async def tell(self, intent: OrderIntent, denied: Denied) -> None:
        """Tell of a denial, unless the same wish was denied for the same reason before."""
        self.count += 1
        symbol, code = intent.instrument.symbol, denied.code
        log.info("denied", code=code, symbol=symbol, value=denied.value, limit=denied.limit)
        if (_wish(intent), code) not in self._told:
            await self._alerts.add(_alert(intent, denied))
            self._told.add((_wish(intent), code))

    def forget(self, intent: OrderIntent) -> None:
        """The wish got through: its next denial is news."""
        self._told = {(wish, code) for wish, code in self._told if wish != _wish(intent)}


def _wish(intent: OrderIntent) -> Wish:
    return intent.instrument.symbol, intent.strategies


def _alert(intent: OrderIntent, denied: Denied) -> Alert:
    what = f"{intent.side} {intent.quantity.normalize():f} {intent.instrument.symbol}"
    passing = denied.largest_passing
    largest = f"\nLargest that passes: {passing.normalize():f}" if passing > 0 else ""
    body = f"{what} for {', '.join(intent.strategies)}\n{denied.code}: {denied.reason}{largest}"
    alone = intent.strategies[0] if len(intent.strategies) == 1 else ""
    return Alert("denied", Severity.WARNING, f"Risk denied: {what}", body, strategy=alone)
