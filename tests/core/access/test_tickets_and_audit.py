"""Buttons work once, for whom they are meant; the audit trail shows every touch."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.audit import Audit, line_hash, printable, verify
from core.access.roles import CONSOLE
from core.access.tickets import TicketProblem, TicketRefused, TicketRequest, Tickets
from core.clock import Ids, ManualClock
from core.store.database import Database, transaction
from core.store.models import AuditLine, TicketRow
from tests.core.conftest import NOW


def request(user: int | None = 7, ttl: int | None = 60) -> TicketRequest:
    return TicketRequest("flatten", {"strategy": "trend"}, user, 70, ttl, confirms=True)


@pytest.fixture
def tickets(database: Database, clock: ManualClock) -> Tickets:
    return Tickets(clock, Ids(clock))


async def attempt(tickets: Tickets, nonce: str, user: int = 7, chat: int = 70, message: int = 700) -> str:
    try:
        ticket = await tickets.take(nonce, user_id=user, chat_id=chat, message_id=message)
    except TicketRefused as refused:
        return str(refused.problem)
    return ticket.action


async def test_of_a_hundred_presses_at_once_one_succeeds(tickets: Tickets) -> None:
    """Telegram may deliver one tap many times."""
    (nonce,) = await tickets.mint([request()], 700)
    results = await asyncio.gather(*(attempt(tickets, nonce) for _ in range(100)))
    assert sorted(results) == ["flatten"] + [TicketProblem.USED] * 99


async def test_a_ticket_is_for_its_user_chat_and_message(tickets: Tickets) -> None:
    """A wrong press says why and uses nothing up."""
    (nonce,) = await tickets.mint([request()], None)
    await tickets.bind([nonce], 700)
    assert await attempt(tickets, nonce, user=8) == TicketProblem.OTHER_USER
    assert await attempt(tickets, nonce, chat=71) == TicketProblem.UNKNOWN
    assert await attempt(tickets, nonce, message=701) == TicketProblem.OTHER_MESSAGE
    assert await attempt(tickets, nonce[:-1] + "x") == TicketProblem.UNKNOWN
    assert await attempt(tickets, nonce) == "flatten"
    assert (await TicketRow.get(nonce=nonce)).used_at is not None


async def test_a_ticket_expires_to_the_second(tickets: Tickets, clock: ManualClock) -> None:
    """Good for 59 s, not for 60."""
    nonces = await tickets.mint([request(), request(), request(user=None, ttl=None)], 700)
    clock.advance(59)
    assert await attempt(tickets, nonces[0]) == "flatten"
    clock.advance(1)
    assert await attempt(tickets, nonces[1]) == TicketProblem.EXPIRED
    assert await attempt(tickets, nonces[2], user=99) == "flatten"
    assert len({len(nonce) for nonce in nonces}) == 1
    assert len(nonces[0]) == 32


async def trail() -> list[AuditLine]:
    return await AuditLine.all().order_by("seq")


async def test_a_hundred_lines_at_once_make_one_chain(database: Database, clock: ManualClock) -> None:
    """From several writers, with whatever people type."""
    writers = [Audit(clock), Audit(clock)]
    nasty = "a\nb\x00\x1b[31m\u202e\ud800 <b>" + "x" * 900
    await asyncio.gather(*(writers[n % 2].record(CONSOLE, f"act {n}", nasty) for n in range(100)))
    lines = await trail()
    assert [line.seq for line in lines] == list(range(1, 101))
    assert verify(lines) == ()
    assert all(line.detail.isprintable() and len(line.detail) == 500 for line in lines)


async def test_audit_and_transactions_never_wait_for_each_other(database: Database, clock: ManualClock) -> None:
    """A line written inside a transaction while others are written outside: no deadlock, and it shares its fate."""
    audit = Audit(clock)

    async def inside(fails: bool) -> None:
        async with transaction():
            await asyncio.sleep(0.001)
            await audit.record("system", "inside", outcome="failed" if fails else "ok")
            if fails:
                raise ZeroDivisionError

    async with asyncio.timeout(30):
        work = [inside(n % 2 == 0) for n in range(20)] + [audit.record("system", "outside") for _ in range(20)]
        await asyncio.gather(*work, return_exceptions=True)
    lines = await trail()
    assert len(lines) == 30
    assert verify(lines) == ()


def chain(count: int) -> list[SimpleNamespace]:
    lines, before = [], ""
    for seq in range(1, count + 1):
        fields = ("Ada", "halt", f"detail {seq}", "ok")
        before = line_hash(before, seq, NOW, fields)
        lines.append(
            SimpleNamespace(
                seq=seq, at=NOW, actor=fields[0], action=fields[1], detail=fields[2], outcome=fields[3], hash=before
            )
        )
    return lines


@given(st.integers(0, 29), st.sampled_from(["actor", "action", "detail", "outcome", "hash"]))
def test_any_edit_is_found(position: int, column: str) -> None:
    """Whichever word of whichever line."""
    lines = chain(30)
    setattr(lines[position], column, "tampered")
    assert f"line {position + 1} is not as it was written" in verify(lines)


@given(st.integers(0, 28), st.booleans())
def test_any_line_taken_out_of_the_middle_is_found(position: int, renumbered: bool) -> None:
    """Also if the numbers are closed up behind it."""
    lines = chain(30)
    del lines[position]
    if renumbered:
        for number, line in enumerate(lines, 1):
            line.seq = number
    assert verify(lines)


def test_a_sound_chain_verifies_in_parts() -> None:
    """Page by page, from a known hash on."""
    lines = chain(30)
    assert verify(lines) == verify([]) == ()
    assert verify(lines[10:], before=lines[9].hash, first=11) == ()
    assert verify(lines[10:]) == ("lines 1 to 10 are missing",)


@given(st.text(max_size=700))
def test_what_is_written_is_one_printable_line(text: str) -> None:
    """Whatever came from chat."""
    assert printable(text).isprintable()
    assert len(printable(text)) <= 500
