"""What has happened to other people's money, once each; the numbers are those of the list that we keep of incidents.

The venue is the real paper broker behind a bad line.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.order import Fill, OrderReport, OrderType, VenueOrderState
from core.trading.ledger import EXTERNAL
from core.trading.states import OrderState
from risk.verdict import Denied
from tests.core.trading.stage import Stage, Strategies, dec, drop

S, V = OrderState, VenueOrderState


@pytest.fixture
async def real(build) -> Stage:
    """A venue whose word is not definite at once, and a strategy that wants ten."""
    stage = await build(simulated=False, strategies=Strategies("alpha"))
    await stage.start()
    await stage.tick(100)
    return stage


async def look(stage: Stage, *pauses: float) -> None:
    for pause in pauses:
        stage.wall.advance(pause)
        await stage.desk.look_after_orders()


async def hear(stage: Stage, report: OrderReport, *fills: Fill, **changes: Any) -> None:
    """A report as another venue would have sent it."""
    filled = sum((fill.quantity for fill in fills), Decimal(0))
    await stage.desk.orders.apply(replace(report, fills=fills, filled=filled, **changes))


async def a_fill(stage: Stage, order: Any, name: str, units: int, **more: Any) -> Fill:
    """A fill that the paper venue did not make."""
    await stage.paper.place_order(
        replace(order.request, client_order_id="seed", type=OrderType.MARKET, limit_price=None)
    )
    await stage.tick(100)
    (made,) = (await stage.paper.find_order("seed")).fills
    return replace(made, fill_id=name, client_order_id=order.id, quantity=dec(units), **more)


@pytest.mark.parametrize("exposure", [1.0, -1.0])
async def test_incident_1_2_a_timeout_after_acceptance_makes_one_order_for_buys_and_sells(
    real: Stage, exposure: float
) -> None:
    real.strategies.want("alpha", exposure)
    real.broker.plan("place", "lost")
    for _ in range(5):
        await real.round(100)
        await look(real, 2)
    assert (real.broker.count("place"), real.held("alpha")) == (1, 10 * int(exposure))
    await real.check()


async def test_incident_2_a_sell_that_closes_is_not_sent_twice(real: Stage) -> None:
    await real.submit(10)
    await real.tick(100)
    real.strategies.want("alpha", 0.0)
    real.broker.plan("place", "lost")
    for _ in range(3):
        await real.round(100)
    assert (real.broker.count("place"), real.held("alpha")) == (2, 0)
    await real.check()


async def test_incident_3_an_order_that_goes_through_after_the_timeout_is_found(real: Stage) -> None:
    real.broker.plan("place", "lost")
    order = await real.submit(10, limit=90)
    assert order.venue_order_id == ""
    await look(real, 2)
    assert (order.state, bool(order.venue_order_id)) == (S.WORKING, True)


async def test_incident_3_29_a_venue_without_our_ids_never_has_an_order_presumed_away(real: Stage) -> None:
    real.broker.forget_ids()
    real.broker.plan("place", "never")
    order = await real.submit(10, limit=90)
    await look(real, *[31] * 10)
    assert order.state is S.UNCERTAIN
    assert real.desk.orders.pending("alpha", "ACME") == 10


async def test_incident_4_a_locked_database_sends_nothing(real: Stage, monkeypatch) -> None:
    async def locked(*_: object, **__: object) -> None:
        raise OSError("database is locked")

    monkeypatch.setattr("core.store.orders.insert_order", locked)
    with pytest.raises(OSError, match="locked"):
        await real.submit(10)
    assert (real.broker.count("place"), real.desk.orders.open_orders) == (0, ())


async def test_incident_5_fifty_in_rapid_succession_are_fifty(real: Stage) -> None:
    approved = [real.approve(1) for _ in range(50)]
    await asyncio.gather(*(real.desk.orders.submit(each) for each in approved))
    await real.tick(100)
    assert (real.held("alpha"), len(await real.fills())) == (50, 50)
    await real.crash_and_restart()
    assert real.held("alpha") == 50
    await real.check()


async def test_incident_6_not_found_for_ten_seconds_after_it_was_placed(real: Stage) -> None:
    real.broker.bend_open, real.broker.hide = (lambda _: ()), []
    real.broker.plan("place", "lost")
    order = await real.submit(10)
    await look(real, 2, 2, 4)
    await real.desk.reconcile()
    real.broker.bend_open, real.broker.hide = (lambda reports: reports), None
    assert order.state is S.UNCERTAIN
    await look(real, 15)
    assert order.state is S.WORKING


async def test_incident_7_37_several_fills_after_the_cancel_are_booked_and_told(real: Stage) -> None:
    order = await real.submit(10, limit=90)
    report = await real.paper.find_order(order.id)
    fill = await a_fill(real, order, "late-1", 4)
    await real.desk.orders.cancel(order.id, "test")
    await hear(real, report, fill, replace(fill, fill_id="late-2", quantity=dec(3)), state=V.CANCELLED)
    assert (order.state, order.filled, real.held("alpha")) == (S.CANCELLED, 7, 7)
    assert await real.told("late-fill") == ["Filled after the end: buy 10 ACME"]
    await hear(real, report, replace(fill, fill_id="late-3", quantity=dec(3)), state=V.FILLED)
    assert real.held("alpha") == 10


async def test_incident_8_a_cancel_that_was_not_one_is_found_out_in_ten_seconds(real: Stage) -> None:
    order = await real.submit(10, limit=90)
    real.broker.plan("cancel", "lie")
    assert await real.desk.orders.cancel(order.id, "test") is S.CANCELLED
    await look(real, 2, 2, 2, 2, 2)
    assert await real.paper.get_open_orders() == ()
    assert "Still open at the venue: buy 10 ACME" in await real.told("order")


async def test_incident_19_half_an_hour_without_a_line_while_orders_fill(real: Stage) -> None:
    working = await real.submit(10, limit=99)
    real.broker.plan("place", "lost")
    doubtful = await real.submit(5, limit=99)
    await real.deafen()
    for call in ("find", "open", "closed", "fills", "account"):
        real.broker.plan(call, *["down"] * 400)
    for _ in range(60):
        await look(real, 30)
        with pytest.raises(Unavailable):
            await real.desk.reconcile()
    await real.tick(98)
    assert (working.state, doubtful.state) == (S.WORKING, S.UNCERTAIN)
    real.broker.forgive()
    real.listen()
    await asyncio.sleep(0.05)
    await real.desk.reconcile()
    assert (working.state, doubtful.state, real.held("alpha")) == (S.FILLED, S.FILLED, 15)
    await real.check()


async def test_incident_20_six_lost_answers_are_six_orders_that_count(real: Stage) -> None:
    real.broker.bend = drop
    real.broker.plan("place", *["lost"] * 6)
    orders = [await real.submit(1, limit=90) for _ in range(6)]
    assert real.desk.orders.pending("alpha", "ACME") == 6
    await real.tick(89)
    await look(real, 2)
    assert {order.state for order in orders} == {S.FILLED}
    assert (real.held("alpha"), len(await real.fills())) == (6, 6)
    await real.check()


@pytest.mark.parametrize("price", [None, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal(0)])
async def test_incident_25_a_limit_without_a_price_is_no_market_order(real: Stage, price: Decimal | None) -> None:
    intent = replace(real.intent(10, limit=90), limit_price=price)
    verdict = real.desk.gate.review(intent, real.desk.view())
    assert isinstance(verdict, Denied)
    assert (real.broker.count("place"), await real.orders()) == (0, [])


async def test_incident_26_fifty_open_orders_are_remembered(real: Stage) -> None:
    for _ in range(50):
        await real.submit(1, limit=90)
    await real.crash_and_restart()
    assert len(real.desk.orders.open_orders) == 50
    assert len(real.desk.orders.submissions) == 50
    await real.tick(89)
    assert real.held("alpha") == 50
    await real.check()


async def test_incident_27_a_restart_in_the_middle_of_a_fill_replays_nothing(real: Stage) -> None:
    await real.submit(10, limit=100)
    await real.tick(99, volume=dec(4))
    assert real.held("alpha") == 4
    await real.crash_and_restart()
    assert (real.held("alpha"), len(await real.fills())) == (4, 1)
    await real.tick(99)
    assert (real.held("alpha"), len(await real.fills())) == (10, 2)
    await real.check()


async def test_incident_28_a_fill_that_is_asked_for_and_then_told_counts_once(real: Stage) -> None:
    """A query tells FILLED without executions; nothing is invented for them, and the stream then brings them."""
    held: list[OrderReport] = []
    real.broker.bend = lambda report: held.append(report) or []
    order = await real.submit(10)
    await real.tick(100)
    told = await real.paper.find_order(order.id)
    await hear(real, told)
    await real.desk.orders.apply(replace(told, fills=()))
    assert (order.state, real.held("alpha")) == (S.PARTIALLY_FILLED, 0)
    for report in [*held, *held]:
        await real.desk.orders.apply(report)
    await real.desk.reconcile()
    assert (order.state, real.held("alpha"), len(await real.fills())) == (S.FILLED, 10, 1)
    await real.check()


async def test_incident_30_ten_restarts_find_the_same(real: Stage) -> None:
    await real.submit(10)
    real.broker.plan("place", "lost")
    await real.submit(5, limit=90)
    await real.tick(100)
    await real.desk.reconcile()
    before = (dict(real.desk.portfolio.balances), len(await real.fills()))
    drift_ids = set()
    for _ in range(10):
        await real.crash_and_restart()
        drift_ids.update(each.id for each in await real.desk.reconcile())
        assert (dict(real.desk.portfolio.balances), len(await real.fills())) == before
    assert drift_ids == set()
    (order,) = real.desk.orders.open_orders
    assert order.state is S.WORKING


@pytest.mark.parametrize("call", ["open", "account", "fills"])
async def test_incident_31_a_query_that_times_out_is_not_an_empty_list(real: Stage, call: str) -> None:
    order = await real.submit(10, limit=90)
    await real.submit(5)
    await real.tick(100)
    for _ in range(5):
        real.broker.plan(call, "down")
        with pytest.raises(Unavailable):
            await real.desk.reconcile()
        real.wall.advance(60)
    assert (order.state, real.held("alpha"), real.desk.reconciled) == (S.WORKING, 5, False)


async def test_incident_32_a_change_during_a_disconnect_is_still_one_order(real: Stage) -> None:
    order = await real.submit(10, limit=90)
    real.broker.plan("modify", "lost")
    with pytest.raises(Uncertain):
        await real.desk.orders.modify(order.id, quantity=dec(6), reason="test")
    with pytest.raises(Rejected):
        await real.desk.orders.modify(order.id, quantity=dec(6), reason="again")
    await real.deafen()
    real.listen()
    await asyncio.sleep(0.05)
    await real.desk.reconcile()
    assert (order.state, order.request.quantity) == (S.WORKING, 6)
    assert (real.broker.count("place"), real.broker.count("modify")) == (1, 1)
    assert len(await real.paper.get_open_orders()) == 1


async def test_incident_34_executions_that_were_dropped_are_asked_for(real: Stage) -> None:
    real.broker.bend = drop
    order = await real.submit(10)
    await real.tick(100, volume=dec(4))
    await real.tick(100)
    assert real.held("alpha") == 0
    await real.desk.reconcile()
    assert (order.state, real.held("alpha"), real.held(EXTERNAL)) == (S.FILLED, 10, 0)
    await real.check()


async def test_incident_35_ids_that_a_venue_hands_out_again_mix_up_nothing(real: Stage) -> None:
    """After a gateway's restart a new order has the number of an old one; ours are told apart by our own ids."""
    first = await real.submit(10)
    await real.tick(100)
    second = await real.submit(5, limit=90)
    number = first.venue_order_id
    report = await real.paper.find_order(second.id)
    await hear(real, report, venue_order_id=number)
    fill = await a_fill(real, second, "again", 2, venue_order_id=number)
    await hear(real, report, fill, venue_order_id=number, state=V.PARTIALLY_FILLED)
    assert (first.filled, second.filled, real.held("alpha")) == (10, 2, 12)


