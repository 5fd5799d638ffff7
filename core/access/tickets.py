"""What a button stands for: a record on our side, used once. The button itself carries only a random id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.access.rights import Rights
from core.clock import Clock, Ids
from core.store.database import transaction
from core.store.models import TicketRow
from core.store.rows import put


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """An action with its exact parameters; `user_id` None lets anyone with the permission press it.

    One with `needs_code` has no button: it is redeemed by a code alone.
    """

    action: str
    args: Mapping[str, str]
    user_id: int | None
    chat_id: int
    ttl_seconds: int | None
    confirms: bool = False
    needs_code: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that has just been used, and never will be again."""

    action: str
    args: Mapping[str, str]
    confirms: bool
    minted_at: datetime


class TicketProblem(StrEnum):
    """Why a press does nothing."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"
    OTHER_USER = "other_user"
    OTHER_MESSAGE = "other_message"
    RIGHTS_CHANGED = "rights_changed"


_TEXT = {
    TicketProblem.UNKNOWN: "This button is no longer valid. Open the menu again.",
    TicketProblem.EXPIRED: "This button has expired. Please ask again.",
    TicketProblem.USED: "Already done: each button works once.",
    TicketProblem.OTHER_USER: "This button is for somebody else.",
    TicketProblem.OTHER_MESSAGE: "This button belongs to another message.",
    TicketProblem.RIGHTS_CHANGED: "What you may do has changed since. Open the screen again.",
}


class TicketRefused(Exception):
    """A press that does nothing; the text is for the person."""

    def __init__(self, problem: TicketProblem) -> None:
        super().__init__(_TEXT[problem])
        self.problem = problem
        self.text = _TEXT[problem]


_CODE = "code"
_NONCE = re.compile(r"[0-9a-f]{32}")


class Tickets:
    """Mints and takes tickets. A person's tickets die with any change of their `rights`."""

    def __init__(self, clock: Clock, ids: Ids, rights: Rights | None = None) -> None:
        self._clock = clock
        self._ids = ids
        self._rights = rights or Rights(clock)

    async def mint(self, requests: Sequence[TicketRequest], message_id: int | None) -> list[str]:
        """Store the tickets of one message in one commit; returns their nonces in order."""
        now = self._clock.now()
        rows = [self._row(request, message_id, now) for request in requests]
        await put(rows)
        return [row.nonce for row in rows]

    def _row(self, request: TicketRequest, message_id: int | None, now: datetime) -> TicketRow:
        ttl = request.ttl_seconds
        return TicketRow(
            nonce=self._ids.nonce(),
            action=request.action,
            args=dict(request.args),
            user_id=request.user_id,
            chat_id=request.chat_id,
            message_id=message_id,
            confirms=request.confirms,
            minted_at=now,
            expires_at=None if ttl is None else now + timedelta(seconds=ttl),
            stage=_CODE if request.needs_code else "",
            rights=0 if request.user_id is None else self._rights.of(request.user_id),
        )

    async def bind(self, nonces: Sequence[str], message_id: int) -> None:
        """The message that carries these buttons was sent and has this id."""
        await TicketRow.filter(nonce__in=list(nonces)).update(message_id=message_id)

    async def take(self, nonce: str, *, user_id: int, chat_id: int, message_id: int) -> Ticket:
        """Use a ticket up. Raises `TicketRefused`; of many at once exactly one succeeds."""
        now = self._clock.now()
        async with transaction():
            row = await _find(nonce)
            if problem := self._problem(row, user_id, chat_id, message_id, now):
                raise TicketRefused(problem)
            assert row is not None
            await self._use(nonce)
        return _ticket(row)

    async def awaiting_code(self, user_id: int, chat_id: int) -> tuple[str, Ticket] | None:
        """What the person has been asked a code for in this chat, newest first, and its nonce; None: nothing."""
        rows = TicketRow.filter(user_id=user_id, chat_id=chat_id, stage=_CODE, used_at=None)
        row = await rows.order_by("-minted_at").first()
        if row is None or row.rights != self._rights.of(user_id):
            return None
        expired = row.expires_at is not None and self._clock.now() >= row.expires_at
        return None if expired else (row.nonce, _ticket(row))

    async def redeem(self, nonce: str) -> None:
        """Use up what was awaiting a code. Part of the transaction that accepts the code; raises `TicketRefused`."""
        await self._use(nonce)

    async def redeemed_by_code(self, user_id: int, chat_id: int, since: datetime) -> Ticket | None:
        """The newest action that a code of this person has set off since then."""
        rows = TicketRow.filter(user_id=user_id, chat_id=chat_id, stage=_CODE, used_at__gte=since)
        row = await rows.order_by("-used_at").first()
        return _ticket(row) if row else None

    async def forget_codes(self, user_id: int, chat_id: int) -> None:
        """Nothing awaits a code of this person any more: they were asked something else."""
        await TicketRow.filter(user_id=user_id, chat_id=chat_id, stage=_CODE, used_at=None).delete()

    async def _use(self, nonce: str) -> None:
        if not await TicketRow.filter(nonce=nonce, used_at=None).update(used_at=self._clock.now()):
            raise TicketRefused(TicketProblem.USED)

    async def look(self, nonce: str) -> tuple[Ticket, bool] | None:
        """A ticket and whether it has been used, without using it; None if there is none."""
        row = await _find(nonce)
        return (_ticket(row), row.used_at is not None) if row else None

    def _problem(
        self, row: TicketRow | None, user_id: int, chat_id: int, message_id: int, now: datetime
    ) -> TicketProblem | None:
        if row is None or row.chat_id != chat_id or row.stage:
            return TicketProblem.UNKNOWN
        if row.user_id not in (None, user_id):
            return TicketProblem.OTHER_USER
        # None: we died between sending the message and writing down its number; only its reader knows the nonce.
        if row.message_id not in (None, message_id):
            return TicketProblem.OTHER_MESSAGE
        if row.used_at is not None:
            return TicketProblem.USED
        if row.user_id is not None and row.rights != self._rights.of(row.user_id):
            return TicketProblem.RIGHTS_CHANGED
        return TicketProblem.EXPIRED if row.expires_at is not None and now >= row.expires_at else None


async def _find(nonce: str) -> TicketRow | None:
    """The record behind a button. A press may carry anything: what is no nonce of ours never reaches the database."""
    return await TicketRow.get_or_none(nonce=nonce) if _NONCE.fullmatch(nonce) else None


def _ticket(row: TicketRow) -> Ticket:
    return Ticket(row.action, row.args, row.confirms, row.minted_at)
