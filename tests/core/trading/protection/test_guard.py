"""The levels of one position, and what hits them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from brokers.instrument import Instrument
from core.trading.protection.guard import Guard, Leg
from core.trading.protection.spec import ExitSpec, Source

D = Decimal
AT = datetime(2024, 3, 4, tzinfo=UTC)
ACME = Instrument("ACME", "USD")


def guard(units: int = 10, **exits: object) -> Guard:
    return Guard("alpha", ACME, ExitSpec.model_validate(exits), Source.SETTINGS, D(units), D(100), AT, "e")


@pytest.mark.parametrize(
    ("units", "stop", "target"), [(10, D(97), D(106)), (-10, D(103), D(94))], ids=["long", "short"]
)
def test_stop_and_target_lie_on_either_side_of_the_entry(units: int, stop: Decimal, target: Decimal) -> None:
    """Mirrored for a short position."""
    both = guard(units, stop_loss={"percent": 3}, take_profit={"amount": 6})
    assert (both.stop, both.target) == (stop, target)
    assert both.hit_by(stop) is Leg.STOP
    assert both.hit_by(target) is Leg.TARGET
    assert both.hit_by(D(100)) is None


def test_the_nearer_of_both_stops_counts() -> None:
    """A trailing stop takes over once it is above the stop-loss."""
    one = guard(stop_loss={"percent": 3}, trailing={"percent": 5}).seeing(D(100))
    assert (one.stop, one.stop_leg) == (97, Leg.STOP)
    higher = one.seeing(D(120))
    assert (higher.stop, higher.stop_leg) == (114, Leg.TRAIL)


def test_average_true_ranges_are_those_of_the_opening() -> None:
    """Until they are known there is no level."""
    one = guard(stop_loss={"atr": 2})
    assert (one.waits_for_atr, one.stop, one.hit_by(D(1))) == (True, None, None)
    assert replace(one, atr=D("1.5")).stop == 97


@given(st.lists(st.decimals(1, 1000, places=2), min_size=1, max_size=30), st.booleans())
def test_a_trailing_stop_never_goes_back_and_is_never_far_behind(prices: list[Decimal], short: bool) -> None:
    """It moves in steps of a twentieth of its distance."""
    one = guard(-10 if short else 10, trailing={"amount": 5})
    best = one.entry
    for price in prices:
        before = one.trailing_stop
        one = one.seeing(price)
        best = (min if short else max)(best, price)
        assert before is None or (one.trailing_stop - before) * one.sign >= 0
        assert abs(one.best - best) < D("0.25")


def test_time_is_up_by_bars_or_by_hours() -> None:
    """Whichever comes first."""
    one = guard(max_bars=3, max_hours=2)
    assert not one.is_overdue(AT + timedelta(minutes=119))
    assert one.is_overdue(AT + timedelta(hours=2))
    assert replace(one, bars=3).is_overdue(AT)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"stop_loss": {}},
        {"stop_loss": {"percent": 1, "amount": 1}},
        {"stop_loss": {"percent": 100}},
        {"trailing": {"atr": 0}},
        {"stop_loss": {"amount": "NaN"}},
        {"max_bars": 0},
        {"max_hours": "Infinity"},
        {"stop": {"percent": 1}},
    ],
)
def test_what_makes_no_sense_is_refused(bad: dict[str, object]) -> None:
    """At the settings, not at the first loss."""
    with pytest.raises(ValidationError):
        ExitSpec.model_validate(bad)


def test_exits_come_back_from_the_store_as_they_were() -> None:
    """As JSON."""
    spec = guard(stop_loss={"percent": "2.5"}, trailing={"atr": 3}, max_hours="1.5").spec
    assert spec is not None
    assert ExitSpec.model_validate(spec.stored()) == spec
    assert str(spec) == "stop 2.5 %, trailing 3 ATR, 1.5 hours"
