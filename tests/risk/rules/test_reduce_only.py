import pytest

from brokers.order import OrderType, Side
from risk.intent import Origin
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell, working

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


STOP = {"type": OrderType.STOP, "stop_price": D(90), "origin": Origin.PROTECTION}
RESTS = {"resting_exit": True, "reduce_only": True}


@pytest.mark.parametrize("promise", [True, False])
def test_incident_41_a_stop_is_never_larger_than_what_is_open(promise):
    """P12 counts conditional orders, promised or not."""
    assert_passes(CODE, sell(10, **STOP, reduce_only=promise), account(held(10)))
    assert_denied(CODE, sell(11, **STOP, reduce_only=promise), account(held(10)), largest=10)
    view = account(held(10), working=(working(Side.SELL, 4),))
    assert_denied(CODE, sell(10, **STOP, reduce_only=promise), view, largest=6)


def test_two_resting_exits_share_the_position_unless_they_are_one_group():
    view = account(held(10), working=(working(Side.SELL, 10, **RESTS, oco_group="g"),))
    assert_denied(CODE, sell(10, **STOP, reduce_only=True), view, largest=0)
    assert_passes(CODE, sell(10, **STOP, reduce_only=True, oco_group="g"), view)


def test_a_resting_exit_gives_way_to_one_that_trades_now_if_the_venue_keeps_both_reduce_only():
    view = account(held(10), working=(working(Side.SELL, 10, **RESTS),))
    assert_passes(CODE, sell(10, origin=Origin.FLATTEN, reduce_only=True), view)
    assert_passes(CODE, sell(10, origin=Origin.PROTECTION, reduce_only=True), view)
    plain = account(held(10), working=(working(Side.SELL, 10, resting_exit=True),))
    assert_denied(CODE, sell(10, origin=Origin.FLATTEN, reduce_only=True), plain, largest=0)
