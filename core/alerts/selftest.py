"""Once a day an alert for its own sake, silent: does it get through database, outbox and channels, and how soon?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store.alerts import deliveries_of
from core.store.models import DeliveryRow

PATIENCE = timedelta(seconds=5)
_LOOK_SECONDS = 0.1


class SelfTest:
    """Raises an alert and watches its deliveries; what is late or lost becomes a WARNING."""

    def __init__(self, alerts: Alerts, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._alerts = alerts
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """One test. Deliveries that are held on purpose (quiet hours) do not count."""
        begun = self._clock.now()
        body = f"Sent at {begun:%H:%M:%S} UTC. Nothing to do: it shows once a day that alerts arrive."
        alert = await self._alerts.add(Alert("self-test", Severity.INFO, "Self-test of alerts", body))
        while late := await self._late(alert.id):
            if self._clock.now() - begun > PATIENCE:
                await self._tell(late)
                return
            await self._sleep(_LOOK_SECONDS)

    async def _late(self, alert_id: int) -> list[DeliveryRow]:
        return [row for row in await deliveries_of([alert_id]) if row.status not in ("delivered", "held")]

    async def _tell(self, late: Sequence[DeliveryRow]) -> None:
        names = {each.id: each.actor.name for each in self._alerts.listeners}
        lines = [
            f"{names.get(row.person, row.recipient)} by {row.channel}: {row.status} {row.note[:100]}".rstrip()
            for row in late
        ]
        title = f"Self-test: alerts take more than {PATIENCE.total_seconds():g} s"
        await self._alerts.add(Alert("self-test", Severity.WARNING, title, "\n".join(lines), key="self-test"))
