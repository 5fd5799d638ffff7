"""The audit trail, as rows."""

from __future__ import annotations

from datetime import datetime

from core.store.models import AuditLine


async def page_of_audit(page: int, size: int) -> tuple[list[AuditLine], int]:
    """One page, newest first, and how many there are in all."""
    rows = await AuditLine.all().order_by("-seq").offset((page - 1) * size).limit(size)
    return rows, await AuditLine.all().count()


async def lines_of(actor: str, since: datetime) -> list[AuditLine]:
    """What one actor has left in the trail since a moment, oldest first."""
    return await AuditLine.filter(actor=actor, at__gte=since).order_by("seq")


async def every_line() -> list[AuditLine]:
    """The whole trail, oldest first."""
    return await AuditLine.all().order_by("seq")
