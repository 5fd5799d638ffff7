from dataclasses import replace

import pytest

from risk.sizer import SizingInputs, build_sizer
from tests.risk.builders import AAPL, D

INPUTS = SizingInputs(AAPL, D(100), D(10_000))


@pytest.mark.parametrize(("exposure", "quantity"), [(1, 25), (-1, -25), (0.5, 12), (-0.5, -12), (0, 0)])
def test_a_quarter_of_equity(exposure, quantity):
    assert build_sizer({"method": "fixed_fractional", "percent": 25}).size(exposure, INPUTS) == quantity


def test_it_grows_with_equity():
    sizer = build_sizer({"method": "fixed_fractional"})
    assert sizer.size(1, replace(INPUTS, equity=D(20_000))) == 20
