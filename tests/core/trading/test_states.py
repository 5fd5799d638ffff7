"""The table of order states is complete, and the venue's word moves orders by it."""

from __future__ import annotations

from itertools import product

import pytest

from brokers.order import VenueOrderState
from core.trading.states import REOPENS, TRANSITIONS, OrderState, after_report, of_venue

S, V = OrderState, VenueOrderState


def test_every_state_has_a_row_and_leads_to_states() -> None:
    assert set(TRANSITIONS) == set(S)
    assert all(after in S for row in TRANSITIONS.values() for after in row)


@pytest.mark.parametrize(("now", "venue", "complete"), list(product(S, V, (True, False))))
def test_every_word_of_the_venue_is_a_legal_step_or_changes_nothing(now: S, venue: V, complete: bool) -> None:
    after = after_report(now, venue, complete=complete)
    assert after is now or after in TRANSITIONS[now]


@pytest.mark.parametrize("venue", [each for each in V if not each.is_open])
def test_every_open_order_that_was_sent_can_end(venue: V) -> None:
    for now in (S.SUBMITTING, S.UNCERTAIN, S.WORKING, S.PARTIALLY_FILLED, S.CANCELLING):
        assert after_report(now, venue) is of_venue(venue)


@pytest.mark.parametrize("now", [each for each in S if each.is_open])
@pytest.mark.parametrize("venue", list(V))
def test_no_order_ends_before_its_fills_are_here(now: S, venue: V) -> None:
    assert after_report(now, venue, complete=False).is_open


@pytest.mark.parametrize("now", [S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED])
def test_an_old_word_revives_nothing(now: S) -> None:
    assert after_report(now, V.WORKING) is now


@pytest.mark.parametrize("now", [S.NOT_SENT, S.NOT_PLACED])
def test_the_venue_is_right_about_an_order_that_we_thought_was_not_there(now: S) -> None:
    assert after_report(now, V.WORKING) is S.WORKING


def test_while_cancelling_working_is_old_news() -> None:
    assert after_report(S.CANCELLING, V.WORKING) is S.CANCELLING
    assert TRANSITIONS[S.CANCELLING] >= REOPENS
