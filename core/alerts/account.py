"""Alerts of one account: whoever raises them need not say whose they are."""

from __future__ import annotations

from dataclasses import replace

from core.alerts.outbox import Alert, Alerts
from core.store.models import AlertRow


class AccountAlerts(Alerts):
    """An outbox that notes the account with each alert; where there are several (`named`), its title says so too."""

    def __init__(self, alerts: Alerts, account: str, *, named: bool) -> None:
        self._alerts = alerts
        self._account = account
        self._named = named

    async def add(self, alert: Alert) -> AlertRow:
        """Store an alert and its deliveries; joins the caller's transaction if there is one."""
        says_so = not self._named or self._account in (word.strip(":,.") for word in alert.title.split())
        title = alert.title if says_so else f"{self._account}: {alert.title}"
        return await self._alerts.add(replace(alert, account=alert.account or self._account, title=title))

    async def close(self, key: str, note: str) -> int:
        """See `Alerts.close`."""
        return await self._alerts.close(key, note)
