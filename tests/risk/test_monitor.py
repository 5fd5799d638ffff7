from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.limits import RiskLimits
from risk.monitor import Severity, assess
from risk.view import TradingState
from tests.risk.accounts import accounts, limits
from tests.risk.builders import MSFT, D, account, held

ACTIVE, REDUCING, HALTED = TradingState
LIMITS = RiskLimits()


def look(view, previous=ACTIVE):
    return assess(view, LIMITS, previous)


def codes(assessment):
    return [breach.code for breach in assessment.breaches]


@pytest.mark.parametrize(
    ("equity", "state", "severity"),
    [
        ("100000", ACTIVE, None),
        ("98000", ACTIVE, None),
        ("97999.99", ACTIVE, Severity.ALERT),
        ("97000", ACTIVE, Severity.ALERT),
        ("96999.99", REDUCING, Severity.REDUCE),
        ("95000", REDUCING, Severity.REDUCE),
        ("94999.99", HALTED, Severity.HALT),
        ("0.01", HALTED, Severity.HALT),
        ("120000", ACTIVE, None),
    ],
)
def test_daily_loss_steps(equity, state, severity):
    found = look(account(equity=D(equity), peak_equity=D(equity)))
    assert found.state is state
    assert [breach.severity for breach in found.breaches] == ([] if severity is None else [severity])


@pytest.mark.parametrize(
    ("equity", "state"),
    [("92000", ACTIVE), ("91999.99", REDUCING), ("90000", REDUCING), ("89999.99", HALTED)],
)
def test_drawdown_steps(equity, state):
    found = look(account(equity=D(equity), day_start_equity=D(equity)))
    assert found.state is state
    assert codes(found) == ([] if state is ACTIVE else ["DRAWDOWN"])


def test_incident_24_each_message_states_what_it_is_measured_from():
    found = look(account(equity=D("92579.95"), day_start_equity=D("100412.20"), peak_equity=D("110000")))
    assert [breach.message for breach in found.breaches] == [
        "Daily loss 7.81 % since day start 100,412.20 exceeds 5 %",
        "Drawdown 15.84 % from peak 110,000.00 exceeds 10 %",
    ]
    assert [(breach.limit, breach.value) for breach in found.breaches] == [
        ("5 %", "7.81 %"),
        ("10 %", "15.84 %"),
    ]


@pytest.mark.parametrize("equity", [None, D("NaN"), D("sNaN"), D("Infinity"), 100_000.0, float("nan")])
def test_incident_46_equity_that_is_no_number_halts(equity):
    found = look(account(equity=equity))
    assert found.state is HALTED
    assert codes(found) == ["EQUITY_UNKNOWN"]


def test_unknown_equity_names_the_missing_price():
    found = look(account(held(5, MSFT, mark=None), equity=None, quotes={}))
    assert found.breaches[0].message == "Equity is unknown: no price for MSFT"


@pytest.mark.parametrize("equity", ["0", "-1"])
def test_equity_that_is_gone_halts(equity):
    found = look(account(equity=D(equity)))
    assert (found.state, codes(found)) == (HALTED, ["EQUITY_GONE"])


@pytest.mark.parametrize("mark", [None, "0", "NaN", "-1"])
def test_incident_22_a_missing_price_is_no_loss_but_no_calm_either(mark):
    found = look(account(held(500, MSFT, mark=mark), equity=D(50_000), quotes={}))
    assert (found.state, codes(found)) == (REDUCING, ["MARK_MISSING"])
    assert "MSFT" in found.breaches[0].message


def test_a_price_of_what_is_not_held_does_not_matter():
    assert look(account(held(0, MSFT, mark=None), quotes={})).state is ACTIVE


@pytest.mark.parametrize("baseline", ["day_start_equity", "peak_equity"])
@pytest.mark.parametrize("value", [D("NaN"), D(0), None, 5.0])
def test_a_baseline_that_is_none_halts(baseline, value):
    found = look(account(**{baseline: value}))
    assert (found.state, codes(found)) == (HALTED, ["FIGURE_UNKNOWN"])


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [(1100, []), (1101, ["GROSS_EXPOSURE", "NET_EXPOSURE"]), (-1101, ["GROSS_EXPOSURE", "NET_EXPOSURE"])],
)
def test_exposure_ten_percent_over_its_limit_reduces(quantity, expected):
    found = look(account(held(quantity)))
    assert codes(found) == expected
    assert found.state is (REDUCING if expected else ACTIVE)


def test_hedges_count_in_gross_but_not_in_net():
    assert codes(look(account(held(600), held(-600, MSFT)))) == ["GROSS_EXPOSURE"]


@pytest.mark.parametrize("previous", TradingState)
def test_going_back_is_a_persons_act(previous):
    assert look(account(), previous).state is previous


@settings(max_examples=60, deadline=None)
@given(view=accounts(), bounds=limits(), previous=st.sampled_from(TradingState))
def test_a_state_only_ever_becomes_graver_and_the_gravest_breach_comes_first(view, bounds, previous):
    found = assess(view, bounds, previous)
    severities = [breach.severity for breach in found.breaches]
    assert found.state == max([previous, *severities])
    assert severities == sorted(severities, reverse=True)


@settings(max_examples=60, deadline=None)
@given(view=accounts(), bounds=limits(), less=st.decimals(D(0), D(10**6), places=2))
def test_less_equity_is_never_judged_more_mildly(view, bounds, less):
    poorer = replace(view, equity=view.equity - less)
    assert assess(poorer, bounds, ACTIVE).state >= assess(view, bounds, ACTIVE).state


@pytest.mark.parametrize("quantity", [D("NaN"), D("sNaN"), "5", None])
def test_a_position_of_garbage_halts_and_does_not_raise(quantity):
    view = account(replace(held(5), quantity=quantity))
    assert look(view).state is HALTED
