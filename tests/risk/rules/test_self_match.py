import pytest

from brokers.order import OrderType, Side
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, quote, sell, working

CODE = "SELF_MATCH"


def limit(price):
    return {"type": OrderType.LIMIT, "limit_price": D(price)}


def test_a_limit_that_reaches_our_own_order_is_denied():
    view = account(working=(working(Side.SELL, 5, price="101"),))
    assert_passes(CODE, buy(10, **limit("100.99")), view)
    assert_denied(CODE, buy(10, **limit(101)), view, largest=0)


def test_a_market_order_meets_what_rests_at_the_touch_or_before():
    assert_denied(CODE, buy(10), account(working=(working(Side.SELL, 5, price="100"),)), largest=0)
    assert_passes(CODE, buy(10), account(working=(working(Side.SELL, 5, price="101"),)))
    assert_denied(CODE, sell(10), account(working=(working(Side.BUY, 5, price="100"),)), largest=0)


@pytest.mark.parametrize("quotes", [{}, {"AAPL": quote(ask=D("NaN"))}])
def test_without_a_touch_a_market_order_may_reach_anything(quotes):
    view = account(working=(working(Side.SELL, 5, price="500"),), quotes=quotes)
    assert_denied(CODE, buy(10), view, largest=0)


@pytest.mark.parametrize("what", [{"resting_exit": True}, {"conditional": True}])
def test_what_sleeps_meets_nothing(what):
    assert_passes(CODE, buy(10), account(working=(working(Side.SELL, 5, price="99", **what),)))
    assert_passes(
        CODE, buy(10, type=OrderType.STOP, stop_price=D(110)), account(working=(working(Side.SELL, 5, price="99"),))
    )


def test_an_exit_is_never_kept_in_by_our_own_entry():
    assert_passes(CODE, sell(10), account(held(10), working=(working(Side.BUY, 5, price="100"),)))
