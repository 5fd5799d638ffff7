from dataclasses import replace

from brokers.order import OrderType
from risk.limits import RiskLimits
from tests.risk.builders import AAPL, D, account, assert_denied, assert_passes, buy, held, quote, sell, wide

CODE = "MAX_ORDER_VALUE"


def test_two_percent_of_equity_by_default():
    assert_passes(CODE, buy(20), account(), RiskLimits())
    denied = assert_denied(CODE, buy(21), account(), RiskLimits(), largest=20)
    assert denied.limit == "2 % of equity, 2,000.00 USD"
    assert denied.value == "2,100.00 USD"


def test_the_absolute_cap_holds_for_the_rich():
    view = account(equity=D(10**9))
    assert_passes(CODE, buy(100), view, RiskLimits())
    assert_denied(CODE, buy(5000), view, RiskLimits(), largest=100)


def test_an_order_above_the_market_counts_at_its_own_price():
    limits = wide(max_order_value=1050)
    limited = {"type": OrderType.LIMIT, "limit_price": D(105)}
    assert_passes(CODE, buy(10, **limited), account(), limits)
    assert_denied(CODE, buy(11, **limited), account(), limits, largest=10)


def test_incident_39_the_multiplier_and_the_rate_count():
    future = replace(AAPL, symbol="FDAX", currency="EUR", multiplier=D(25))
    view = account(quotes={"FDAX": quote("FDAX")}, fx_rates={"EUR": D("1.2")})
    assert_denied(CODE, buy(4, future), view, wide(max_order_value=9000), largest=3)


def test_no_exit_is_too_large():
    view = account(held(1000))
    assert_passes(CODE, sell(1000), view, RiskLimits())
    assert_denied(CODE, sell(1001), view, RiskLimits(), largest=1000)


def test_unknown_equity_or_price_denies():
    assert_denied(CODE, buy(1), account(equity=None), largest=0)
    assert_denied(CODE, buy(1), account(quotes={}), largest=0)
    assert_denied(CODE, sell(7), account(held(5), equity=None), largest=5)