async def test_incident_36_a_warning_is_not_the_end_of_an_order(real: Stage) -> None:
    """The venue says "cancelled" with a code that was only a notice; then it fills."""
    order = await real.submit(10, limit=101)
    report = await real.paper.find_order(order.id)
    await hear(real, report, state=V.CANCELLED, reason="10349: time in force was set to DAY")
    assert order.state is S.CANCELLED
    await look(real, 3)
    assert real.desk.orders.open_orders or await real.paper.get_open_orders() == ()
    await real.tick(100)
    await real.desk.reconcile()
    assert await real.desk.reconcile() == []
    held = (await real.paper.get_position("ACME")).quantity
    assert real.held("alpha") == held
    await real.check()


async def test_incident_36_a_late_fill_after_such_a_cancel_is_ours(real: Stage) -> None:
    real.broker.bend = drop
    order = await real.submit(10, limit=101)
    report = await real.paper.find_order(order.id)
    await hear(real, report, state=V.CANCELLED, reason="10349")
    await real.tick(100)
    await real.desk.reconcile()
    assert (real.held("alpha"), real.held(EXTERNAL)) == (10, 0)
    assert await real.told("late-fill") == ["Filled after the end: buy 10 ACME"]
    await real.check()


async def test_incident_42_stream_and_query_at_once_are_one_writer(real: Stage) -> None:
    await real.submit(10)
    await asyncio.gather(real.tick(100), *(real.desk.reconcile() for _ in range(3)), real.desk.look_after_orders())
    assert (real.held("alpha"), len(await real.fills())) == (10, 1)
    await real.check()


async def test_incident_42_two_rounds_at_once_order_once(real: Stage) -> None:
    real.strategies.want("alpha", 1.0)
    await asyncio.gather(real.bar(), real.bar(), real.bar())
    assert real.broker.count("place") == 1


async def test_incident_44_an_order_is_executed_once_however_often_it_is_told(real: Stage) -> None:
    real.broker.bend = lambda report: [report, report, report]
    order = await real.submit(10)
    await real.tick(100)
    with pytest.raises(Rejected, match="DUPLICATE_ORDER"):
        await real.paper.place_order(order.request)
    assert (real.held("alpha"), len(await real.fills())) == (10, 1)
    await real.check()


async def test_incident_52_a_cancel_that_meets_its_fill_leaves_a_number_to_sell(real: Stage) -> None:
    real.broker.bend = drop
    order = await real.submit(10, limit=101)
    await real.tick(100)
    assert await real.desk.orders.cancel(order.id, "test") is S.FILLED
    real.broker.bend = lambda report: [report]
    closing = real.desk.closing()["ACME"]["alpha"]
    assert (closing, closing.is_finite()) == (-10, True)
    await real.submit(closing, reduce_only=True)
    await real.tick(100)
    assert real.held("alpha") == 0
    assert real.desk.closing() == {}
