"""What holds for every sizing method."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.sizer import SizingInputs, all_sizers, build_sizer, describe_sizers, sizer
from tests.risk.builders import AAPL, BTC, D

SIZERS = [
    build_sizer({"method": "fixed", "units": "12.5"}),
    build_sizer({"method": "fixed", "value": 7777}),
    build_sizer({"method": "fixed_fractional", "percent": 33}),
    build_sizer({"method": "volatility_target", "target_percent": 15, "max_leverage": 3}),
]
every_sizer = pytest.mark.parametrize("method", SIZERS, ids=lambda each: each.name)
amounts = st.decimals(D("0.01"), D(10**6), places=2)
inputs = st.builds(SizingInputs, st.sampled_from([AAPL, BTC]), amounts, amounts, st.floats(0.001, 5), amounts)
exposures = st.floats(-1, 1) | st.decimals(-1, 1, places=4)


def test_every_method_is_among_the_examples():
    assert {each.name for each in SIZERS} == set(all_sizers())


@every_sizer
@given(exposure=exposures, inputs=inputs)
def test_sizes_are_whole_lots_of_the_exposures_sign_and_within_the_full_size(method, exposure, inputs):
    quantity = method.size(exposure, inputs)
    assert quantity % inputs.instrument.lot == 0
    assert quantity * D(str(exposure)) >= 0
    assert abs(quantity) <= method.full_size(inputs) * abs(D(str(exposure)))
    assert method.size(-exposure, inputs) == -quantity


@every_sizer
@given(exposure=exposures, inputs=inputs, volatility=st.none() | st.floats(0.01, 3))
def test_only_a_method_that_says_so_looks_at_the_volatility(method, exposure, inputs, volatility):
    """Whoever asks for a size computes the volatility for those alone."""
    other = replace(inputs, volatility=volatility)
    if not method.needs_volatility:
        assert method.explain(exposure, other) == method.explain(exposure, inputs)


def test_the_target_of_a_volatility_needs_it():
    """Without it there would be no size, for ever."""
    assert build_sizer({"method": "volatility_target"}).needs_volatility


@every_sizer
@given(small=st.floats(0, 1), large=st.floats(0, 1), inputs=inputs)
def test_more_exposure_is_never_less_size(method, small, large, inputs):
    small, large = sorted((small, large))
    assert method.size(small, inputs) <= method.size(large, inputs)


@every_sizer
@pytest.mark.parametrize("exposure", [1.01, -2, float("nan"), float("inf"), D("NaN"), D("sNaN")])
def test_an_exposure_that_is_none_has_no_size(method, exposure):
    sized = method.explain(exposure, SizingInputs(AAPL, D(100), D(1000), 0.2))
    assert sized.quantity == 0
    assert "exposure" in sized.reason


@every_sizer
@pytest.mark.parametrize("field", ["price", "equity", "rate"])
@pytest.mark.parametrize("bad", [D(0), D(-1), D("NaN"), D("Infinity"), 100.0, None])
def test_incident_46_garbage_has_no_size_and_a_reason(method, field, bad):
    good = SizingInputs(AAPL, D(100), D(1000), 0.2)
    sized = method.explain(1, replace(good, **{field: bad}))
    assert sized.quantity == 0
    assert "above zero" in sized.reason


def test_an_exposure_of_zero_is_flat_and_known():
    sized = SIZERS[3].explain(0, SizingInputs(AAPL, D(100), D(1000), None))
    assert (sized.quantity, sized.reason) == (0, "")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "must be one of fixed, fixed_fractional, volatility_target, not None"),
        ({"method": "kelly"}, "not 'kelly'"),
        ({"method": "fixed_fractional", "percent": -1}, "fixed_fractional: percent: .*greater than 0"),
        ({"method": "fixed_fractional", "percnt": 1}, "percnt: .*not permitted"),
        ({"method": "volatility_target", "max_leverage": 21}, "max_leverage"),
    ],
)
def test_settings_that_are_wrong_are_told(raw, message):
    with pytest.raises(ValueError, match=message):
        build_sizer(raw)


def test_help_tells_every_parameter():
    told = {each.name: each for each in describe_sizers()}
    assert set(told) == set(all_sizers())
    assert all(each.title and all(each.parameters.values()) for each in told.values())


def test_a_name_belongs_to_one_method():
    with pytest.raises(ValueError, match="registered twice"):
        sizer("fixed")(type(SIZERS[0]))
