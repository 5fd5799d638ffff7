"""The audit trail: who did what, when, and how it ended. Lines are only added and chained by hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

from core.access.roles import Actor
from core.clock import Clock
from core.store.database import transaction
from core.store.models import AuditLine

_LONGEST = 500


def line_hash(before: str, seq: int, at: datetime, fields: tuple[str, ...]) -> str:
    """SHA-256 over the hash before and the line itself, as canonical JSON."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps([before, seq, moment, *fields], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def printable(text: str) -> str:
    """`text` on one line, without control characters, cut to a sane length."""
    shown = "".join(letter if letter.isprintable() else "\N{MIDDLE DOT}" for letter in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def who(actor: Actor | str) -> str:
    """An actor as the trail names them."""
    return printable(actor if isinstance(actor, str) else f"{actor.name} ({actor.id})")[:100]


class Audit:
    """Writes lines one after another: each is chained to the last in one transaction, which the database orders.

    Inside a caller's transaction a line is part of it, and goes with it if that fails.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def record(self, actor: Actor | str, action: str, detail: str = "", outcome: str = "ok") -> None:
        """Add a line; returns once it is committed."""
        fields = (who(actor), printable(action)[:60], printable(detail), printable(outcome)[:40])
        async with transaction():
            newest = await AuditLine.all().order_by("-seq").first()
            seq, before = (newest.seq + 1, newest.hash) if newest else (1, "")
            now = self._clock.now()
            await AuditLine.create(
                seq=seq,
                at=now,
                actor=fields[0],
                action=fields[1],
                detail=fields[2],
                outcome=fields[3],
                hash=line_hash(before, seq, now, fields),
            )


class Line(Protocol):
    """A line of the trail, as stored."""

    seq: int
    at: datetime
    actor: str
    action: str
    detail: str
    outcome: str
    hash: str


def verify(lines: Iterable[Line], before: str = "", first: int = 1) -> tuple[str, ...]:
    """What is wrong with the trail, in words; empty if the chain holds from the line numbered `first` on.

    Finds lines that were changed, taken out or put in. That the newest lines are gone cannot be seen from the
    lines themselves: compare the last hash with one that was kept elsewhere.
    """
    problems = []
    for line in sorted(lines, key=lambda each: each.seq):
        if line.seq != first:
            problems.append(f"lines {first} to {line.seq - 1} are missing")
        elif line.hash != line_hash(before, line.seq, line.at, (line.actor, line.action, line.detail, line.outcome)):
            problems.append(f"line {line.seq} is not as it was written")
        before, first = line.hash, line.seq + 1
    return tuple(problems)
