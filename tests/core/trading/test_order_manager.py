"""The order manager under faults: every order has exactly one effect, and nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, Fill, Liquidity, VenueOrderState
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.core.trading.stage import Stage, drop, until

S = OrderState


def fill_of(order: LiveOrder, units: int) -> Fill:
    """What a venue might tell of an order with a limit of 90."""
    side, at, price = order.request.side, order.at, Decimal(90)
    return Fill("f1", order.id, order.symbol, side, Decimal(units), price, Decimal(0), "USD", Liquidity.MAKER, at)


async def test_an_order_fills_once_and_the_books_equal_the_venue(stage: Stage) -> None:
    order = await stage.submit(10)
    assert order.state is S.WORKING
    await stage.tick(100)
    assert (order.state, stage.held("alpha")) == (S.FILLED, 10)
    await stage.check()


@pytest.mark.parametrize("side", [1, -1])
async def test_timeout_after_acceptance_does_not_send_twice_incident_1_2_3(stage: Stage, side: int) -> None:
    stage.broker.plan("place", "lost")
    order = await stage.submit(10 * side)
    assert order.state is S.UNCERTAIN
    assert stage.desk.orders.pending("alpha", "ACME") == 10 * side
    await stage.desk.reconcile()
    assert order.state is S.WORKING
    await stage.tick(100)
    assert stage.broker.count("place") == 1
    assert stage.held("alpha") == 10 * side
    await stage.check()


async def test_an_uncertain_order_may_fill_before_it_is_asked_for(stage: Stage) -> None:
    stage.broker.plan("place", "lost")
    order = await stage.submit(10)
    await stage.tick(100)
    assert order.state is S.FILLED
    await stage.check()


async def test_timeout_before_acceptance_is_resolved_by_asking(stage: Stage) -> None:
    stage.broker.plan("place", "never")
    order = await stage.submit(10)
    await stage.desk.reconcile()
    assert order.state is S.NOT_PLACED
    assert stage.desk.orders.pending("alpha", "ACME") == 0
    assert "Never placed: buy 10 ACME" in await stage.told("order")


async def test_a_real_venue_must_deny_an_order_three_times_over_a_minute_incident_6_29(build) -> None:
    stage = await build(simulated=False)
    await stage.start()
    await stage.tick(100)
    stage.broker.plan("place", "never")
    order = await stage.submit(10)
    for state in (S.UNCERTAIN, S.UNCERTAIN, S.UNCERTAIN, S.NOT_PLACED):
        await stage.desk.reconcile()
        assert order.state is state
        stage.wall.advance(25)


@pytest.mark.parametrize(("fault", "state"), [("no", S.REJECTED), ("down", S.NOT_SENT)])
async def test_a_refusal_is_told_once_until_an_order_gets_through(stage: Stage, fault: str, state: S) -> None:
    stage.broker.plan("place", fault, fault, "ok", fault)
    for expected in (state, state, S.WORKING, state):
        assert (await stage.submit(1)).state is expected
    assert len(await stage.told("order")) == 2


async def test_reconciling_while_an_order_is_in_flight_does_not_forget_it_incident_28(stage: Stage) -> None:
    stage.broker.plan("place", "hang")
    sending = asyncio.create_task(stage.submit(10))
    while not stage.broker.count("place"):
        await asyncio.sleep(0.001)
    await stage.desk.reconcile()
    assert stage.desk.orders.pending("alpha", "ACME") == 10
    stage.broker.gate.set()
    assert (await sending).state is S.WORKING


async def test_a_fill_may_overtake_the_acknowledgement(stage: Stage) -> None:
    stage.broker.plan("place", "late")
    sending = asyncio.create_task(stage.submit(10))
    while not stage.broker.count("place"):
        await asyncio.sleep(0.001)
    await stage.tick(100)
    assert stage.held("alpha") == 10
    stage.broker.gate.set()
    assert (await sending).state is S.FILLED
    await stage.check()


async def test_a_closed_order_stays_open_until_its_fills_are_here(stage: Stage) -> None:
    """A venue that says FILLED without the fills must not make us order the same units again."""
    stage.broker.bend = lambda report: [replace(report, fills=())]
    order = await stage.submit(10)
    await stage.tick(100)
    assert order.state is S.PARTIALLY_FILLED
    assert stage.held("alpha") + stage.desk.orders.pending("alpha", "ACME") == 10
    await stage.desk.reconcile()
    assert (order.state, stage.held("alpha")) == (S.FILLED, 10)
    await stage.check()


async def test_duplicates_and_old_words_change_nothing_incident_27(stage: Stage) -> None:
    seen = []
    stage.broker.bend = lambda report: [report, *seen, report, *[seen.append(report) or report]]
    order = await stage.submit(10)
    await stage.tick(100, volume=Decimal(4))
    await stage.tick(100)
    assert (order.state, order.filled) == (S.FILLED, 10)
    assert len(await stage.fills()) == 2
    await stage.check()


async def test_one_report_may_tell_the_same_fill_twice(stage: Stage) -> None:
    stage.broker.bend = lambda report: [replace(report, fills=report.fills * 2)]
    await stage.submit(10)
    await stage.tick(100)
    await stage.check()


async def test_lost_reports_are_asked_for_when_listening_begins_again_incident_19_34(stage: Stage) -> None:
    stage.broker.bend = drop
    order = await stage.submit(10)
    await stage.tick(100)
    assert order.state is S.WORKING
    await stage.deafen()
    stage.broker.bend = lambda report: [report]
    stage.listen()
    await stage.tick(100)
    await until(lambda: order.state is S.FILLED)
    await stage.check()


async def test_fill_after_cancelled_is_booked_and_told_incident_7_37(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    await stage.desk.orders.cancel(order.id, "test")
    assert order.state is S.CANCELLED
    report = await stage.paper.find_order(order.id)
    fill = fill_of(order, 4)
    await stage.desk.orders.apply(replace(report, filled=Decimal(4), fills=(fill,)))
    assert stage.held("alpha") == 4
    assert (await stage.told("late-fill")) == ["Filled after the end: buy 10 ACME"]
    assert not stage.desk.orders.open_orders


async def test_held_and_pending_are_whole_lots_and_always_the_part(stage: Stage) -> None:
    """Otherwise the next bar would order a fraction, or the same units again."""
    parts = {"alpha": Decimal(8), "beta": Decimal(4), "gamma": Decimal(-5)}
    await stage.submit(7, parts=parts)
    for _ in range(7):
        await stage.tick(100, volume=Decimal(1))
        for name, part in parts.items():
            pending = stage.desk.orders.pending(name, "ACME")
            assert (stage.held(name) + pending, pending % 1) == (part, 0)
    await stage.check()


async def test_overfill_is_booked_and_told(stage: Stage) -> None:
    order = await stage.submit(10, parts={"alpha": Decimal(12), "beta": Decimal(-2)}, limit=90)
    report = await stage.paper.find_order(order.id)
    fill = fill_of(order, 13)
    await stage.desk.orders.apply(replace(report, state=VenueOrderState.FILLED, filled=Decimal(13), fills=(fill,)))
    assert (stage.held("alpha"), stage.held("beta")) == (15, -2)
    assert stage.desk.orders.pending("alpha", "ACME") == 0
    assert await stage.told("overfill") == ["Overfilled: buy 10 ACME"]


async def test_a_refused_cancel_goes_back_to_work(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    stage.broker.plan("cancel", "no")
    with pytest.raises(Rejected):
        await stage.desk.orders.cancel(order.id, "test")
    assert order.state is S.WORKING


async def test_a_cancel_that_comes_too_late_finds_the_fill(stage: Stage) -> None:
    stage.broker.bend = drop
    order = await stage.submit(10)
    await stage.tick(100)
    assert await stage.desk.orders.cancel(order.id, "test") is S.FILLED
    await stage.check()


async def test_an_uncertain_cancel_stays_fillable_and_is_resolved(stage: Stage) -> None:
    stage.broker.bend = drop
    order = await stage.submit(10, limit=90)
    stage.broker.plan("cancel", "lost")
    with pytest.raises(Uncertain):
        await stage.desk.orders.cancel(order.id, "test")
    assert order.state is S.CANCELLING
    assert order.remaining == 10
    await stage.desk.reconcile()
    assert order.state is S.CANCELLED


async def test_cancel_acknowledged_but_still_open_is_found_incident_8(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    working = await stage.paper.find_order(order.id)
    await stage.desk.orders.apply(replace(working, state=VenueOrderState.CANCELLED))
    assert not stage.desk.orders.open_orders
    await stage.desk.orders.apply(working)  # an old word alone revives nothing
    assert not stage.desk.orders.open_orders
    await stage.desk.reconcile()
    (again,) = stage.desk.orders.open_orders
    assert (again.id, again.state) == (order.id, S.WORKING)
    assert "Still open at the venue: buy 10 ACME" in await stage.told("order")


async def test_the_cancel_goes_out_even_if_the_disk_is_full_incident_21(stage: Stage, monkeypatch) -> None:
    order = await stage.submit(10, limit=90)

    async def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("core.store.orders.update_order", full)
    with pytest.raises(OSError, match="no space"):
        await stage.desk.orders.cancel(order.id, "test")
    assert await stage.paper.get_open_orders() == ()


async def test_nothing_is_sent_that_could_not_be_stored_incident_4(stage: Stage, monkeypatch) -> None:
    async def locked(*_: object, **__: object) -> None:
        raise OSError("database is locked")

    monkeypatch.setattr("core.store.orders.insert_order", locked)
    with pytest.raises(OSError, match="locked"):
        await stage.submit(10)
    assert stage.broker.count("place") == 0
    assert not stage.desk.orders.open_orders


async def test_fifty_orders_at_once_incident_5(stage: Stage) -> None:
    approved = [stage.approve(1) for _ in range(50)]
    await asyncio.gather(*(stage.desk.orders.submit(each) for each in approved))
    await stage.tick(100)
    assert (stage.held("alpha"), len(await stage.fills())) == (50, 50)
    await stage.check()


async def test_an_approval_is_used_once(stage: Stage) -> None:
    approved = stage.approve(10)
    await stage.desk.orders.submit(approved)
    with pytest.raises(ValueError, match="used before"):
        await stage.desk.orders.submit(approved)
    assert stage.broker.count("place") == 1


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
@pytest.mark.parametrize("scope", [GLOBAL, "account:main", "strategy:alpha"])
async def test_a_halt_between_approval_and_sending_stops_the_order(
    stage: Stage, state: TradingState, scope: str
) -> None:
    approved = stage.approve(10)
    await stage.switch.set(scope, state, "test", "test")
    order = await stage.desk.orders.submit(approved)
    assert (order.state, stage.broker.count("place")) == (S.NOT_SENT, 0)


async def test_a_report_of_an_unknown_order_is_left_alone(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    report = await stage.paper.find_order(order.id)
    await stage.desk.orders.apply(replace(report, client_order_id=ClientOrderId("stranger")))
    assert len(stage.desk.orders.open_orders) == 1


async def test_a_fee_that_is_told_later_is_posted_then(stage: Stage) -> None:
    stage.broker.bend = lambda report: [replace(report, fills=tuple(replace(f, fee=None) for f in report.fills))]
    order = await stage.submit(10, parts={"alpha": Decimal(7), "beta": Decimal(3)})
    await stage.tick(100)
    assert stage.desk.portfolio.lot("alpha", "ACME").fees == 0
    await stage.desk.reconcile()
    (fill,) = (await stage.paper.find_order(order.id)).fills
    fees = [stage.desk.portfolio.lot(name, "ACME").fees for name in ("alpha", "beta")]
    assert sum(fees) == fill.fee > 0
    assert all(fees)
    assert stage.switch.state("account:main") is TradingState.ACTIVE
    await stage.check()
    await stage.desk.reconcile()
    await stage.check()


async def test_a_fee_in_a_third_currency_reduces_that_currency(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    report = await stage.paper.find_order(order.id)
    fill = replace(fill_of(order, 10), fee=Decimal("0.001"), fee_currency="BNB")
    await stage.desk.orders.apply(replace(report, state=VenueOrderState.FILLED, filled=Decimal(10), fills=(fill,)))
    balances = stage.desk.portfolio.balances
    assert (balances["cash/main", "BNB"], balances["cash/main", "USD"]) == (Decimal("-0.001"), Decimal(99_100))
    assert balances["fees/main/alpha/ACME", "BNB"] == Decimal("0.001")


async def test_a_listener_that_fails_keeps_nobody_waiting(stage: Stage, monkeypatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise OSError("disk")

    order = await stage.submit(10)
    monkeypatch.setattr("core.store.orders.insert_fill", broken)
    await asyncio.wait_for(stage.tick(100), 30)
    await asyncio.wait({stage.listener}, timeout=30)
    assert isinstance(stage.listener.exception(), OSError)
    monkeypatch.undo()
    stage.listen()
    await until(lambda: order.state is S.FILLED)
    await stage.check()


async def test_a_crossing_and_a_fill_at_once_lose_nothing_on_disk(stage: Stage) -> None:
    """Both post to the same balances: the second must see the first."""
    await stage.submit(10)
    cross = replace(stage.intent(1), quantity=Decimal(0), allocations={"alpha": Decimal(5), "beta": Decimal(-5)})
    await asyncio.gather(
        *(stage.desk.orders.cross(cross, Decimal(100), stage.pipeline) for _ in range(5)), stage.tick(100)
    )
    assert (stage.held("alpha"), stage.held("beta")) == (35, -25)
    await stage.check()


async def test_unavailable_venue_leaves_the_order_unsent(stage: Stage) -> None:
    await stage.paper.disconnect()
    order = await stage.submit(10)
    assert order.state is S.NOT_SENT
    with pytest.raises(Unavailable):
        await stage.desk.reconcile()
    assert not stage.desk.reconciled
    await asyncio.gather(stage.listener, return_exceptions=True)
