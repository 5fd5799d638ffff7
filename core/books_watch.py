"""Acts on books that are wrong: they are no ground to trade on."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.trading.desk import Desk
from core.trading.invariants import Violation

log = structlog.get_logger(__name__)


class BooksWatch:
    """Looks at the books of one desk; a violation halts the account, is told, and goes into the audit trail."""

    def __init__(self, desk: Desk, alerts: Alerts, audit: Audit) -> None:
        self._desk = desk
        self._alerts = alerts
        self._audit = audit
        self._told: set[str] = set()

    async def look(self) -> None:
        """At what was booked since the last look."""
        await self._act_on(await self._desk.inspection.look())

    async def look_at_all(self) -> None:
        """At all that was ever booked."""
        await self._act_on(await self._desk.inspection.look_at_all())

    async def _act_on(self, violations: Sequence[Violation]) -> None:
        for each in violations:
            log.critical("the books are wrong", invariant=each.name, detail=each.detail)
        if violations:
            first = str(violations[0])
            try:
                await self._desk.halt_for("BOOKS ARE WRONG", first)
            finally:
                await self._tell(violations, first)

    async def _tell(self, violations: Sequence[Violation], first: str) -> None:
        """Once each: the halt stays anyway."""
        if first in self._told:
            return
        more = f" ({len(violations) - 1} more)" if violations[1:] else ""
        title = f"The books break the rule {violations[0].name}"
        body = f"{first[:900]}{more}\nNothing trades until the books are right."
        await self._alerts.add(Alert("books", Severity.CRITICAL, title, body))
        await self._audit.record(SYSTEM, "books", first, "violation")
        self._told.add(first)
