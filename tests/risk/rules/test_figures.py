from dataclasses import replace

import pytest

from brokers.order import Side
from tests.risk.builders import (
    MSFT,
    D,
    account,
    assert_denied,
    assert_passes,
    buy,
    held,
    quote,
    sell,
    working,
)

CODE = "FIGURES_UNKNOWN"
GARBAGE = [D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), 100.0, float("nan"), None, "100"]


@pytest.mark.parametrize("field", ["cash", "equity", "day_start_equity", "peak_equity"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_incident_46_an_account_of_garbage_takes_no_new_risk(field, garbage):
    assert_denied(CODE, buy(10), account(**{field: garbage}), largest=0)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_incident_46_a_position_of_garbage_takes_no_order_at_all(garbage):
    bad = account(replace(held(5), quantity=garbage))
    assert_denied(CODE, sell(5), bad, largest=0)
    elsewhere = account(replace(held(5, MSFT), quantity=garbage))
    assert_denied(CODE, buy(5), elsewhere, largest=0)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_an_open_order_of_garbage_counts_as_unknown(garbage):
    mine = account(held(5), working=(replace(working(Side.SELL, 1), remaining=garbage),))
    assert_denied(CODE, sell(2), mine, largest=0)
    other = account(held(5), working=(replace(working(Side.SELL, 1, MSFT), remaining=garbage),))
    assert_denied(CODE, buy(2), other, largest=0)


@pytest.mark.parametrize("field", ["bid", "ask", "last"])
def test_a_quote_of_garbage_takes_no_new_risk(field):
    assert_denied(CODE, buy(1), account(quotes={"AAPL": quote(**{field: D("NaN")})}), largest=0)


def test_an_order_price_of_garbage_takes_no_new_risk():
    view = account(working=(replace(working(Side.BUY, 1), price=D("NaN")),))
    assert_denied(CODE, buy(1), view, largest=0)


def test_nan_equity_never_locks_anybody_in_a_position():
    view = account(held(10), equity=D("NaN"), cash=D("NaN"))
    assert_passes(CODE, sell(10), view)
    assert_denied(CODE, sell(12), view, largest=10)
