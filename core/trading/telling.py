"""Tells a thing once while the program runs: what is looked at again and again is not news each time."""

from __future__ import annotations

from core.alerts.outbox import Alert, Alerts


class Telling:
    """Remembers what was told."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._told: set[str] = set()

    async def once(self, key: str, alert: Alert) -> None:
        """Raise `alert`, unless one with this key was raised before."""
        if key not in self._told:
            await self._alerts.add(alert)
            self._told.add(key)

    async def tell(self, alert: Alert) -> None:
        """Raise `alert`: whoever calls knows that it is news."""
        await self._alerts.add(alert)

    def forget(self) -> None:
        """Everything is news again."""
        self._told.clear()
