from dataclasses import replace

import pytest

from tests.risk.builders import AAPL, D, account, assert_denied, assert_passes, buy, held, sell

CODE = "FX_RATE_MISSING"
SAP = replace(AAPL, symbol="SAP", currency="EUR")


def test_the_accounts_own_currency_needs_no_rate():
    assert_passes(CODE, buy(10), account())


def test_a_foreign_currency_needs_a_rate():
    assert_denied(CODE, buy(10, SAP), account(), largest=0)
    assert_passes(CODE, buy(10, SAP), account(fx_rates={"EUR": D("1.1")}))


@pytest.mark.parametrize("rate", [D("NaN"), D(0), D(-1), 1.1, None])
def test_a_rate_that_is_no_rate_is_missing(rate):
    assert_denied(CODE, buy(10, SAP), account(fx_rates={"EUR": rate}), largest=0)


def test_an_exit_needs_no_rate():
    view = account(held(10, SAP))
    assert_passes(CODE, sell(10, SAP), view)
    assert_denied(CODE, sell(11, SAP), view, largest=10)
