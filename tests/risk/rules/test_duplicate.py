import pytest

from brokers.order import OrderType, Side
from risk.intent import Origin
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell, sent

CODE = "DUPLICATE_ORDER"


def test_incident_1_the_third_identical_order_in_ten_seconds_is_denied():
    assert_passes(CODE, buy(10), account(submissions=(sent(),)))
    denied = assert_denied(CODE, buy(10), account(submissions=(sent(), sent(age=9.9))), largest=0)
    assert (denied.limit, denied.value) == ("2 in 10 s", "3 in 10 s")


def test_the_window_closes():
    assert_passes(CODE, buy(10), account(submissions=(sent(), sent(age=10))))


@pytest.mark.parametrize(
    "other",
    [sent(quantity="11"), sent(side=Side.SELL), sent(symbol="MSFT"), sent(price="100")],
    ids=["quantity", "side", "symbol", "price"],
)
def test_another_order_is_not_the_same(other):
    assert_passes(CODE, buy(10), account(submissions=(sent(), other)))


def test_the_price_is_the_limit_else_the_stop():
    before = account(submissions=(sent(price="99"), sent(price="99")))
    assert_denied(CODE, buy(10, type=OrderType.LIMIT, limit_price=D(99)), before, largest=0)
    assert_denied(CODE, buy(10, type=OrderType.STOP, stop_price=D(99)), before, largest=0)
    assert_passes(CODE, buy(10, type=OrderType.LIMIT, limit_price=D(98)), before)


def test_incident_2_exits_count_too_but_a_flatten_is_bounded_by_the_position():
    view = account(held(90), submissions=(sent(side=Side.SELL),) * 2)
    assert_denied(CODE, sell(10), view, largest=0)
    assert_passes(CODE, sell(10, origin=Origin.FLATTEN), view)
