from brokers.order import OrderType, Side
from tests.risk.builders import MSFT, D, account, assert_denied, assert_passes, buy, held, sell, wide, working

CODE = "FREE_BALANCE"
LIMITS = wide(min_free_balance_percent=5)  # of 100,000: 95,000 may be committed


def test_cash_less_the_reserve_may_be_spent():
    assert_passes(CODE, buy(950), account(), LIMITS)
    assert_denied(CODE, buy(951), account(), LIMITS, largest=950)


def test_open_buys_have_spent_their_cash_already():
    orders = (working(Side.BUY, 100, price="110"), working(Side.BUY, 200, MSFT))
    assert_denied(CODE, buy(951), account(working=orders), LIMITS, largest=581)


def test_a_short_needs_its_value_as_collateral():
    assert_passes(CODE, sell(950), account(), LIMITS)
    assert_denied(CODE, sell(951), account(), LIMITS, largest=950)


def test_proceeds_of_a_short_are_not_free():
    view = account(held(-500, MSFT), cash=D(150_000))
    assert_denied(CODE, buy(451), view, LIMITS, largest=450)


def test_closing_part_of_an_order_takes_no_cash():
    view = account(held(-100), cash=D(20_000), equity=D(10_000))
    assert_passes(CODE, buy(100), view, LIMITS)
    assert_denied(CODE, buy(1000), view, wide(min_free_balance_percent=50), largest=100)


def test_a_limit_above_the_market_is_paid_in_full():
    limited = {"type": OrderType.LIMIT, "limit_price": D(105)}
    assert_denied(CODE, buy(950, **limited), account(), LIMITS, largest=904)


def test_a_margin_account_leaves_it_to_the_venue():
    assert_passes(CODE, buy(10**6), account(), wide(min_free_balance_percent=None))


def test_missing_equity_or_negative_cash_is_no_balance():
    assert_denied(CODE, buy(1), account(equity=None), LIMITS, largest=0)
    assert_denied(CODE, buy(1), account(cash=D(-1)), LIMITS, largest=0)
    assert_passes(CODE, sell(5), account(held(5), cash=D(-1), equity=None), LIMITS)
