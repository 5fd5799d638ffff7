"""What the clock does to orders: doubts resolved, lost cancels repeated, time that is up; and a person's decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from brokers.errors import Uncertain
from core.trading.states import OrderState
from tests.core.trading.stage import Stage, dec

S = OrderState


@pytest.fixture
async def real(build) -> Stage:
    """A venue whose word is not definite at once."""
    stage = await build(simulated=False)
    await stage.start()
    await stage.tick(100)
    return stage


async def look(stage: Stage, *pauses: float) -> None:
    for pause in pauses:
        stage.wall.advance(pause)
        await stage.desk.look_after_orders()


async def in_doubt(stage: Stage, fault: str = "never", quantity: int = 10) -> object:
    stage.broker.plan("place", fault)
    return await stage.submit(quantity)


async def test_a_doubt_is_resolved_within_seconds(real: Stage) -> None:
    order = await in_doubt(real, "lost")
    assert real.desk.view().working[0].uncertain
    await look(real, 2)
    assert order.state is S.WORKING
    assert await real.told("doubt") == ["Order in doubt: buy 10 ACME", "No longer in doubt: buy 10 ACME"]
    assert real.broker.count("place") == 1


async def test_what_fails_at_one_order_keeps_nobody_else_waiting(real: Stage, monkeypatch) -> None:
    """Whatever it is: the others are looked after first, then it is told."""
    bad, good = await in_doubt(real, "lost"), await in_doubt(real, "lost", 7)
    find = real.broker.find_order

    async def breaks(order: str) -> object:
        if order == bad.id:
            raise RuntimeError("cannot be booked")
        return await find(order)

    monkeypatch.setattr(real.broker, "find_order", breaks)
    real.wall.advance(2)
    with pytest.raises(RuntimeError, match="cannot be booked"):
        await real.desk.look_after_orders()
    assert (bad.state, good.state) == (S.UNCERTAIN, S.WORKING)


async def test_what_is_found_late_was_never_given_up_incident_6(real: Stage) -> None:
    """The venue knows nothing of the order for ten seconds, then it does."""
    order = await in_doubt(real, "lost")
    real.broker.bend_open, real.broker.hide = (lambda _: ()), []
    await look(real, 2, 2, 4)
    assert order.state is S.UNCERTAIN
    real.broker.bend_open, real.broker.hide = (lambda reports: reports), None
    await look(real, 8)
    assert order.state is S.WORKING


async def test_after_three_searches_over_a_minute_it_is_given_up_and_watched(real: Stage) -> None:
    order = await in_doubt(real)
    await look(real, 2, 2, 4, 8, 15)
    assert (order.state, real.desk.orders.pending("alpha", "ACME")) == (S.UNCERTAIN, 10)
    await look(real, 30, 30)
    assert (order.state, real.desk.orders.pending("alpha", "ACME")) == (S.NOT_PLACED, 0)
    assert order.watch_until - real.wall.now() == timedelta(hours=24)
    assert real.desk.orders.watched == (order,)


async def test_failed_queries_prove_nothing_however_many(real: Stage) -> None:
    order = await in_doubt(real)
    for call in ("open", "closed", "fills", "find"):
        real.broker.plan(call, *["down"] * 20)
    await look(real, *[31] * 10)
    assert order.state is S.UNCERTAIN


@pytest.mark.parametrize("restart", [False, True])
async def test_one_that_was_given_up_and_turns_up_counts_again(real: Stage, restart: bool) -> None:
    """A day is long enough for a venue to find what it had lost; a restart forgets nothing."""
    real.broker.bend_open, real.broker.hide = (lambda _: ()), []
    real.broker.bend = lambda _: []
    order = await in_doubt(real, "lost")
    await look(real, 2, 2, 4, 8, 15, 30, 30)
    assert order.state is S.NOT_PLACED
    await real.tick(100)
    if restart:
        await real.crash_and_restart()
    real.broker.bend_open, real.broker.hide = (lambda reports: reports), None
    await look(real, 600)
    assert real.held("alpha") == 10
    assert "It was placed after all: buy 10 ACME" in await real.told("doubt")
    assert not real.desk.orders.watched
    await real.check()


async def test_after_a_day_nobody_looks_any_more(real: Stage) -> None:
    order = await in_doubt(real)
    await look(real, 2, 2, 4, 8, 15, 30, 30)
    await look(real, 86_401)
    assert (order.state, order.watch_until, real.desk.orders.watched) == (S.NOT_PLACED, None, ())
    (row,) = await real.orders()
    assert row.watch_until is None


async def test_a_cancel_that_got_lost_is_sent_again(real: Stage) -> None:
    order = await real.submit(10, limit=90)
    real.broker.plan("cancel", "never")
    with pytest.raises(Uncertain):
        await real.desk.orders.cancel(order.id, "test")
    await look(real, 2, 5, 5)
    assert (order.state, len(await real.paper.get_open_orders())) == (S.CANCELLED, 0)


async def test_a_cancel_that_was_done_they_said_is_found_out_within_ten_seconds_incident_8(real: Stage) -> None:
    order = await real.submit(10, limit=90)
    real.broker.plan("cancel", "lie")
    assert await real.desk.orders.cancel(order.id, "test") is S.CANCELLED
    assert len(await real.paper.get_open_orders()) == 1
    await look(real, 2, 2, 2, 2)
    assert len(await real.paper.get_open_orders()) == 0
    assert "Still open at the venue: buy 10 ACME" in await real.told("order")


async def test_an_order_is_given_up_after_its_time(stage: Stage) -> None:
    order = await stage.submit(10, limit=90, timeout=5)
    for _ in range(4):
        await stage.tick(100)
        await stage.desk.sweep()
    assert order.state is S.WORKING
    await stage.crash_and_restart()
    await stage.tick(100)
    await stage.tick(100)
    await stage.desk.sweep()
    assert await stage.paper.get_open_orders() == ()
    assert (await stage.orders())[0].state == "cancelled"


async def test_a_person_has_it_looked_for(real: Stage) -> None:
    order = await in_doubt(real, "lost")
    outcome = await real.desk.decisions.look_again(order.id)
    assert (outcome.ok, outcome.text) == (True, "The venue has it: working, 0 of 10 filled.")
    assert not (await real.desk.decisions.look_again("nobody")).ok


@pytest.mark.parametrize(("placed", "state", "pending"), [(True, S.WORKING, 10), (False, S.NOT_PLACED, 0)])
async def test_a_person_decides(real: Stage, placed: bool, state: OrderState, pending: int) -> None:
    order = await in_doubt(real)
    outcome = await real.desk.decisions.decide(order.id, placed=placed)
    assert (outcome.ok, order.state, real.desk.orders.pending("alpha", "ACME")) == (True, state, pending)
    assert not (await real.desk.decisions.decide(order.id, placed=placed)).ok
    assert bool(order.watch_until) is not placed


async def test_a_venue_without_our_ids_is_searched_by_its_lists_incident_29(real: Stage) -> None:
    real.broker.forget_ids()
    order = await in_doubt(real, "lost")
    await look(real, 2)
    assert order.state is S.WORKING
    assert order.venue_order_id


async def test_two_that_may_be_it_go_to_a_person(real: Stage) -> None:
    real.broker.forget_ids()
    orders = [await in_doubt(real, "lost"), await in_doubt(real, "lost")]
    await look(real, 2, 2, 4, 8, 15, 30, 30)
    assert [order.state for order in orders] == [S.UNCERTAIN] * 2
    assert (await real.told("doubt")).count("A person must decide: buy 10 ACME") == 2
    assert real.desk.orders.pending("alpha", "ACME") == 20


async def test_one_in_no_list_goes_to_a_person_too(real: Stage) -> None:
    real.broker.forget_ids()
    order = await in_doubt(real, "never")
    await look(real, 2, 2, 4, 8, 15, 30, 30)
    assert order.state is S.UNCERTAIN
    assert "A person must decide: buy 10 ACME" in await real.told("doubt")


async def test_an_order_found_by_its_executions_alone(real: Stage) -> None:
    order = await in_doubt(real, "lost")
    real.broker.bend = lambda _: []
    await real.tick(100, volume=dec(4))
    real.broker.bend_open, real.broker.hide = (lambda _: ()), []
    real.broker.hide_fills = False
    await look(real, 2)
    assert (order.state, order.filled) == (S.PARTIALLY_FILLED, 4)
