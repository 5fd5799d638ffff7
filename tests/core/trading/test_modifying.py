"""Changing a working order: refused, lost, overtaken by a fill; and never a second order."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from brokers.errors import OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, OrderType
from core.events import OrderChanged
from core.trading.states import OrderState
from core.trading.terms import Terms
from tests.core.trading.stage import Stage, dec

S = OrderState


async def change(stage: Stage, order: object, **terms: object) -> OrderState:
    values = {name: dec(value) for name, value in terms.items()}
    return await stage.desk.orders.modify(order.id, reason="test", **values)  # type: ignore[attr-defined]


async def test_a_change_is_stored_and_every_share_follows(stage: Stage) -> None:
    order = await stage.submit(10, limit=90, parts={"alpha": dec(7), "beta": dec(3)})
    heard: list[OrderChanged] = []

    async def hear(event: OrderChanged) -> None:
        heard.append(event)

    stage.events.subscribe(OrderChanged, hear)
    assert await change(stage, order, quantity=5, limit_price=89) is S.WORKING
    assert (order.terms, sum(order.parts.values())) == (Terms(dec(5), dec(89)), 5)
    (row,) = await stage.orders()
    assert (row.quantity, row.limit_price, row.wanted) == (5, 89, "")
    assert {event.state for event in heard} >= {"modifying", "working"}
    await stage.tick(88)
    assert stage.held("alpha") + stage.held("beta") == 5
    assert stage.broker.count("place") == 1
    await stage.check()


async def test_what_was_approved_cannot_become_more_by_a_change(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    for terms in ({"quantity": 11}, {"limit_price": 91}):
        with pytest.raises(Rejected, match="NEEDS_APPROVAL"):
            await change(stage, order, **terms)
    assert stage.broker.count("modify") == 0


async def test_a_reducing_order_may_follow_the_position(stage: Stage) -> None:
    await stage.submit(20)
    await stage.tick(100)
    stop = await stage.submit(-10, type=OrderType.STOP, stop_price=dec(90), reduce_only=True, limit=None)
    assert await change(stage, stop, quantity=20, stop_price=95) is S.WORKING
    assert stop.terms == Terms(dec(20), None, dec(95))


@pytest.mark.parametrize("price", [Decimal("NaN"), Decimal("Infinity"), Decimal(0), Decimal(-1), 90.5])
async def test_a_price_that_is_none_changes_nothing_incident_25(stage: Stage, price: object) -> None:
    order = await stage.submit(10, limit=90)
    with pytest.raises(Rejected, match="BAD_CHANGE"):
        await stage.desk.orders.modify(order.id, limit_price=price, reason="test")
    assert (order.state, order.request.type, stage.broker.count("modify")) == (S.WORKING, OrderType.LIMIT, 0)


async def test_a_refused_change_leaves_the_order_as_it_was(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    stage.broker.plan("modify", "no")
    with pytest.raises(Rejected):
        await change(stage, order, quantity=5)
    assert (order.state, order.terms, order.wanted) == (S.WORKING, Terms(dec(10), dec(90)), None)


async def test_a_change_that_did_not_leave_changes_nothing(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    stage.broker.plan("modify", "down")
    with pytest.raises(Unavailable):
        await change(stage, order, quantity=5)
    assert (order.state, order.remaining) == (S.WORKING, 10)


async def test_a_refusal_because_it_has_filled_meanwhile_is_a_fill(stage: Stage) -> None:
    stage.broker.bend = lambda _: []
    order = await stage.submit(10, limit=101)
    await stage.tick(100)
    with pytest.raises(Rejected, match="ORDER_CLOSED"):
        await change(stage, order, limit_price=100)
    assert (order.state, order.filled, order.wanted) == (S.FILLED, 10, None)
    await stage.check()


@pytest.mark.parametrize(("fault", "quantity"), [("lost", 5), ("never", 10)])
async def test_a_lost_change_is_asked_for_and_never_sent_again_incident_32(build, fault: str, quantity: int) -> None:
    stage = await build(simulated=False)
    await stage.start()
    await stage.tick(100)
    stage.broker.bend = lambda _: []
    order = await stage.submit(10, limit=90)
    stage.broker.plan("modify", fault)
    with pytest.raises(Uncertain):
        await change(stage, order, quantity=5)
    assert (order.state, order.remaining) == (S.MODIFYING, 10)
    with pytest.raises(Rejected, match="NOT_WORKING"):
        await change(stage, order, quantity=4)
    await stage.crash_and_restart()
    for _ in range(4):
        await stage.desk.reconcile()
        stage.wall.advance(25)
    (order,) = stage.desk.orders.open_orders
    assert (order.state, order.request.quantity, order.wanted) == (S.WORKING, quantity, None)
    assert (stage.broker.count("place"), len(await stage.paper.get_open_orders())) == (0, 1)


async def test_while_a_larger_change_is_open_the_larger_size_counts(stage: Stage) -> None:
    await stage.submit(20)
    await stage.tick(100)
    stop = await stage.submit(-10, type=OrderType.STOP, stop_price=dec(90), reduce_only=True)
    stage.broker.plan("modify", "hang")
    changing = asyncio.create_task(change(stage, stop, quantity=20))
    while not stage.broker.count("modify"):
        await asyncio.sleep(0.001)
    (working,) = stage.desk.view().working
    assert working.remaining == 20
    await stage.desk.reconcile()  # it is being changed at this moment: the old terms prove nothing
    assert stop.state is S.MODIFYING
    stage.broker.gate.set()
    assert await changing is S.WORKING


async def test_a_fill_while_a_change_is_open_counts_once(stage: Stage) -> None:
    order = await stage.submit(10, limit=100)
    stage.broker.plan("modify", "hang")
    changing = asyncio.create_task(change(stage, order, quantity=6))
    while not stage.broker.count("modify"):
        await asyncio.sleep(0.001)
    await stage.tick(99, volume=dec(4))
    assert (order.state, order.filled) == (S.MODIFYING, 4)
    stage.broker.gate.set()
    assert await changing is S.PARTIALLY_FILLED
    await stage.tick(99)
    assert (order.state, stage.held("alpha")) == (S.FILLED, 6)
    await stage.check()


async def test_a_cancel_may_overtake_a_change(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    stage.broker.plan("modify", "lost")
    with pytest.raises(Uncertain):
        await change(stage, order, quantity=5)
    assert await stage.desk.orders.cancel(order.id, "test") is S.CANCELLED
    assert order.wanted is None


async def test_a_change_at_the_venue_by_a_person_is_believed_and_told(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    stage.broker.bend = lambda _: []
    await stage.paper.modify_order(order.id, quantity=dec(4))
    await stage.desk.reconcile()
    assert order.request.quantity == 4
    assert "Changed at the venue: buy 10 ACME" in await stage.told("order")


async def test_an_order_that_is_not_there_cannot_be_changed(stage: Stage) -> None:
    with pytest.raises(OrderNotFound):
        await stage.desk.orders.modify(ClientOrderId("nobody"), quantity=dec(1), reason="test")


async def test_of_two_changes_at_once_one_is_sent(stage: Stage) -> None:
    order = await stage.submit(10, limit=90)
    done = await asyncio.gather(
        change(stage, order, quantity=5), change(stage, order, quantity=4), return_exceptions=True
    )
    assert (stage.broker.count("modify"), sum(isinstance(each, Rejected) for each in done)) == (1, 1)


@pytest.mark.parametrize("fills", [False, True])
async def test_a_change_that_the_stream_has_told_before_its_answer_was_lost_is_made(stage: Stage, fills: bool) -> None:
    """It is no doubt any more, or the order would be in doubt for ever: nobody would ask what is known."""
    order = await stage.submit(10, limit=90)
    stage.broker.plan("modify", "lost")
    whole = stage.broker.modify_order

    async def told_meanwhile(order_id: ClientOrderId, **terms: Decimal | None) -> object:
        try:
            return await whole(order_id, **terms)
        except Uncertain:
            if fills:
                await stage.tick(80)
            report = await stage.broker.find_order(order_id)
            assert report is not None
            await stage.desk.orders.apply(report)
            raise

    stage.broker.modify_order = told_meanwhile  # type: ignore[method-assign]
    assert await change(stage, order, quantity=5) is (S.FILLED if fills else S.WORKING)
    assert (order.terms, order.wanted) == (Terms(dec(5), dec(90)), None)
    await stage.check()
