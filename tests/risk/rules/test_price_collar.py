import pytest

from brokers.order import OrderType
from risk.intent import Origin
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell

CODE = "PRICE_COLLAR"


def limited(price):
    return {"type": OrderType.LIMIT, "limit_price": D(price)}


def stopped(price):
    return {"type": OrderType.STOP, "stop_price": D(price)}


@pytest.mark.parametrize("price", ["95", "100", "105"])
def test_five_percent_passes(price):
    assert_passes(CODE, buy(1, **limited(price)), account())
    assert_passes(CODE, buy(1, **stopped(price)), account())


@pytest.mark.parametrize("price", ["94.99", "105.01", "1000", "0.01"])
def test_five_point_zero_one_percent_does_not(price):
    denied = assert_denied(CODE, buy(1, **limited(price)), account(), largest=0)
    assert denied.limit == "5 %"
    assert_denied(CODE, buy(1, **stopped(price)), account(), largest=0)


def test_the_measured_distance_never_reads_like_the_limit():
    assert ask_distance("105.01") == "5.01 %"


def ask_distance(price):
    return assert_denied(CODE, buy(1, **limited(price)), account(), largest=0).value


def test_both_prices_of_a_stop_limit_are_checked():
    kind = {"type": OrderType.STOP_LIMIT}
    assert_passes(CODE, buy(1, **kind, stop_price=D(104), limit_price=D(105)), account())
    assert_denied(CODE, buy(1, **kind, stop_price=D(106), limit_price=D(105)), account(), largest=0)
    assert_denied(CODE, buy(1, **kind, stop_price=D(104), limit_price=D(106)), account(), largest=0)


def test_a_market_order_names_no_price():
    assert_passes(CODE, buy(1), account(quotes={}))


def test_selling_out_at_a_tenth_of_the_price_is_no_exit():
    assert_denied(CODE, sell(5, **limited("10")), account(held(5)), largest=0)
    assert_denied(CODE, sell(8, **limited("10")), account(held(5)), largest=0)


def test_a_protective_stop_may_lie_anywhere():
    assert_passes(CODE, sell(5, **stopped("60")), account(held(5)))
    assert_denied(CODE, sell(6, **stopped("60")), account(held(5)), largest=5)


def test_the_limit_of_a_protective_stop_limit_is_measured_from_its_stop():
    kind = {"type": OrderType.STOP_LIMIT, "stop_price": D(60)}
    view = account(held(5))
    assert_passes(CODE, sell(5, **kind, limit_price=D(57)), view)
    assert_denied(CODE, sell(5, **kind, limit_price=D("56.99")), view, largest=0)


def test_a_collar_without_a_market_denies():
    assert_denied(CODE, buy(1, **limited("100")), account(quotes={}), largest=0)


def test_a_far_target_is_no_typing_error_and_a_far_giveaway_is():
    """A resting exit may wait anywhere on the winning side; on the losing side it would sell at once, for nothing."""
    target = {"origin": Origin.PROTECTION, "reduce_only": True}
    assert_passes(CODE, sell(10, **limited(150), **target), account(held(10)))
    assert_denied(CODE, sell(10, **limited(50), **target), account(held(10)), largest=0)
    assert_denied(CODE, sell(10, **limited(150)), account(held(10)), largest=0)
    far = {"type": OrderType.TAKE_PROFIT, "stop_price": D(150)}
    assert_passes(CODE, sell(10, **far, **target), account(held(10)))
