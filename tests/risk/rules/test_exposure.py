from dataclasses import replace

import pytest

from brokers.order import Side
from tests.risk.builders import (
    MSFT,
    D,
    account,
    assert_denied,
    assert_passes,
    buy,
    held,
    quote,
    sell,
    wide,
    working,
)

GROSS, NET = "GROSS_EXPOSURE", "NET_EXPOSURE"
LIMITS = wide(max_gross_exposure_percent=100, max_net_exposure_percent=50)  # 1,000 and 500 shares at 100


def test_gross_counts_longs_and_shorts():
    view = account(held(-600, MSFT))
    assert_passes(GROSS, buy(400), view, LIMITS)
    assert_denied(GROSS, buy(401), view, LIMITS, largest=400)


def test_gross_counts_open_orders_elsewhere_at_their_worst():
    view = account(held(-500, MSFT), working=(working(Side.SELL, 100, MSFT), working(Side.BUY, 50, MSFT)))
    assert_denied(GROSS, buy(401), view, LIMITS, largest=400)


def test_gross_counts_the_other_side_of_the_same_symbol():
    view = account(held(-300), working=(working(Side.SELL, 700),))
    assert_passes(GROSS, buy(1300), view, LIMITS)
    assert_denied(GROSS, buy(1301), view, LIMITS, largest=1300)


def test_gross_that_open_orders_already_exceed_has_no_room_for_their_opposite():
    view = account(held(500, MSFT), working=(working(Side.SELL, 501),))
    assert_denied(GROSS, buy(1), view, LIMITS, largest=0)


def test_net_counts_in_the_orders_direction():
    view = account(held(-200, MSFT))
    assert_passes(NET, buy(700), view, LIMITS)
    assert_denied(NET, buy(701), view, LIMITS, largest=700)
    assert_denied(NET, sell(301), view, LIMITS, largest=300)


def test_net_does_not_count_on_hedges_that_are_not_filled():
    view = account(working=(working(Side.SELL, 300, MSFT),))
    assert_denied(NET, buy(501), view, LIMITS, largest=500)


@pytest.mark.parametrize("code", [GROSS, NET])
def test_a_missing_mark_elsewhere_denies_new_risk_only(code):
    view = account(held(5, MSFT, mark=None), held(9), quotes={"AAPL": quote()})
    assert_denied(code, buy(1), view, LIMITS, largest=0)
    assert_passes(code, sell(9), view, LIMITS)
    assert_denied(code, sell(20), view, LIMITS, largest=9)


@pytest.mark.parametrize("code", [GROSS, NET])
def test_an_open_order_that_nobody_can_value_denies(code):
    unknown = replace(working(Side.BUY, 1, MSFT), instrument=None)
    assert_denied(code, buy(1), account(working=(unknown,)), LIMITS, largest=0)
    assert_passes(code, buy(1), account(held(1, MSFT), working=(unknown,)), LIMITS)


def test_an_order_in_the_intents_own_symbol_needs_no_instrument():
    mine = replace(working(Side.BUY, 1), instrument=None)
    assert_passes(GROSS, buy(1), account(working=(mine,)), LIMITS)


@pytest.mark.parametrize("code", [GROSS, NET])
def test_unknown_equity_denies(code):
    assert_denied(code, buy(1), account(equity=None), LIMITS, largest=0)
    assert_denied(code, buy(1), account(equity=D(-5)), LIMITS, largest=0)
