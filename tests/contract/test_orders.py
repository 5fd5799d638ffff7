"""Placing, finding, cancelling and changing orders."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import NotSupported, OrderNotFound, Rejected
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from tests.contract.harness import Account

PRICES: dict[OrderType, dict[str, Any]] = {
    OrderType.MARKET: {},
    OrderType.LIMIT: {"limit": -50},
    OrderType.STOP: {"stop": 50},
    OrderType.STOP_LIMIT: {"stop": 50, "limit": 60},
    OrderType.TAKE_PROFIT: {"stop": -50},
    OrderType.TAKE_PROFIT_LIMIT: {"stop": -50, "limit": -40},
    OrderType.TRAILING_STOP: {},
}
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def assert_exact(value: Any) -> None:
    """No float anywhere, and every time has a zone."""
    assert not isinstance(value, float)
    if is_dataclass(value):
        for field in fields(value):
            assert_exact(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            assert_exact(item)
    elif hasattr(value, "tzinfo"):
        assert value.tzinfo is not None


async def refused(account: Account, code: str, order: OrderRequest) -> None:
    with pytest.raises(Rejected) as caught:
        await account.broker.place_order(order)
    assert caught.value.code == code
    assert caught.value.reason
    assert await account.broker.find_order(order.client_order_id) is None


async def test_an_accepted_order_is_reported_as_it_was_asked(account: Account) -> None:
    order = account.order(limit=-50, lots=2)
    report = await account.broker.place_order(order)
    assert report.client_order_id == order.client_order_id
    assert (report.symbol, report.side, report.type) == (order.instrument.symbol, Side.BUY, OrderType.LIMIT)
    assert (report.quantity, report.limit_price) == (order.quantity, order.limit_price)
    assert (report.state, report.filled, report.fills) == (VenueOrderState.WORKING, 0, ())
    assert report.venue_order_id
    assert_exact(report)


@pytest.mark.parametrize("kind", OrderType)
@pytest.mark.parametrize("tif", TimeInForce)
async def test_declared_types_are_accepted_and_others_not_supported(
    account: Account, kind: OrderType, tif: TimeInForce
) -> None:
    expires_at = LATER if tif is TimeInForce.GTD else None
    prices = PRICES[kind] | (account.harness.trail if kind.is_trailing else {})
    order = account.order(tif=tif, kind=kind, expires_at=expires_at, **prices)
    can = account.broker.capabilities
    is_possible = (kind, tif) not in account.harness.refuses
    if kind in can.order_types and tif in can.times_in_force and is_possible:
        try:
            await account.broker.place_order(order)
        except Rejected as refused:  # all or nothing at once: a venue may refuse what it cannot fill
            if (refused.code, kind, tif) != ("NOT_FILLABLE", OrderType.LIMIT, TimeInForce.FOK):
                raise
            return
        found = await account.find(order.client_order_id)
        assert (found.type, found.time_in_force) == (kind, tif)
        assert found.limit_price == order.limit_price
        if not kind.is_trailing:
            assert found.stop_price == order.stop_price
        assert (found.trail, found.trail_percent) == (order.trail, order.trail_percent)
        assert found.expires_at == expires_at
    else:
        with pytest.raises(NotSupported):
            await account.broker.place_order(order)
        assert await account.broker.find_order(order.client_order_id) is None


async def test_a_market_order_fills_and_is_found_with_its_fills(account: Account) -> None:
    found = await account.filled(lots=2)
    assert found.state is VenueOrderState.FILLED
    assert sum(fill.quantity for fill in found.fills) == found.filled == found.quantity == account.lot * 2
    assert found.remaining == 0
    assert {fill.client_order_id for fill in found.fills} == {found.client_order_id}
    assert {(fill.symbol, fill.side) for fill in found.fills} == {(found.symbol, found.side)}
    assert_exact(found)


async def test_fill_ids_are_unique(account: Account) -> None:
    reports = [await account.filled(oid=f"fill{n}") for n in range(3)]
    ids = [fill.fill_id for report in reports for fill in report.fills]
    assert len(set(ids)) == len(ids) >= 3


async def test_a_limit_order_rests_until_the_market_comes_and_fills_no_worse(account: Account) -> None:
    order = await account.place(limit=-50)
    await account.harness.move(account.ticks(-30))
    assert (await account.find(order.client_order_id)).filled == 0
    await account.harness.move(account.ticks(-60))
    found = await account.find(order.client_order_id)
    assert found.state is VenueOrderState.FILLED
    assert all(fill.price <= account.ticks(-50) for fill in found.fills)


async def test_a_stop_waits_for_its_price(account: Account) -> None:
    if OrderType.STOP not in account.broker.capabilities.order_types:
        pytest.skip("no stop orders")
    order = await account.place(stop=50)
    await account.harness.move(account.ticks(40))
    assert (await account.find(order.client_order_id)).filled == 0
    await account.harness.move(account.ticks(60))
    assert (await account.find(order.client_order_id)).state is VenueOrderState.FILLED


async def test_open_orders_are_listed_until_they_are_over(account: Account) -> None:
    assert list(await account.broker.get_open_orders()) == []
    first, second = await account.place(limit=-50), await account.place(limit=-51)
    listed = await account.broker.get_open_orders()
    assert {report.client_order_id for report in listed} == {first.client_order_id, second.client_order_id}
    await account.broker.cancel_order(first.client_order_id)
    listed = await account.broker.get_open_orders()
    assert [report.client_order_id for report in listed] == [second.client_order_id]
    assert_exact(list(listed))


async def test_a_cancelled_order_stays_known_and_never_fills(account: Account) -> None:
    order = await account.place(limit=-50)
    report = await account.broker.cancel_order(order.client_order_id)
    assert report.state is VenueOrderState.CANCELLED
    await account.harness.move(account.ticks(-80))
    found = await account.find(order.client_order_id)
    assert (found.state, found.filled, found.remaining) == (VenueOrderState.CANCELLED, 0, 0)


async def test_an_unknown_order_is_none_or_not_found(account: Account) -> None:
    nobody = ClientOrderId("nobody")
    assert await account.broker.find_order(nobody) is None
    with pytest.raises(OrderNotFound):
        await account.broker.cancel_order(nobody)
    if account.broker.capabilities.modify:
        with pytest.raises(OrderNotFound):
            await account.broker.modify_order(nobody, quantity=account.lot)


@pytest.mark.parametrize("ending", ["filled", "cancelled"])
async def test_a_closed_order_is_closed(account: Account, ending: str) -> None:
    if ending == "filled":
        order = await account.filled()
    else:
        order = await account.place(limit=-50)
        await account.broker.cancel_order(order.client_order_id)
    before = await account.find(order.client_order_id)
    with pytest.raises(Rejected) as caught:
        await account.broker.cancel_order(order.client_order_id)
    assert caught.value.code == "ORDER_CLOSED"
    if account.broker.capabilities.modify:
        with pytest.raises(Rejected) as caught:
            await account.broker.modify_order(order.client_order_id, quantity=account.lot * 3)
        assert caught.value.code == "ORDER_CLOSED"
    assert await account.find(order.client_order_id) == before


@pytest.mark.parametrize("ending", ["open", "filled", "cancelled"])
async def test_a_client_order_id_is_taken_for_ever(account: Account, ending: str) -> None:
    if ending == "filled":
        first = await account.filled(oid="same")
    else:
        first = await account.place(oid="same", limit=-50)
    if ending == "cancelled":
        await account.broker.cancel_order(first.client_order_id)
    before = await account.find("same")
    with pytest.raises(Rejected) as caught:
        await account.place(oid="same", limit=-50, lots=2)
    assert caught.value.code == "DUPLICATE_ORDER"
    assert await account.find("same") == before


async def test_orders_off_the_rules_are_refused_by_their_code(account: Account) -> None:
    instrument = account.harness.instrument
    odd = account.lot + instrument.lot / 2
    await refused(account, "LOT_SIZE", account.order(quantity=odd))
    off_tick = account.ticks(-50) + instrument.tick / 2
    await refused(account, "PRICE_FILTER", replace(account.order(limit=-50), limit_price=off_tick))
    if instrument.min_notional > 0:
        cheap = replace(account.order(limit=-50, quantity=instrument.lot), limit_price=instrument.tick)
        await refused(account, "MIN_NOTIONAL", cheap)
    broke = instrument.floor_quantity(account.harness.cash / account.harness.price * 1000)
    await refused(account, "INSUFFICIENT_FUNDS", account.order(limit=0, quantity=broke))
    unknown = Instrument("NOPE-NOPE", instrument.currency)
    await refused(account, "UNKNOWN_SYMBOL", account.order(instrument=unknown, quantity=Decimal(100)))


async def test_a_working_order_can_be_changed(account: Account) -> None:
    order = await account.place(limit=-50)
    if not account.broker.capabilities.modify:
        with pytest.raises(NotSupported):
            await account.broker.modify_order(order.client_order_id, quantity=account.lot * 2)
        return
    report = await account.broker.modify_order(order.client_order_id, quantity=account.lot * 2)
    assert (report.quantity, report.limit_price) == (account.lot * 2, account.ticks(-50))
    report = await account.broker.modify_order(order.client_order_id, limit_price=account.ticks(-40))
    assert (report.quantity, report.limit_price, report.state.is_open) == (
        account.lot * 2,
        account.ticks(-40),
        True,
    )
    assert await account.find(order.client_order_id) == replace(
        report, reason=(await account.find(order.client_order_id)).reason
    )
    await account.harness.move(account.ticks(-45))
    assert (await account.find(order.client_order_id)).filled == account.lot * 2


async def test_a_trigger_can_be_moved(account: Account) -> None:
    can = account.broker.capabilities
    if not can.modify or OrderType.STOP not in can.order_types:
        pytest.skip("no stop orders to change")
    order = await account.place(stop=50)
    if account.harness.changes is not None and OrderType.STOP not in account.harness.changes:
        with pytest.raises(NotSupported):
            await account.broker.modify_order(order.client_order_id, stop_price=account.ticks(80))
        assert (await account.find(order.client_order_id)).stop_price == account.ticks(50)
        return
    report = await account.broker.modify_order(order.client_order_id, stop_price=account.ticks(80))
    assert (report.stop_price, report.quantity, report.state.is_open) == (account.ticks(80), order.quantity, True)
    await account.harness.move(account.ticks(60))
    assert (await account.find(order.client_order_id)).filled == 0
    limit = await account.place(limit=-50)
    with pytest.raises(Rejected):
        await account.broker.modify_order(limit.client_order_id, stop_price=account.ticks(80))


async def test_orders_of_one_group_cancel_each_other_where_that_is_declared(account: Account) -> None:
    if not account.broker.capabilities.oco or OrderType.STOP not in account.broker.capabilities.order_types:
        pytest.skip("no groups")
    held = await account.filled(lots=2)
    profit = await account.place(Side.SELL, lots=2, limit=50, oco_group="exit")
    stop = await account.place(Side.SELL, lots=2, stop=-50, oco_group="exit")
    assert stop.oco_group == "exit"
    await account.harness.move(account.ticks(60))
    await account.harness.move(account.ticks(70))
    assert (await account.find(profit.client_order_id)).filled == held.quantity
    assert (await account.find(stop.client_order_id)).state is VenueOrderState.CANCELLED
    assert (await account.broker.get_position(held.symbol)).quantity == 0


async def test_shorting_is_possible_exactly_when_declared(account: Account) -> None:
    if account.broker.capabilities.shorting:
        found = await account.filled(Side.SELL)
        assert (await account.broker.get_position(found.symbol)).quantity == -found.quantity
    else:
        with pytest.raises(Rejected):
            await account.place(Side.SELL)


async def test_a_reduce_only_order_never_opens(account: Account) -> None:
    if not account.broker.capabilities.reduce_only:
        with pytest.raises(NotSupported):
            await account.place(reduce_only=True)
        return
    with pytest.raises(Rejected) as caught:
        await account.place(Side.SELL, reduce_only=True)
    assert caught.value.code == "REDUCE_ONLY"
    held = await account.filled(lots=2)
    await account.filled(Side.SELL, lots=5, reduce_only=True, oid="reduce")
    assert (await account.find("reduce")).filled == held.quantity
    assert (await account.broker.get_position(held.symbol)).quantity == 0


async def test_a_post_only_order_never_takes(account: Account) -> None:
    if not account.broker.capabilities.post_only:
        with pytest.raises(NotSupported):
            await account.place(limit=-50, post_only=True)
        return
    with pytest.raises(Rejected) as caught:
        await account.place(limit=50, post_only=True)
    assert caught.value.code == "POST_ONLY_WOULD_TAKE"
    assert (await account.place(limit=-50, post_only=True)).state.is_open
