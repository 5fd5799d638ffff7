"""Mutes and maintenance windows, as rows."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from core.store.models import AlertRow, MuteRow

# What is told whatever is muted: that something is muted, who comes and goes, who is out of reach, what halts.
ALWAYS_TOLD = frozenset({"mute", "halt", "kill", "people", "access", "audit", "unreachable", "self-test"})


async def add_mute(sort: str, scope: str, reason: str, owner: str, now: datetime, ends_at: datetime) -> MuteRow:
    """One that begins now."""
    return await MuteRow.create(
        sort=sort, scope=scope, reason=reason[:300], owner=owner[:100], begun_at=now, ends_at=ends_at
    )


async def in_force() -> list[MuteRow]:
    """All that have not ended, the oldest first."""
    return await MuteRow.filter(ended_at__isnull=True).order_by("id")


async def end_mute(mute_id: int, by: str, now: datetime) -> bool:
    """End one; False if it has ended already."""
    return bool(await MuteRow.filter(id=mute_id, ended_at__isnull=True).update(ended_at=now, ended_by=by[:100]))


async def kept_back(mute_id: int) -> Counter[str]:
    """How many alerts of which kind it has kept back."""
    kinds = await AlertRow.filter(muted=mute_id).values_list("kind", flat=True)
    return Counter(str(kind) for kind in kinds)
