from dataclasses import replace

import pytest

from brokers.order import Side
from risk import metrics
from risk.metrics import Unknown
from tests.risk.builders import AAPL, MSFT, D, account, held, quote, working

SAP = replace(AAPL, symbol="SAP", currency="EUR", multiplier=D(2))


def test_exposure_is_in_the_accounts_currency_and_counts_the_multiplier():
    view = account(held(10), held(-5, MSFT), held(3, SAP, "50"), fx_rates={"EUR": D("1.1")})
    exposure = metrics.exposure(view)
    assert exposure.by_symbol == {"AAPL": 1000, "MSFT": -500, "SAP": D("330.0")}
    assert (exposure.gross, exposure.net) == (1830, 830)
    assert metrics.leverage(view) == D("0.0183")


@pytest.mark.parametrize("rate", [{}, {"EUR": D("NaN")}])
def test_exposure_without_a_rate_is_unknown_not_zero(rate):
    with pytest.raises(Unknown, match="rate of EUR in USD"):
        metrics.exposure(account(held(3, SAP), fx_rates=rate))


def test_exposure_without_a_price_is_unknown_not_zero():
    view = account(held(3, mark=None), quotes={})
    with pytest.raises(Unknown, match="AAPL has no price"):
        metrics.exposure(view)
    assert metrics.unpriced(view) == ("AAPL",)


def test_the_quote_comes_before_the_mark():
    assert metrics.price_of(account(held(1, mark="90")), "AAPL") == 100
    assert metrics.price_of(account(held(1, mark="90"), quotes={}), "AAPL") == 90
    empty = quote(bid=D(0), ask=D(0), last=D("NaN"))
    assert metrics.price_of(account(held(1, mark="90"), quotes={"AAPL": empty}), "AAPL") == 90


def test_an_open_order_says_what_it_is():
    view = account(working=(working(Side.BUY, 1, SAP),))
    assert metrics.instrument_of(view, "SAP") is SAP
    with pytest.raises(Unknown, match="MSFT"):
        metrics.instrument_of(view, "MSFT")


def test_the_worst_position_is_on_either_side():
    orders = (working(Side.BUY, 5), working(Side.SELL, 30))
    assert metrics.worst_quantity(account(held(10), working=orders), "AAPL") == -20
    assert metrics.worst_quantity(account(held(20), working=orders), "AAPL") == 25


def test_profit_and_loss_of_the_day():
    view = account(equity=D(97_000), peak_equity=D(120_000))
    assert metrics.daily_pnl(view) == -3000
    assert metrics.daily_loss_percent(view) == 3
    assert metrics.drawdown_percent(view) == D("19.16666666666666666666666667")
    assert metrics.daily_loss_percent(account(equity=D(101_000))) == 0


@pytest.mark.parametrize("measure", [metrics.daily_pnl, metrics.leverage, metrics.drawdown_percent])
@pytest.mark.parametrize("equity", [None, D("NaN"), D(0), 1.0])
def test_without_equity_nothing_is_known(measure, equity):
    with pytest.raises(Unknown, match="equity of paper"):
        measure(account(equity=equity))
