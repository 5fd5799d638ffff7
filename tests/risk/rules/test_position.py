from brokers.order import Side
from risk.limits import RiskLimits
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell, working

CODE = "MAX_POSITION"
LIMITS = RiskLimits()  # 10 % of 100,000 at 100: 100 shares


def test_a_position_may_reach_the_limit():
    assert_passes(CODE, buy(100), account(), LIMITS)
    denied = assert_denied(CODE, buy(101), account(), LIMITS, largest=100)
    assert denied.limit == "10 % of equity"
    assert denied.value == "10.1 % of equity"


def test_shorts_have_the_same_limit():
    assert_passes(CODE, sell(100), account(), LIMITS)
    assert_denied(CODE, sell(150), account(), LIMITS, largest=100)


def test_what_is_held_open_and_uncertain_counts_at_full_size():
    orders = (working(Side.BUY, 30), working(Side.BUY, 20, uncertain=True))
    view = account(held(40), working=orders)
    assert_passes(CODE, buy(10), view, LIMITS)
    assert_denied(CODE, buy(11), view, LIMITS, largest=10)


def test_open_orders_of_the_other_side_make_no_room():
    view = account(held(100), working=(working(Side.SELL, 100),))
    assert_denied(CODE, buy(1), view, LIMITS, largest=0)


def test_turning_a_position_round_has_the_room_of_both():
    assert_passes(CODE, sell(200), account(held(100)), LIMITS)
    assert_denied(CODE, sell(201), account(held(100)), LIMITS, largest=200)


def test_a_position_beyond_the_limit_can_only_shrink():
    view = account(held(500))
    assert_passes(CODE, sell(500), view, LIMITS)
    assert_denied(CODE, buy(1), view, LIMITS, largest=0)


def test_unknown_equity_denies():
    assert_denied(CODE, buy(1), account(equity=D("NaN")), LIMITS, largest=0)
