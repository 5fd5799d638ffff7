"""What is kept back for a while: mutes, and maintenance windows. Each has a reason, an owner and an end.

A mute keeps alerts of a kind, a strategy or an account from being delivered; how many those were is told at its end.
A maintenance window holds what maintenance brings with it until its end. Neither touches a CRITICAL alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from core.alerts.channel import Severity
from core.alerts.routing import Hold
from core.store import mutes as store
from core.store.models import MuteRow

# What a venue that is being worked on brings with it.
MAINTENANCE_KINDS = frozenset({"drift", "connection", "external"})


class Sort(StrEnum):
    """What keeps alerts back."""

    MUTE = "mute"
    MAINTENANCE = "maintenance"


class Mutes:
    """All that are in force, in memory and in the database. `load` once the database is open."""

    def __init__(self) -> None:
        self._rows: list[MuteRow] = []

    @property
    def in_force(self) -> Sequence[MuteRow]:
        """All that have not ended, the oldest first."""
        return tuple(self._rows)

    async def load(self) -> None:
        """Take over what the database has."""
        self._rows = await store.in_force()

    def hold(self, severity: Severity, kind: str, account: str, strategy: str, now: datetime) -> Hold | None:
        """What keeps such an alert back now. A mute counts for more than a window: it was asked for by name."""
        if severity is Severity.CRITICAL or kind in store.ALWAYS_TOLD:
            return None
        fitting = [row for row in self._rows if row.ends_at > now and _fits(row, kind, account, strategy)]
        muted = next((row for row in fitting if row.sort == Sort.MUTE.value), None)
        if muted is not None:
            return Hold(muted.id)
        longest = max(fitting, key=lambda row: row.ends_at, default=None)
        return None if longest is None else Hold(longest.id, longest.ends_at)

    async def begin(self, sort: Sort, scope: str, reason: str, owner: str, now: datetime, ends_at: datetime) -> MuteRow:
        """Keep back what fits `scope` ("kind:fill", "strategy:trend", "account:paper"; "": all) from now on."""
        row = await store.add_mute(sort.value, scope, reason, owner, now, ends_at)
        self._rows.append(row)
        return row

    async def end(self, row: MuteRow, by: str, now: datetime) -> bool:
        """End one; False if it has ended already."""
        ended = await store.end_mute(row.id, by, now)
        self._rows = [each for each in self._rows if each.id != row.id]
        return ended

    def over(self, now: datetime) -> list[MuteRow]:
        """Those whose time is up."""
        return [row for row in self._rows if row.ends_at <= now]


def _fits(row: MuteRow, kind: str, account: str, strategy: str) -> bool:
    if row.sort == Sort.MAINTENANCE.value:
        return kind in MAINTENANCE_KINDS and row.scope in ("", f"account:{account}")
    return row.scope in (f"kind:{kind}", f"strategy:{strategy}", f"account:{account}")


def told_scope(row: MuteRow) -> str:
    """What one keeps back, in words."""
    what, _, name = row.scope.partition(":")
    if row.sort == Sort.MAINTENANCE.value:
        return f"maintenance of {name}" if name else "maintenance of everything"
    return f"{what} {name}"
