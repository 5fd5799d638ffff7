import pytest

from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell, wide

CODE = "MAX_ORDER_VOLUME"


def test_one_percent_of_the_days_volume():
    view = account(daily_volume={"AAPL": D(5_050)})
    assert_passes(CODE, buy(50), view, wide(max_volume_percent=1))
    assert_denied(CODE, buy(51), view, wide(max_volume_percent=1), largest=50)


def test_the_absolute_quantity():
    limits = wide(max_order_quantity=10)
    assert_passes(CODE, buy(10), account(), limits)
    assert_denied(CODE, buy(11), account(), limits, largest=10)


def test_the_tighter_of_the_two():
    view = account(daily_volume={"AAPL": D(500)})
    assert_denied(CODE, buy(99), view, wide(max_order_quantity=10, max_volume_percent=1), largest=5)


@pytest.mark.parametrize("volume", [{}, {"AAPL": D("NaN")}, {"AAPL": 1e6}, {"AAPL": None}])
def test_an_unknown_volume_is_not_a_large_one(volume):
    assert_denied(CODE, buy(1), account(daily_volume=volume), largest=0)


def test_no_limit_asks_for_no_volume():
    assert_passes(CODE, buy(1), account(daily_volume={}), wide(max_volume_percent=None))


def test_an_exit_is_exempt():
    assert_passes(CODE, sell(50), account(held(50), daily_volume={}), wide(max_order_quantity=1))
