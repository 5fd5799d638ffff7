"""The audit trail: who did what, when, and how it ended. Lines are only added and chained by hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from core.access.roles import Actor
from core.clock import Clock
from core.redaction import escaped, redact
from core.store.database import transaction
from core.store.models import AuditLine

_LONGEST = 500
MILESTONE = 1_000
_SHOWN = 32  # hexadecimal digits: 128 bits


@dataclass(frozen=True, slots=True)
class Head:
    """Where the trail ended at some moment. Kept elsewhere, it proves that nothing before it was changed since."""

    line: int
    hash: str

    def __str__(self) -> str:
        return f"{self.line}:{self.hash[:_SHOWN]}" if self.line else "empty"


def line_hash(before: str, seq: int, at: datetime, fields: tuple[str, ...]) -> str:
    """SHA-256 over the hash before and the line itself, as canonical JSON."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps([before, seq, moment, *fields], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def printable(text: str) -> str:
    """`text` on one line, control characters shown as their codes, cut to a sane length."""
    shown = escaped(text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def who(actor: Actor | str) -> str:
    """An actor as the trail names them."""
    return printable(actor if isinstance(actor, str) else f"{actor.name} ({actor.id})")[:100]


class Audit:
    """Writes lines one after another: each is chained to the last in one transaction, which the database orders.

    Inside a caller's transaction a line is part of it, and goes with it if that fails. `at_milestone` is called with
    every thousandth line's head, inside that transaction, so that it can be told outside the host.
    """

    def __init__(self, clock: Clock, at_milestone: Callable[[Head], Awaitable[object]] | None = None) -> None:
        self._clock = clock
        self.at_milestone = at_milestone

    async def record(self, actor: Actor | str, action: str, detail: str = "", outcome: str = "ok") -> None:
        """Add a line; returns once it is committed."""
        action, detail, outcome = (printable(redact(each)) for each in (action, detail, outcome))
        fields = (who(actor), action[:60], detail, outcome[:40])
        async with transaction():
            before, now = await newest_head(), self._clock.now()
            seq = before.line + 1
            head = Head(seq, line_hash(before.hash, seq, now, fields))
            await AuditLine.create(
                seq=seq,
                at=now,
                actor=fields[0],
                action=fields[1],
                detail=fields[2],
                outcome=fields[3],
                hash=head.hash,
            )
            if seq % MILESTONE == 0 and self.at_milestone is not None:
                await self.at_milestone(head)


async def newest_head() -> Head:
    """The newest line's number and hash."""
    newest = await AuditLine.all().order_by("-seq").first()
    return Head(newest.seq, newest.hash) if newest else Head(0, "")


class Line(Protocol):
    """A line of the trail, as stored."""

    @property
    def seq(self) -> int:
        """Its number, from 1 on."""
        ...

    @property
    def at(self) -> datetime:
        """When it was written."""
        ...

    @property
    def actor(self) -> str:
        """Who acted."""
        ...

    @property
    def action(self) -> str:
        """What they did."""
        ...

    @property
    def detail(self) -> str:
        """To what, and how."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended."""
        ...

    @property
    def hash(self) -> str:
        """Covers the line and the hash before."""
        ...


class Examination:
    """Looks at a trail line by line, oldest first, and says what is wrong with it.

    The chain by itself shows lines that were changed, taken out or put in. That the newest are gone, or that all was
    written anew from some line on, only shows against a head that was `kept` where nobody could reach it.
    """

    def __init__(self, kept: Iterable[Kept] = (), before: str = "", first: int = 1) -> None:
        self._kept = list(kept)
        self._before = before
        self._next = first
        self.problems: list[str] = []

    @property
    def head(self) -> Head:
        """The last line that was looked at."""
        return Head(self._next - 1, self._before)

    def look(self, line: Line) -> None:
        """The next line."""
        if line.seq < self._next:
            self.problems.append(f"line {line.seq} is there twice")
        elif line.seq > self._next:
            self.problems.append(f"lines {self._next} to {line.seq - 1} are missing")
        elif line.hash != line_hash(self._before, line.seq, line.at, _fields(line)):
            self.problems.append(f"line {line.seq} is not as it was written")
        self.problems += [
            f"line {line.seq} is another than the one that was kept: the trail was written anew, up to there at least"
            for kept in self._kept
            if kept.line == line.seq and not line.hash.startswith(kept.hash)
        ]
        self._before, self._next = line.hash, line.seq + 1

    def end(self) -> tuple[str, ...]:
        """There is no more line: everything that was wrong."""
        gone = [kept for kept in self._kept if kept.line >= self._next]
        last = self._next - 1
        return (*self.problems, *(f"the trail ends at line {last}, but line {kept.line} was there" for kept in gone))


@dataclass(frozen=True, slots=True)
class Kept:
    """A head as it was told and kept: at least its first 16 digits."""

    line: int
    hash: str

    @classmethod
    def read(cls, text: str) -> Kept:
        """`1234:5f3a…` as reports show it. Raises `ValueError`."""
        found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{16,64})", text.strip().lower())
        if not found:
            raise ValueError(f"a head is a line's number and its hash, like 1234:{'5f3a' * 8}, not {text[:80]!r}")
        return cls(int(found[1]), found[2])


def verify(lines: Iterable[Line], before: str = "", first: int = 1, kept: Iterable[Kept] = ()) -> tuple[str, ...]:
    """What is wrong with the trail, in words; empty if the chain holds from the line numbered `first` on."""
    examination = Examination(kept, before, first)
    for line in sorted(lines, key=lambda each: each.seq):
        examination.look(line)
    return examination.end()


def _fields(line: Line) -> tuple[str, ...]:
    return (line.actor, line.action, line.detail, line.outcome)
