"""The audit trail: who did what, when, and how it ended. Lines are only added and chained by hash."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import datetime

from core.access.roles import Actor
from core.clock import Clock
from core.store.models import AuditLine

_LONGEST = 500


def line_hash(before: str, at: datetime, fields: tuple[str, ...]) -> str:
    """SHA-256 over the hash before and the line itself, as canonical JSON."""
    text = json.dumps([before, at.isoformat(), *fields], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def printable(text: str) -> str:
    """`text` on one line, without control characters, cut to a sane length."""
    shown = "".join(letter if letter.isprintable() else "\N{MIDDLE DOT}" for letter in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


class Audit:
    """Writes lines one after another. Never call it inside a transaction: each line is its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._last: str | None = None

    async def record(self, actor: Actor | str, action: str, detail: str = "", outcome: str = "ok") -> None:
        """Add a line; returns once it is committed."""
        who = actor if isinstance(actor, str) else f"{actor.name} ({actor.id})"
        fields = (printable(who)[:100], action[:60], printable(detail), outcome[:40])
        async with self._lock:
            before = await self._head()
            now = self._clock.now()
            hashed = line_hash(before, now, fields)
            await AuditLine.create(
                at=now, actor=fields[0], action=fields[1], detail=fields[2], outcome=fields[3], hash=hashed
            )
            self._last = hashed

    async def _head(self) -> str:
        if self._last is None:
            newest = await AuditLine.all().order_by("-seq").first()
            self._last = newest.hash if newest else ""
        return self._last
