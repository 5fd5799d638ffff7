"""What a button stands for: a record on our side, used once. The button itself carries only a random id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.clock import Clock, Ids
from core.store.database import transaction
from core.store.models import TicketRow
from core.store.rows import put


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """An action with its exact parameters; `user_id` None lets anyone with the permission press it."""

    action: str
    args: Mapping[str, str]
    user_id: int | None
    chat_id: int
    ttl_seconds: int | None
    confirms: bool = False


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


_TEXT = {
    TicketProblem.UNKNOWN: "This button is no longer valid. Open the menu again.",
    TicketProblem.EXPIRED: "This button has expired. Please ask again.",
    TicketProblem.USED: "Already done: each button works once.",
    TicketProblem.OTHER_USER: "This button is for somebody else.",
    TicketProblem.OTHER_MESSAGE: "This button belongs to another message.",
}


class TicketRefused(Exception):
    """A press that does nothing; the text is for the person."""

    def __init__(self, problem: TicketProblem) -> None:
        super().__init__(_TEXT[problem])
        self.problem = problem
        self.text = _TEXT[problem]


class Tickets:
    """Mints and takes tickets."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

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
        )

    async def bind(self, nonces: Sequence[str], message_id: int) -> None:
        """The message that carries these buttons was sent and has this id."""
        await TicketRow.filter(nonce__in=list(nonces)).update(message_id=message_id)

    async def take(self, nonce: str, *, user_id: int, chat_id: int, message_id: int) -> Ticket:
        """Use a ticket up. Raises `TicketRefused`; of many at once exactly one succeeds."""
        now = self._clock.now()
        async with transaction():
            row = await TicketRow.get_or_none(nonce=nonce)
            if problem := self._problem(row, user_id, chat_id, message_id, now):
                raise TicketRefused(problem)
            assert row is not None
            if not await TicketRow.filter(nonce=nonce, used_at=None).update(used_at=now):
                raise TicketRefused(TicketProblem.USED)
        return Ticket(row.action, row.args, row.confirms, row.minted_at)

    async def look(self, nonce: str) -> tuple[Ticket, bool] | None:
        """A ticket and whether it has been used, without using it; None if there is none."""
        row = await TicketRow.get_or_none(nonce=nonce)
        return (Ticket(row.action, row.args, row.confirms, row.minted_at), row.used_at is not None) if row else None

    @staticmethod
    def _problem(
        row: TicketRow | None, user_id: int, chat_id: int, message_id: int, now: datetime
    ) -> TicketProblem | None:
        if row is None or row.chat_id != chat_id:
            return TicketProblem.UNKNOWN
        if row.user_id not in (None, user_id):
            return TicketProblem.OTHER_USER
        # None: we died between sending the message and writing down its number; only its reader knows the nonce.
        if row.message_id not in (None, message_id):
            return TicketProblem.OTHER_MESSAGE
        if row.used_at is not None:
            return TicketProblem.USED
        return TicketProblem.EXPIRED if row.expires_at is not None and now >= row.expires_at else None
