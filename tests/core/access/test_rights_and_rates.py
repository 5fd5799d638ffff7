"""What a person was asked dies with their rights; how much they may ask in a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.access.rates import Kind, Rates
from core.access.rights import Rights
from core.access.tickets import TicketProblem, TicketRefused, TicketRequest, Tickets
from core.clock import Ids, ManualClock
from core.settings.security import SecuritySettings
from core.store.database import Database
from tests.core.conftest import NOW

ADA, BO = 7, 8


async def problem(tickets: Tickets, nonce: str, user: int = ADA) -> str:
    try:
        await tickets.take(nonce, user_id=user, chat_id=user, message_id=5)
    except TicketRefused as refused:
        return refused.problem
    return "taken"


async def mint(tickets: Tickets, user: int = ADA) -> str:
    (nonce,) = await tickets.mint([TicketRequest("flatten", {}, user, user, 60, confirms=True)], 5)
    return nonce


@pytest.mark.parametrize("restart", [False, True])
async def test_a_demotion_that_is_undone_has_killed_the_buttons(
    database: Database, clock: ManualClock, restart: bool
) -> None:
    """Also over a restart; only those of that person; new ones work."""
    rights = Rights(clock)
    assert set(await rights.note({ADA: "admin", BO: "trader"})) == {ADA, BO}
    tickets = Tickets(clock, Ids(clock), rights)
    of_ada, of_bo = await mint(tickets), await mint(tickets, BO)
    assert await rights.note({ADA: "viewer", BO: "trader"}) == (ADA,)
    assert await rights.note({ADA: "admin", BO: "trader"}) == (ADA,)
    if restart:
        rights = Rights(clock)
        assert await rights.note({ADA: "admin", BO: "trader"}) == ()
        tickets = Tickets(clock, Ids(clock), rights)
    assert await problem(tickets, of_ada) == TicketProblem.RIGHTS_CHANGED
    assert await problem(tickets, of_bo, BO) == "taken"
    assert await problem(tickets, await mint(tickets)) == "taken"


async def test_who_was_removed_and_let_in_again_finds_no_old_button(database: Database, clock: ManualClock) -> None:
    """With the very same role."""
    rights = Rights(clock)
    await rights.note({ADA: "admin", BO: "trader"})
    tickets = Tickets(clock, Ids(clock), rights)
    nonce = await mint(tickets, BO)
    await rights.note({ADA: "admin"})
    await rights.note({ADA: "admin", BO: "trader"})
    assert await problem(tickets, nonce, BO) == TicketProblem.RIGHTS_CHANGED


async def test_a_restart_changes_nobodys_rights(database: Database, clock: ManualClock) -> None:
    """Buttons survive it."""
    rights = Rights(clock)
    await rights.note({ADA: "admin"})
    nonce = await mint(Tickets(clock, Ids(clock), rights))
    again = Rights(clock)
    await again.note({ADA: "admin"})
    assert await problem(Tickets(clock, Ids(clock), again), nonce) == "taken"


def rates(clock: ManualClock) -> Rates:
    return Rates(clock, SecuritySettings())


def test_twenty_commands_a_minute() -> None:
    """The twenty-first waits as long as it is told to; looking is counted apart, and everyone for themselves."""
    clock = ManualClock(NOW)
    each = rates(clock)
    for _ in range(20):
        assert each.ask(ADA, Kind.COMMAND) is None
        clock.advance(1)
    wait = each.ask(ADA, Kind.COMMAND)
    assert wait is not None
    assert wait.seconds == 40
    assert each.ask(ADA, Kind.LOOK) is None
    assert each.ask(BO, Kind.COMMAND) is None
    clock.advance(39.5)
    assert each.ask(ADA, Kind.COMMAND) is not None
    clock.advance(0.5)
    assert each.ask(ADA, Kind.COMMAND) is None
    assert each.ask(ADA, Kind.COMMAND) is not None


def test_three_orders_in_ten_seconds_and_they_are_commands_too() -> None:
    """Whichever is full first."""
    clock = ManualClock(NOW)
    each = rates(clock)
    assert [each.ask(ADA, Kind.ORDER) for _ in range(3)] == [None] * 3
    wait = each.ask(ADA, Kind.ORDER)
    assert wait is not None
    assert wait.seconds == 10
    assert [each.ask(ADA, Kind.COMMAND) for _ in range(17)] == [None] * 17
    clock.advance(10)
    assert each.ask(ADA, Kind.ORDER) is not None


def test_a_flood_of_a_thousand_is_answered_seldom() -> None:
    """Once in ten seconds, and one line of the trail for all of it."""
    clock = ManualClock(NOW)
    each = rates(clock)
    waits = []
    for _ in range(1_000):
        waits.append(each.ask(ADA, Kind.COMMAND))
        clock.advance(0.03)
    refused = [wait for wait in waits if wait]
    assert len(refused) == 980
    assert sum(wait.tell for wait in refused) == 3
    assert sum(wait.first for wait in refused) == 1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.floats(0, 8)), max_size=120))
def test_never_more_than_the_limit_in_any_window(asked: list[tuple[Kind, float]]) -> None:
    """Whatever is asked when; and who waits as long as told is let through."""
    clock = ManualClock(NOW)
    each = rates(clock)
    let: dict[Kind, list[float]] = {kind: [] for kind in Kind}
    for kind, pause in asked:
        clock.advance(pause)
        at = (clock.now() - NOW).total_seconds()
        if each.ask(ADA, kind) is None:
            for counted in (Kind.COMMAND, Kind.ORDER) if kind is Kind.ORDER else (kind,):
                let[counted].append(at)
    for kind, most, window in ((Kind.LOOK, 60, 60), (Kind.COMMAND, 20, 60), (Kind.ORDER, 3, 10)):
        for end in let[kind]:
            assert sum(end - window < at <= end for at in let[kind]) <= most
    if (wait := each.ask(ADA, Kind.COMMAND)) is not None:
        clock.advance(wait.seconds)
        assert each.ask(ADA, Kind.COMMAND) is None
    assert timedelta(0) <= clock.now() - NOW
