"""The audit trail, as rows."""

from __future__ import annotations

from core.store.models import AuditLine


async def page_of_audit(page: int, size: int) -> tuple[list[AuditLine], int]:
    """One page, newest first, and how many there are in all."""
    rows = await AuditLine.all().order_by("-seq").offset((page - 1) * size).limit(size)
    return rows, await AuditLine.all().count()
