from dataclasses import replace

import pytest

from risk.sizer import SizingInputs, build_sizer
from tests.risk.builders import AAPL, BTC, D

INPUTS = SizingInputs(AAPL, D(100), D(10_000))


def test_units_whatever_the_price():
    sizer = build_sizer({"method": "fixed", "units": 10})
    assert sizer.size(D(1), INPUTS) == 10
    assert sizer.size(D("-0.55"), INPUTS) == -5


def test_value_buys_whole_lots_and_never_more_than_it_pays():
    sizer = build_sizer({"method": "fixed", "value": "1099.99"})
    assert sizer.size(1.0, INPUTS) == 10
    assert sizer.size(1.0, replace(INPUTS, instrument=BTC)) == D("10.999")


def test_value_is_in_the_accounts_currency():
    dear = replace(INPUTS, instrument=replace(AAPL, multiplier=D(2)), rate=D("1.25"))
    assert build_sizer({"method": "fixed", "value": 1000}).size(1, dear) == 4


@pytest.mark.parametrize("both_or_none", [{}, {"units": 1, "value": 1}])
def test_either_units_or_value(both_or_none):
    with pytest.raises(ValueError, match="either units or value"):
        build_sizer({"method": "fixed", **both_or_none})
