"""The durable inbox: chat updates, stored before they are acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import Clock
from core.store.database import transaction
from core.store.models import InboxRow

PAGE = 200
# Telegram repeats nothing after a day, and after a quiet week it numbers updates anew, from anywhere.
_REPEATED = timedelta(days=2)


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
        """Store (update id, raw JSON) pairs in one commit; known ids are left alone. How many were new.

        An id that was finished long ago has been given to another update.
        """
        now = self._clock.now()
        ids = [each for each, _ in updates]
        async with transaction():
            await InboxRow.exclude(outcome="").filter(update_id__in=ids, received_at__lt=now - _REPEATED).delete()
            known = {row.update_id for row in await InboxRow.filter(update_id__in=ids).only("update_id")}
            fresh = {each: raw for each, raw in updates if each not in known}
            await InboxRow.bulk_create(
                [InboxRow(update_id=each, payload=raw, received_at=now) for each, raw in fresh.items()],
                ignore_conflicts=True,
            )
        return len(fresh)

    async def pending(self, after: int = -1, size: int = PAGE) -> list[InboxItem]:
        """A page of what is not finished: the lowest ids above `after`."""
        rows = await InboxRow.filter(outcome="", update_id__gt=after).order_by("update_id").limit(size)
        return [InboxItem(row.update_id, row.payload, row.received_at, row.begun) for row in rows]

    async def begin(self, *update_ids: int) -> None:
        """Remember that work on these begins now: what changes something is not run after a restart."""
        await InboxRow.filter(update_id__in=update_ids).update(begun=True)

    async def finish(self, outcome: str, *update_ids: int) -> None:
        """Done with these: "done", "expired", "refused", "failed" or "interrupted".

        What somebody wrote is not kept any longer: there may be a code or an invitation in it.
        """
        await InboxRow.filter(update_id__in=update_ids).update(outcome=outcome, payload="")
