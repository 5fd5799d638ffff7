"""Acts on books that are wrong: they are no ground to trade on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.trading.desk import Desk
from core.trading.floor import Floor
from core.trading.invariants import Violation

log = structlog.get_logger(__name__)


class BooksWatch:
    """Looks at the books of every account; a violation halts that account, is told, and goes into the audit trail."""

    def __init__(self, floor: Floor, alerts: Alerts, audit: Audit) -> None:
        self._floor = floor
        self._alerts = alerts
        self._audit = audit
        self._told: set[tuple[str, str]] = set()
        self._reading = asyncio.Lock()

    async def look(self) -> None:
        """At what was booked since the last look."""

        async def look(desk: Desk) -> None:
            await self._act_on(desk, await desk.inspection.look())

        await self._floor.each(look)

    async def look_at_all(self) -> None:
        """At all that was ever booked, one account after another: it is much to read."""

        async def look(desk: Desk) -> None:
            async with self._reading:
                await self._act_on(desk, await desk.inspection.look_at_all())

        await self._floor.each(look)

    async def _act_on(self, desk: Desk, violations: Sequence[Violation]) -> None:
        for each in violations:
            log.critical("the books are wrong", account=desk.account, invariant=each.name, detail=each.detail)
        if violations:
            first = str(violations[0])
            try:
                await desk.halt_for("BOOKS ARE WRONG", first)
            finally:
                await self._tell(desk.account, violations, first)

    async def _tell(self, account: str, violations: Sequence[Violation], first: str) -> None:
        """Once each: the halt stays anyway."""
        if (account, first) in self._told:
            return
        more = f" ({len(violations) - 1} more)" if violations[1:] else ""
        title = f"The books break the rule {violations[0].name}"
        whose = "" if self._floor.is_single else f"{account}: "
        body = f"{first[:900]}{more}\nNothing trades until the books are right."
        await self._alerts.add(Alert("books", Severity.CRITICAL, f"{whose}{title}", body, account=account))
        await self._audit.record(SYSTEM, "books", f"{whose}{first}", "violation")
        self._told.add((account, first))
