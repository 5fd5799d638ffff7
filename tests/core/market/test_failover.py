"""Which of several feeds counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.failover import Choice

FIRST, SECOND, THIRD = range(3)


def choice(count: int = 3) -> Choice:
    return Choice(count, patience=10, trust=40, now=0)


def look(one: Choice, now: float) -> int:
    one.look(now)
    return one.current


def test_at_the_beginning_the_first_is_waited_for():
    """The second may be quicker; it does not count before patience is over."""
    one = choice()
    one.heard(SECOND, 1)
    assert look(one, 9) == FIRST
    one.heard(SECOND, 9)
    assert look(one, 10.1) == SECOND


def test_silence_hands_over_to_the_first_that_is_well():
    one = choice()
    one.heard(FIRST, 0)
    one.heard(THIRD, 9)
    assert look(one, 10) == FIRST
    assert one.look(10.5)
    assert one.current == THIRD


def test_the_first_counts_again_only_after_it_has_been_well_for_long():
    """A source that comes and goes does not take the prices with it."""
    one = choice()
    one.heard(FIRST, 0)
    for now in range(0, 200, 5):
        one.heard(SECOND, now)
        if now >= 100:
            one.heard(FIRST, now)
        one.look(now)
        assert one.current == (SECOND if 15 <= now < 140 else FIRST), now


def test_one_that_falters_on_its_way_back_begins_anew():
    one = choice()
    for now in range(0, 120, 5):
        one.heard(SECOND, now)
        if 50 <= now < 80 or now >= 95:
            one.heard(FIRST, now)
        one.look(now)
    assert one.current == SECOND  # well since 95 only


def test_in_need_one_that_has_just_come_back_is_good_enough():
    one = choice(2)
    for now in range(0, 60, 5):
        one.heard(SECOND, now)
        one.look(now)
    one.heard(FIRST, 64)
    assert look(one, 66) == FIRST


def test_silence_of_all():
    """Nothing counts instead; and the beginning is no silence yet."""
    one = choice(2)
    assert not one.is_silent(10)
    assert one.is_silent(10.1)
    one.heard(SECOND, 11)
    assert not one.is_silent(21)
    assert look(one, 30) == SECOND if one.look(20) else True
    assert one.is_silent(32)
    assert one.silence(SECOND, 32) == 21


def test_there_must_be_one():
    with pytest.raises(ValueError, match="nothing to choose"):
        choice(0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=80))
def test_a_well_source_is_never_passed_over_for_a_silent_one(steps):
    """Whatever is heard when: once patience is over, who counts is well if anybody is; and one change is one look's."""
    one, now = choice(), 0.0
    for place, seconds in steps:
        now += seconds
        one.heard(place, now)
        now += seconds / 2
        before = one.current
        changed = one.look(now)
        assert changed == (one.current != before)
        assert not one.look(now)
        if now > 10:
            assert one.is_well(one.current, now) or not any(one.is_well(each, now) for each in range(3))
        if one.current < before:
            assert not one.is_well(before, now) or now - one._well_since[one.current] >= 40
