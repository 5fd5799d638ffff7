"""Tells when a broker's connection has been lost for a while, and that it is back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.trading.desk import Desk
from core.trading.floor import Floor

# A connection that comes back by itself within that time is no news.
PATIENCE = timedelta(seconds=10)
_KIND = "connection"


class Connections:
    """Looked at every second, with the alerts.

    It wakes people, for nothing can be done at that venue meanwhile; in a maintenance window it is held back with
    the rest, and wakes them if the window ends first. One that `waits` has none to lose yet; why is told elsewhere.
    """

    def __init__(
        self, floor: Floor, alerts: Alerts, clock: Clock, *, waits: Callable[[Desk], bool] = lambda _: False
    ) -> None:
        self._floor = floor
        self._alerts = alerts
        self._clock = clock
        self._waits = waits
        self._lost_since: dict[str, datetime] = {}
        self._told: dict[str, Severity] = {}
        self._seen: set[str] = set()  # connected at least once since the start: what was open before it is over

    async def look(self) -> None:
        """Look at every account once."""
        for desk in self._floor:
            if desk.broker.is_connected:
                await self._connected(desk.account)
            elif not self._waits(desk):
                await self._away(desk)

    async def _connected(self, account: str) -> None:
        since, told = self._lost_since.pop(account, None), self._told.pop(account, None)
        if told is Severity.CRITICAL or account not in self._seen:
            await self._alerts.close(_key(account), f"the broker of {account} is connected again")
        elif told is not None and since is not None:
            text = f"{account}: the broker is connected again"
            body = f"It was away for {(self._clock.now() - since).total_seconds():.0f} s."
            await self._alerts.add(Alert(_KIND, Severity.WARNING, text, body, account=account))
        self._seen.add(account)

    async def _away(self, desk: Desk) -> None:
        now, account = self._clock.now(), desk.account
        since = self._lost_since.setdefault(account, now)
        severity = self._severity(account, now)
        told = self._told.get(account)
        if now - since <= PATIENCE or (told is not None and told.rank >= severity.rank):
            return
        open_orders = len(desk.orders.open_orders)
        body = (
            f"Not connected since {since:%H:%M:%S} UTC. Nothing can be ordered or cancelled there meanwhile; "
            f"{open_orders} of our orders are open. It is tried again every few seconds."
        )
        title = f"{account}: the broker is not connected"
        await self._alerts.add(Alert(_KIND, severity, title, body, account=account, key=_key(account)))
        self._told[account] = severity

    def _severity(self, account: str, now: datetime) -> Severity:
        held = self._alerts.mutes.hold(Severity.WARNING, _KIND, account, "", now)
        return Severity.CRITICAL if held is None else Severity.WARNING


def _key(account: str) -> str:
    return f"connection:{account}"
