"""What the simulated venue refuses, and with which code."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import NotSupported, OrderNotFound, Rejected
from brokers.instrument import Instrument
from brokers.order import OrderType, TimeInForce, VenueOrderState
from brokers.simulation.fees import Fees
from brokers.simulation.margin import Margin, MarginRule
from tests.brokers.rig import COIN, FOREIGN, OTHER, Rig, request


def refused(code: str, rig: Rig, quantity: object, **more: Any) -> str:
    """Place an order that is refused with `code`; nothing may have changed. The reason."""
    before = replace(rig.venue.state)
    with pytest.raises(Rejected) as caught:
        rig.place(quantity, **more)
    assert caught.value.code == code
    assert rig.venue.state == before
    return caught.value.reason


def test_an_unknown_instrument_is_refused(rig: Rig) -> None:
    assert "'NOPE'" in refused("UNKNOWN_SYMBOL", rig, 1, instrument=Instrument("NOPE", "USD"))


def test_the_venues_own_rules_hold_whatever_the_order_believes(rig: Rig) -> None:
    refused("PRICE_FILTER", rig, 1, instrument=Instrument("ACME", "USD", tick=Decimal("0.001")), limit="99.001")


def test_another_currency_is_refused(rig: Rig) -> None:
    refused("CURRENCY_MISMATCH", rig, 1, instrument=FOREIGN)


@pytest.mark.parametrize("quantity", ["1.5", "0.5"])
def test_a_quantity_off_the_lot_is_refused(rig: Rig, quantity: str) -> None:
    refused("LOT_SIZE", rig, quantity)


def test_a_quantity_below_the_minimum_is_refused(rig: Rig) -> None:
    rig.tick("50000.00", "50000.01", symbol="BTC")
    refused("LOT_SIZE", rig, "0.00009", instrument=COIN)


@pytest.mark.parametrize("prices", [{"limit": "99.001"}, {"stop": "99.001"}, {"limit": 99, "stop": "1.005"}])
def test_a_price_off_the_tick_is_refused(rig: Rig, prices: dict[str, Any]) -> None:
    refused("PRICE_FILTER", rig, 1, **prices)


def test_an_order_worth_too_little_is_refused(rig: Rig) -> None:
    refused("MIN_NOTIONAL", rig, 1, limit="9.99")


def test_a_reduce_only_order_may_be_worth_little(rig: Rig) -> None:
    rig.hold(1)
    rig.place(-1, limit="9.99", reduce_only=True)


def test_a_market_order_before_the_first_tick_is_refused() -> None:
    refused("NO_PRICE", Rig(), 1)


def test_types_and_times_not_offered_are_not_supported() -> None:
    rig = Rig(order_types=frozenset({OrderType.LIMIT}), times_in_force=frozenset({TimeInForce.GTC}))
    for more in ({"tif": "gtc"}, {"limit": 99, "tif": "day"}):
        with pytest.raises(NotSupported):
            rig.place(1, **more)
    rig.place(1, limit=99, tif="gtc")


@pytest.mark.parametrize("more", [{}, {"stop": 101}, {"limit": 99, "tif": "ioc"}, {"limit": 99, "tif": "fok"}])
def test_only_a_resting_limit_order_can_be_post_only(rig: Rig, more: dict[str, Any]) -> None:
    refused("INVALID_ORDER", rig, 1, post_only=True, **more)


def test_a_post_only_order_that_meets_the_market_is_refused(rig: Rig) -> None:
    refused("POST_ONLY_WOULD_TAKE", rig, 1, limit="100.01", post_only=True)
    rig.place(1, limit="100.00", post_only=True)


def test_a_client_order_id_is_good_once_for_ever(rig: Rig) -> None:
    rig.place(1, oid="same")
    refused("DUPLICATE_ORDER", rig, 1, oid="same")
    rig.tick("99.99", "100.01")
    refused("DUPLICATE_ORDER", rig, 1, oid="same")


def test_the_id_of_a_refused_order_may_be_used_again(rig: Rig) -> None:
    refused("LOT_SIZE", rig, "0.5", oid="same")
    rig.place(1, oid="same")


def test_more_than_the_cash_is_refused(rig: Rig) -> None:
    reason = refused("INSUFFICIENT_FUNDS", rig, 1001, limit="100.00")
    assert reason == "needs 100100.00, has 100000"
    rig.place(1000, limit="100.00")


def test_working_buys_lock_cash_and_cancelling_frees_it(rig: Rig) -> None:
    rig.place(600, limit="100.00")
    assert rig.free == 40_000
    refused("INSUFFICIENT_FUNDS", rig, 401, limit="100.00")
    rig.cancel()
    assert rig.free == 100_000
    rig.place(1000, limit="100.00")


def test_fees_count_in_buying_power() -> None:
    rig = Rig(fees=Fees(taker=Decimal("0.001"), maker=Decimal("0.0005")))
    refused("INSUFFICIENT_FUNDS", rig, 1000, limit="100.00")
    rig.place(999, limit="100.00")


def test_an_account_without_shorting_sells_only_what_it_holds(rig: Rig) -> None:
    refused("INSUFFICIENT_POSITION", rig, -1)
    rig.hold(10)
    rig.place(-6, limit="110.00")
    assert "free to sell is 4" in refused("INSUFFICIENT_POSITION", rig, -5)
    rig.place(-4)


def test_a_short_account_may_sell_up_to_its_equity() -> None:
    rig = Rig(shorting=True)
    rig.tick("100.00", "100.02")
    refused("INSUFFICIENT_FUNDS", rig, -1001)
    rig.place(-1000)
    rig.tick("100.00", "100.02")
    assert rig.position() == -1000


def test_leverage_multiplies_buying_power() -> None:
    rig = Rig(leverage=Decimal(3), shorting=True)
    rig.tick("99.99", "100.00", 100)
    refused("INSUFFICIENT_FUNDS", rig, 3001)
    rig.place(3000)
    rig.tick("99.99", "100.00", 100)
    assert rig.cash == -200_000
    refused("INSUFFICIENT_FUNDS", rig, 1)


def test_an_order_that_only_closes_passes_without_buying_power() -> None:
    lenient = Margin(MarginRule(maintenance=Decimal(0)))
    rig = Rig(leverage=Decimal(3), shorting=True, margin=lenient)
    rig.tick("99.99", "100.00", 100)
    rig.place(3000)
    rig.tick("99.99", "100.00", 100)
    rig.tick("70.00", "70.01")
    refused("INSUFFICIENT_FUNDS", rig, 1)
    rig.place(-3000)
    rig.tick("60.00", "60.01")
    assert (rig.position(), rig.cash) == (0, -20_000)


def test_a_take_profit_far_away_and_a_stop_use_no_buying_power() -> None:
    rig = Rig(shorting=True)
    rig.hold(990)
    rig.place(-990, limit="500.00")
    refused("INSUFFICIENT_FUNDS", rig, -1200, stop="90.00")


def test_reduce_only_orders_use_no_buying_power() -> None:
    rig = Rig(shorting=True)
    rig.hold(300)
    rig.tick("50.00", "50.02", symbol="OTHR")
    for _ in range(5):
        rig.place(-300, limit="200.00", reduce_only=True)
    rig.place(1, instrument=OTHER)


def test_only_the_part_of_a_flip_that_opens_uses_buying_power() -> None:
    rig = Rig(shorting=True)
    rig.hold(-900)
    refused("INSUFFICIENT_FUNDS", rig, 2000, limit="100.00")
    rig.place(1800, limit="100.00")
    rig.tick("98.00", "98.02", 100)
    assert rig.position() == 900


@pytest.mark.parametrize("quantity", [5, -5])
def test_reduce_only_is_refused_when_flat_or_on_the_same_side(rig: Rig, quantity: int) -> None:
    refused("REDUCE_ONLY", rig, quantity, reduce_only=True)
    if quantity > 0:
        rig.hold(5)
        refused("REDUCE_ONLY", rig, quantity, reduce_only=True)


def test_reduce_only_is_clipped_to_the_holding() -> None:
    rig = Rig(shorting=True)
    rig.hold(10)
    rig.place(-25, reduce_only=True)
    fill, end = rig.tick("99.99", "100.01")
    assert (fill.filled, rig.position()) == (10, 0)
    assert (end.state, end.reason) == (VenueOrderState.CANCELLED, "REDUCE_ONLY: the holding is closed")


def test_two_reduce_only_orders_never_flip_the_holding() -> None:
    rig = Rig(shorting=True)
    rig.hold(10)
    rig.place(-10, limit="110.00", reduce_only=True, oid="profit")
    rig.place(-10, stop="90.00", reduce_only=True, oid="stop")
    rig.tick("89.00", "89.02")
    rig.tick("120.00", "120.02")
    assert rig.position() == 0
    assert rig.find("profit").state is VenueOrderState.CANCELLED


def test_a_sell_is_clipped_when_a_reduce_only_order_was_faster(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, stop="95.00", reduce_only=True)
    rig.place(-10, stop="95.00", oid="late")
    rig.tick("94.00", "94.02")
    assert rig.position() == 0
    assert rig.find("late").reason == "INSUFFICIENT_POSITION: no more is held"


def test_a_market_buy_of_everything_is_clipped_when_the_price_runs_away(rig: Rig) -> None:
    """Cash never becomes negative without leverage."""
    rig.place(999)
    fill, end = rig.tick("109.99", "110.00")
    assert (fill.filled, rig.cash) == (909, 10)
    assert (end.state, end.reason) == (
        VenueOrderState.CANCELLED,
        "INSUFFICIENT_FUNDS: no buying power is left",
    )


@pytest.mark.parametrize("fees", [Fees(taker=Decimal("0.001")), Fees(minimum=Decimal(1))])
def test_an_order_for_exactly_all_cash_with_its_fee_fills_whole(fees: Fees) -> None:
    rig = Rig(fees=fees, initial_cash=Decimal(1001))
    rig.tick("99.99", "100.00")
    rig.place(10)
    (fill,) = rig.tick("99.99", "100.00")
    assert (fill.state, rig.cash) == (VenueOrderState.FILLED, 0)


def test_a_minimum_fee_is_kept_back_from_what_is_affordable() -> None:
    rig = Rig(fees=Fees(minimum=Decimal(1)), initial_cash=Decimal("1000.5"))
    rig.tick("100.00", "100.01", symbol="BTC")
    rig.place("9.9", instrument=COIN)
    rig.tick("109.99", "110.00", symbol="BTC")
    assert 0 <= rig.cash < Decimal("0.01")


def test_a_flip_keeps_back_the_fee_of_what_it_closes() -> None:
    rig = Rig(fees=Fees(taker=Decimal("0.01")), initial_cash=Decimal(1000), shorting=True)
    for quantity, price in ((-5, 100), (14, 110)):
        rig.tick("100.00", "100.00", symbol="BTC")
        rig.place(quantity, instrument=COIN)
        rig.tick(price, price, symbol="BTC")
    assert rig.find("o2").reason.startswith("INSUFFICIENT_FUNDS")
    assert 0 <= rig.cash < Decimal("0.01")


def test_leverage_shares_out_what_is_locked_and_never_more_than_there_is() -> None:
    rig = Rig(leverage=Decimal(2))
    rig.tick("99.99", "100.00", 100)
    rig.place(1000, limit="90.00")
    assert rig.free == 55_000
    rig.place(1100)
    rig.tick("99.99", "100.00", 100)
    assert (rig.cash, rig.free) == (-10_000, -10_000)


def test_a_fee_rounded_up_beyond_the_cash_costs_a_lot_not_the_rule() -> None:
    rig = Rig(fees=Fees(taker=Decimal("0.000333333333")), initial_cash=Decimal("1000.333333333"))
    rig.tick("99.99", "100.00")
    rig.place(10)
    fill, _ = rig.tick("99.99", "100.00")
    assert fill.filled == 9
    assert rig.cash > 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": 10}, "QUANTITY_BELOW_FILLED"),
        ({"quantity": "20.5"}, "LOT_SIZE"),
        ({"limit": "99.001"}, "PRICE_FILTER"),
        ({"limit": "0.05"}, "MIN_NOTIONAL"),
        ({"quantity": 2000}, "INSUFFICIENT_FUNDS"),
        ({}, "INVALID_ORDER"),
    ],
)
def test_a_modification_keeps_the_rules(rig: Rig, change: dict[str, Any], code: str) -> None:
    rig.place(100, limit="99.00")
    rig.tick("99.99", "100.01")
    rig.tick("98.00", "98.02", volume=100)
    before = rig.find()
    assert before.filled == 10
    with pytest.raises(Rejected) as caught:
        rig.modify(**change)
    assert caught.value.code == code
    assert rig.find() == before


def test_only_an_order_with_a_limit_takes_a_new_limit(rig: Rig) -> None:
    rig.place(10, stop="110.00")
    with pytest.raises(Rejected, match="INVALID_ORDER"):
        rig.modify(limit="99.00")


def test_a_post_only_order_cannot_be_moved_into_the_market(rig: Rig) -> None:
    rig.place(10, limit="99.00", post_only=True)
    with pytest.raises(Rejected, match="POST_ONLY_WOULD_TAKE"):
        rig.modify(limit="100.05")


def test_a_float_cannot_enter_by_a_modification(rig: Rig) -> None:
    rig.place(10, limit="99.00")
    nothing = {"quantity": None, "limit_price": None, "stop_price": None}
    for change in ({"quantity": 11.0}, {"limit_price": 98.5}):
        with pytest.raises(TypeError, match="Decimal"):
            rig.venue.modify(request(1).client_order_id, rig.now, **(nothing | change))  # type: ignore[arg-type]


def test_a_closed_order_cannot_be_cancelled_or_changed(rig: Rig) -> None:
    rig.place(10)
    rig.tick("99.99", "100.01")
    for action in (rig.cancel, lambda: rig.modify(quantity=20)):
        with pytest.raises(Rejected) as caught:
            action()
        assert caught.value.code == "ORDER_CLOSED"


def test_an_unknown_order_is_not_found(rig: Rig) -> None:
    for action in (rig.cancel, lambda oid: rig.modify(oid, quantity=20)):
        with pytest.raises(OrderNotFound):
            action("nobody")
