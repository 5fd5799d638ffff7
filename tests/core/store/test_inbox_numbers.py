"""Numbers of updates: Telegram begins anew after a quiet week."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.clock import SystemClock
from core.store.database import Database
from core.store.inbox import Inbox


async def test_a_number_of_last_week_may_come_again(store: Database) -> None:
    """It belongs to another update then; one of today is known."""
    assert store

    class Moved(SystemClock):
        ahead = timedelta()

        def now(self) -> datetime:
            return super().now() + self.ahead

    clock = Moved()
    inbox = Inbox(clock)
    assert await inbox.append([(7, "first"), (8, "waits")]) == 2
    await inbox.finish("done", 7)
    assert await inbox.append([(7, "again")]) == 0
    clock.ahead = timedelta(days=5)
    assert await inbox.append([(7, "another"), (8, "again")]) == 1
    assert [(each.update_id, each.raw) for each in await inbox.pending()] == [(7, "another"), (8, "waits")]
    assert [each.update_id for each in await inbox.pending(after=7)] == [8]
    assert [each.update_id for each in await inbox.pending(size=1)] == [7]
