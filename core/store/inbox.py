"""The durable inbox: chat updates, stored before they are acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.clock import Clock
from core.store.models import InboxRow


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One stored update; `begun` says that it was being worked on when the program stopped."""

    update_id: int
    raw: str
    received_at: datetime
    begun: bool


class Inbox:
    """Updates wait here until they are finished; a crash at any moment loses none and repeats none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def append(self, updates: Sequence[tuple[int, str]]) -> int:
        """Store (update id, raw JSON) pairs in one commit; known ids are left alone. How many were new."""
        rows = await InboxRow.filter(update_id__in=[each for each, _ in updates]).only("update_id")
        known = {row.update_id for row in rows}
        now = self._clock.now()
        fresh = {each: raw for each, raw in updates if each not in known}
        await InboxRow.bulk_create(
            [InboxRow(update_id=each, payload=raw, received_at=now) for each, raw in fresh.items()],
            ignore_conflicts=True,
        )
        return len(fresh)

    async def pending(self) -> list[InboxItem]:
        """What is not finished, oldest first."""
        rows = await InboxRow.filter(outcome="").order_by("update_id")
        return [InboxItem(row.update_id, row.payload, row.received_at, row.begun) for row in rows]

    async def begin(self, update_id: int) -> None:
        """Remember that work on it begins now."""
        await InboxRow.filter(update_id=update_id).update(begun=True)

    async def finish(self, outcome: str, *update_ids: int) -> None:
        """Done with these: "done", "expired", "refused", "failed" or "interrupted"."""
        await InboxRow.filter(update_id__in=update_ids).update(outcome=outcome)

    async def next_offset(self) -> int | None:
        """One above the highest stored id, None if there is none."""
        row = await InboxRow.all().order_by("-update_id").first()
        return row.update_id + 1 if row else None
