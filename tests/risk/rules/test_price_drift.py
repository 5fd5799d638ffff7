import pytest

from brokers.order import OrderType
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell, sent

CODE = "PRICE_DRIFT"


def limit(price):
    return {"type": OrderType.LIMIT, "limit_price": D(price)}


def test_prices_that_walk_away_one_percent_an_order_are_stopped_at_ten():
    before = account(submissions=(sent(price="100"), sent(price="105")))
    assert_passes(CODE, buy(10, **limit(110)), before)
    denied = assert_denied(CODE, buy(10, **limit("110.01")), before, largest=0)
    assert (denied.limit, denied.value) == ("10 % in 60 s", "10.01 %")


def test_the_period_ends():
    before = account(submissions=(sent(price="100", age=60),))
    assert_passes(CODE, buy(10, **limit(150)), before)


@pytest.mark.parametrize("other", [sent(price="50", symbol="MSFT"), sent(), sent(price="NaN")])
def test_other_instruments_and_orders_without_a_price_are_not_counted(other):
    assert_passes(CODE, buy(10, **limit(100)), account(submissions=(other,)))


def test_a_market_order_names_no_price():
    assert_passes(CODE, buy(10), account(submissions=(sent(price="50"),)))


def test_an_exit_follows_the_market_and_what_opens_offers_its_exit():
    view = account(held(10), submissions=(sent(price="100"),))
    assert_passes(CODE, sell(10, **limit(50)), view)
    assert_denied(CODE, sell(15, **limit(50)), view, largest=10)
