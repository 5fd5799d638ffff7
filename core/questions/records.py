"""What is on record: jobs, the audit trail. (Alerts are with their actions.)"""

from __future__ import annotations

from datetime import datetime

from core.access.audit import who
from core.access.roles import Actor
from core.questions.asking import Asking
from core.rows import audit_row
from core.store import audit as audit_store
from core.views import AuditRow, JobRow, Page


class RecordQuestions(Asking):
    """What was done, and will be done by the clock."""

    async def jobs(self) -> tuple[JobRow, ...]:
        """Every scheduled job."""
        return await self._engine.scheduler.rows()

    async def audit(self, *, page: int = 1, size: int = 10) -> Page[AuditRow]:
        """The audit trail, newest first."""
        rows, total = await audit_store.page_of_audit(page, size)
        return Page(tuple(audit_row(row) for row in rows), page, size, total)

    async def traces(self, actor: Actor, since: datetime) -> tuple[AuditRow, ...]:
        """What one person has left in the audit trail since a moment, oldest first."""
        rows = await audit_store.lines_of(who(actor), since)
        return tuple(audit_row(row) for row in rows)
