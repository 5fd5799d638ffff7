"""The ladder: what a venue's answers prove about an order in doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.port import Capabilities
from core.trading.ladder import SPAN, Answer, Rung, Search, Verdict, after_look, verdict

A = Answer
START = datetime(2024, 3, 4, tzinfo=UTC)
REAL = Capabilities(frozenset(), frozenset())
NOWHERE = dict.fromkeys(Rung, A.NOT_FOUND)


def looks(*steps: tuple[float, dict[Rung, Answer]]) -> Search:
    search = Search()
    for seconds, answers in steps:
        search = after_look(search, answers, START + timedelta(seconds=seconds))
    return search


def test_three_searches_over_a_minute_give_it_up() -> None:
    assert verdict(looks((0, NOWHERE), (30, NOWHERE), (60, NOWHERE)), REAL) is Verdict.NOT_PLACED


@pytest.mark.parametrize(
    "steps",
    [
        [(0, NOWHERE), (60, NOWHERE)],
        [(0, NOWHERE), (1, NOWHERE), (59.9, NOWHERE)],
        [(0, {Rung.BY_ID: A.NOT_FOUND}), (30, {Rung.BY_ID: A.NOT_FOUND}), (90, {Rung.BY_ID: A.NOT_FOUND})],
        [(0, NOWHERE), (30, NOWHERE), (90, {**NOWHERE, Rung.FILLS: A.FAILED})],
        [(0, NOWHERE), (30, {Rung.OPEN: A.FOUND}), (60, NOWHERE), (90, NOWHERE)],
        [(0, dict.fromkeys(Rung, A.FAILED))] * 20,
    ],
)
def test_anything_less_proves_nothing(steps: list[tuple[float, dict[Rung, Answer]]]) -> None:
    assert verdict(looks(*steps), REAL) is Verdict.KEEP_LOOKING


def test_without_our_id_only_a_person_may_give_it_up() -> None:
    lists = {**NOWHERE, Rung.BY_ID: A.UNSUPPORTED}
    search = looks((0, lists), (30, lists), (60, lists))
    assert verdict(search, replace(REAL, find_by_client_id=False)) is Verdict.ASK_A_PERSON


def test_the_word_of_a_simulated_venue_is_definite_at_once() -> None:
    assert verdict(looks((0, NOWHERE)), replace(REAL, simulated=True)) is Verdict.NOT_PLACED
    failed = looks((0, {**NOWHERE, Rung.OPEN: A.FAILED}))
    assert verdict(failed, replace(REAL, simulated=True)) is Verdict.KEEP_LOOKING


answers = st.dictionaries(st.sampled_from(Rung), st.sampled_from(Answer), min_size=1)


@given(st.lists(st.tuples(st.floats(0, 40), answers), max_size=12), st.booleans())
def test_it_is_never_given_up_without_the_proof(steps: list[tuple[float, dict[Rung, Answer]]], by_id: bool) -> None:
    """Counted again from nothing: the run of whole misses at the end."""
    at, moments = START, []
    search = Search()
    for seconds, each in steps:
        at += timedelta(seconds=seconds)
        search = after_look(search, each, at)
        moments.append((at, each))
    run: list[tuple[datetime, dict[Rung, Answer]]] = []
    for moment, each in moments:
        if A.FOUND in each.values():
            run = []
        elif A.FAILED not in each.values() and A.NOT_FOUND in each.values():
            run.append((moment, each))
    rungs = [{rung for rung, answer in each.items() if answer is A.NOT_FOUND} for _, each in run]
    proven = len(run) >= 3 and run[-1][0] - run[0][0] >= SPAN and len(set.intersection(*rungs)) >= 2
    wanted = (Verdict.NOT_PLACED if by_id else Verdict.ASK_A_PERSON) if proven else Verdict.KEEP_LOOKING
    assert verdict(search, replace(REAL, find_by_client_id=by_id)) is wanted


def test_it_is_looked_for_at_once_and_then_less_often() -> None:
    search, pauses = Search(), []
    at = START
    for _ in range(8):
        due = search.next_at(START)
        pauses.append((due - at).total_seconds())
        at = due
        search = after_look(search, NOWHERE, at)
    assert pauses == [2, 2, 4, 8, 15, 30, 30, 30]
