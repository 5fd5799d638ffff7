from dataclasses import replace

import pytest

from brokers.instrument import Settlement
from brokers.order import OrderType
from risk.intent import Origin
from tests.risk.builders import BTC, D, account, assert_denied, assert_passes, buy, held, quote, sell

CODE = "NOT_WELL_FORMED"


def test_a_plain_market_order_passes():
    assert_passes(CODE, buy(10), account())


@pytest.mark.parametrize("quantity", [D(0), D(-1), D("NaN"), D("sNaN"), D("Infinity"), 5.0, None])
def test_incident_46_a_quantity_that_is_no_quantity_is_denied(quantity):
    assert_denied(CODE, buy(quantity, allocations={}, origin=Origin.MANUAL), account(), largest=0)


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        (OrderType.MARKET, {"limit_price": D(100)}),
        (OrderType.MARKET, {"stop_price": D(100)}),
        (OrderType.LIMIT, {}),
        (OrderType.LIMIT, {"limit_price": D(100), "stop_price": D(100)}),
        (OrderType.STOP, {"limit_price": D(100)}),
        (OrderType.STOP_LIMIT, {"limit_price": D(100)}),
        (OrderType.LIMIT, {"limit_price": D("NaN")}),
        (OrderType.LIMIT, {"limit_price": D(0)}),
        (OrderType.LIMIT, {"limit_price": 100.0}),
        (OrderType.STOP, {"stop_price": D("-Infinity")}),
        (OrderType.LIMIT, {"limit_price": D("100.005")}),
    ],
)
def test_incident_25_prices_that_do_not_fit_the_type_are_denied_and_change_nothing_into_market(kind, prices):
    assert_denied(CODE, buy(10, type=kind, **prices), account(), largest=0)


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        (OrderType.LIMIT, {"limit_price": D("100.01")}),
        (OrderType.STOP, {"stop_price": D("99.99")}),
        (OrderType.STOP_LIMIT, {"limit_price": D("101.00"), "stop_price": D(101)}),
    ],
)
def test_prices_that_fit_the_type_pass(kind, prices):
    assert_passes(CODE, buy(10, type=kind, **prices), account())


def test_half_a_share_is_offered_as_whole_shares():
    assert_denied(CODE, buy("10.5"), account(), largest=10)


def test_the_venues_least_quantity_may_be_reached():
    view = account(quotes={"BTC/USD": quote("BTC/USD", "60000")})
    assert_passes(CODE, buy("0.002", BTC), view)
    assert_denied(CODE, buy("0.001", BTC), view, largest=0)


def test_the_venues_least_value_may_be_reached():
    assert_passes(CODE, buy("0.5", BTC), account())
    assert_denied(CODE, buy("0.499", BTC), account(), largest=0)


def test_least_value_is_judged_at_the_limit_price():
    limited = {"type": OrderType.LIMIT, "limit_price": D(99)}
    assert_denied(CODE, buy("0.5", BTC, **limited), account(), largest=0)


def test_an_exit_without_a_price_is_left_to_the_venue():
    assert_passes(CODE, sell("0.01", BTC), account(quotes={}))


@pytest.mark.parametrize(
    "parts", [{}, {"a": D(9)}, {"a": D(-10)}, {"a": D(11)}, {"a": D("NaN")}, {"a": 10.0}, None, [10]]
)
def test_shares_that_do_not_add_up_are_denied(parts):
    assert_denied(CODE, buy(10, allocations=parts), account(), largest=0)


def test_shares_of_opposite_sign_may_add_up():
    assert_passes(CODE, buy(10, allocations={"a": D(14), "b": D(-4)}), account())


def test_a_manual_order_needs_no_strategy():
    assert_passes(CODE, buy(10, allocations={}, origin=Origin.MANUAL), account())


@pytest.mark.parametrize("wrong", [{"account": "other"}, {"type": "market!"}, {"origin": "me"}, {"instrument": None}])
def test_an_order_that_is_not_what_it_says_is_denied(wrong):
    from dataclasses import replace

    from risk.gate import RiskGate
    from tests.risk.builders import WIDE

    answer = RiskGate(WIDE).review(replace(buy(10), **wrong), account())
    assert answer.code == CODE
    assert answer.largest_passing == 0


def test_dust_that_closes_the_whole_position_is_for_the_venue_to_judge():
    assert_passes(CODE, sell("0.001", BTC), account(held("0.001", BTC)))
    assert_denied(CODE, sell("0.001", BTC), account(held("0.003", BTC)), largest=0)
    assert_denied(CODE, buy("0.001", BTC), account(held("0.001", BTC)), largest=0)


def test_a_future_that_is_only_closed_may_be_worth_as_little_as_it_is():
    future = replace(BTC, settlement=Settlement.MARGINED)
    view = account(held("0.5", future))
    assert_passes(CODE, replace(sell("0.1", future), reduce_only=True), view)
    assert_denied(CODE, sell("0.1", future), view, largest=0)
    assert_denied(CODE, replace(sell("0.1", BTC), reduce_only=True), view, largest=0)


TRAILING = {"type": OrderType.TRAILING_STOP}


@pytest.mark.parametrize(
    "trail",
    [{}, {"trail": D("NaN")}, {"trail": D(0)}, {"trail": 2.0}, {"trail": D(1), "trail_percent": D(1)}],
)
def test_a_trailing_stop_needs_one_distance_that_is_a_number(trail):
    assert_denied(CODE, sell(10, **TRAILING, **trail), account(held(10)), largest=0)
    assert_passes(CODE, sell(10, **TRAILING, trail=D(2)), account(held(10)))


def test_no_other_order_has_a_trailing_distance():
    assert_denied(CODE, sell(10, trail=D(1)), account(held(10)), largest=0)
