import math
from dataclasses import replace

import numpy as np
import pytest

from risk.sizer import SizingInputs, build_sizer
from risk.sizing.volatility_target import annual_volatility
from tests.risk.builders import AAPL, D

INPUTS = SizingInputs(AAPL, D(100), D(100_000), volatility=0.25)
TENTH = build_sizer({"method": "volatility_target", "target_percent": 10})


def test_less_of_the_wild_more_of_the_calm():
    assert TENTH.size(1, INPUTS) == 400
    assert TENTH.size(1, replace(INPUTS, volatility=0.5)) == 200


def test_leverage_is_capped():
    assert TENTH.size(1, replace(INPUTS, volatility=0.001)) == 1000
    doubled = build_sizer({"method": "volatility_target", "target_percent": 10, "max_leverage": 2})
    assert doubled.size(-1, replace(INPUTS, volatility=0.001)) == -2000


@pytest.mark.parametrize("volatility", [None, 0.0, -0.1, math.nan, math.inf])
def test_an_unknown_volatility_is_never_guessed(volatility):
    sized = TENTH.explain(1, replace(INPUTS, volatility=volatility))
    assert sized.quantity == 0
    assert sized.reason == "the volatility of AAPL is not known yet"


def test_annual_volatility_is_the_deviation_of_log_returns_by_the_root_of_the_year():
    closes = 100 * np.exp(np.cumsum([0.0, *([0.01, -0.01] * 15)]))
    assert annual_volatility(closes) == pytest.approx(0.01 * math.sqrt(30 / 29 * 252))


@pytest.mark.parametrize("closes", [[], [100.0] * 20, [*[100.0] * 30, math.nan], [*[100.0] * 30, 0.0]])
def test_annual_volatility_of_too_little_is_unknown(closes):
    assert annual_volatility(closes) is None


def test_a_price_that_does_not_move_has_no_size():
    still = annual_volatility([100.0] * 30)
    assert TENTH.explain(1, replace(INPUTS, volatility=still)).reason
