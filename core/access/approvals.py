"""Actions that wait for a second person. A request is a row: it survives a restart, and is decided once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.access.audit import Audit, who
from core.access.rights import Rights
from core.access.roles import Actor
from core.clock import Clock
from core.errors import UserError
from core.store.database import transaction
from core.store.models import ApprovalRow

GOOD_FOR = timedelta(minutes=5)


class State(StrEnum):
    """How a request stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to do: the command word for word, and what it would do, as text and as fingerprint.

    `kind` is its name in the setting `two_person`.
    """

    kind: str
    command: str
    args: tuple[str, ...]
    effect: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A request, as it stands."""

    id: int
    wanted: Wanted
    requester_id: int
    requester: str
    chat_id: int
    asked_at: datetime
    expires_at: datetime
    state: State
    decided_by: str


def fingerprint(command: str, args: Sequence[str], effect: str) -> str:
    """A digest of what an action would do: if it differs, it is another action."""
    text = json.dumps([command, list(args), effect], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Approvals:
    """Keeps the requests, with an audit line in the commit of each step."""

    def __init__(self, clock: Clock, audit: Audit, rights: Rights) -> None:
        self._clock = clock
        self._audit = audit
        self._rights = rights

    async def ask(self, actor: Actor, user_id: int, chat_id: int, wanted: Wanted) -> tuple[Approval, bool]:
        """A request that waits now, and whether it is new: asking twice for the same makes one."""
        now = self._clock.now()
        async with transaction():
            await self._expire(now)
            mine = ApprovalRow.filter(state=State.WAITING, requester_id=user_id, fingerprint=wanted.fingerprint)
            if (row := await mine.first()) is not None and row.rights == self._rights.of(user_id):
                return _approval(row), False
            row = await ApprovalRow.create(
                kind=wanted.kind, command=wanted.command, args=list(wanted.args), requester_id=user_id,
                requester=who(actor), rights=self._rights.of(user_id), chat_id=chat_id, effect=wanted.effect,
                fingerprint=wanted.fingerprint, asked_at=now, expires_at=now + GOOD_FOR, state=State.WAITING,
            )  # fmt: skip
            await self._audit.record(actor, "approval requested", _told(row))
        return _approval(row), True

    async def waiting(self) -> list[Approval]:
        """What waits for a decision, oldest first."""
        now = self._clock.now()
        rows = await ApprovalRow.filter(state=State.WAITING, expires_at__gt=now).order_by("id")
        return [_approval(row) for row in rows]

    async def find(self, number: int) -> Approval:
        """A request as it stands. Raises `UserError`."""
        row = await ApprovalRow.get_or_none(id=number)
        if row is None:
            raise UserError(f"There is no request {number}. /approvals lists those that wait.")
        if row.state == State.WAITING and self._clock.now() >= row.expires_at:
            await self.expire()
            await row.refresh_from_db()
        return _approval(row)

    async def rights_hold(self, approval: Approval) -> bool:
        """Whether its requester's rights are what they were when they asked."""
        row = await ApprovalRow.get(id=approval.id)
        return row.rights == self._rights.of(approval.requester_id)

    async def decide(self, approval: Approval, state: State, by: Actor, why: str = "") -> bool:
        """Decide it, now or never: False if somebody has, or its time is over. In the trail with both names."""
        now = self._clock.now()
        async with transaction():
            open_ones = ApprovalRow.filter(id=approval.id, state=State.WAITING, expires_at__gt=now)
            if not await open_ones.update(state=state, decided_by=who(by), decided_at=now):
                return False
            row = await ApprovalRow.get(id=approval.id)
            detail = f"{_told(row)} by {row.requester}" + (f": {why}" if why else "")
            await self._audit.record(by, f"approval {_WORDS[state]}", detail, _OUTCOMES[state])
        return True

    async def expire(self) -> list[Approval]:
        """Close those whose time is over; returns them, so that their requesters can be told."""
        async with transaction():
            return await self._expire(self._clock.now())

    async def _expire(self, now: datetime) -> list[Approval]:
        rows = await ApprovalRow.filter(state=State.WAITING, expires_at__lte=now).order_by("id")
        for row in rows:
            row.state, row.decided_at = State.EXPIRED, now
            await row.save(update_fields=["state", "decided_at"])
            await self._audit.record("system", "approval expired", f"{_told(row)} by {row.requester}", "expired")
        return [_approval(row) for row in rows]


_WORDS = {State.APPROVED: "given", State.DECLINED: "declined", State.VOID: "void"}
_OUTCOMES = {State.APPROVED: "ok", State.DECLINED: "refused", State.VOID: "refused"}


def _told(row: ApprovalRow) -> str:
    return f"{row.id}: /{row.command} {' '.join(row.args)}".strip()


def _approval(row: ApprovalRow) -> Approval:
    wanted = Wanted(row.kind, row.command, tuple(row.args), row.effect, row.fingerprint)
    return Approval(
        row.id, wanted, row.requester_id, row.requester, row.chat_id, row.asked_at, row.expires_at,
        State(row.state), row.decided_by,
    )  # fmt: skip
