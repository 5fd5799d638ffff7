from brokers.order import Side
from risk.intent import Origin
from tests.risk.builders import account, assert_denied, assert_passes, buy, held, sell, working

CODE = "REDUCE_ONLY"


def test_without_the_promise_nothing_is_asked():
    assert_passes(CODE, buy(10), account())


def test_incident_41_reduce_only_never_flips():
    assert_passes(CODE, sell(10, reduce_only=True), account(held(10)))
    assert_denied(CODE, sell(11, reduce_only=True), account(held(10)), largest=10)


def test_reduce_only_never_opens_or_raises():
    assert_denied(CODE, sell(1, reduce_only=True), account(), largest=0)
    assert_denied(CODE, buy(1, reduce_only=True), account(held(10)), largest=0)


def test_incident_9_open_exits_are_counted():
    view = account(held(10), working=(working(Side.SELL, 7, reduce_only=True),))
    assert_passes(CODE, sell(3, reduce_only=True), view)
    assert_denied(CODE, sell(4, reduce_only=True), view, largest=3)


def test_a_flatten_always_promises():
    assert_denied(CODE, buy(5, origin=Origin.FLATTEN), account(), largest=0)
    assert_denied(CODE, buy(5, origin=Origin.FLATTEN), account(held(-3)), largest=3)
