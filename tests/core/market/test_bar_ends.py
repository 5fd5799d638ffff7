"""Bars that end together, however they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.market import Bar
from core.market.bar_ends import AHEAD, GRACE, BarEnds, newest_end
from core.settings import Period

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def bar(symbol: str, minutes: int, price: int = 1) -> Bar:
    one = Decimal(price)
    return Bar(symbol, NOON + minutes * MINUTE, one, one, one, one, one)


def ends(*symbols: str, known: int | None = 0) -> BarEnds:
    made = BarEnds(MINUTE, symbols or ("A", "B"))
    for symbol in symbols or ("A", "B"):
        if known is not None:
            made.begin(symbol, NOON + known * MINUTE)
    return made


def shown(found) -> list[tuple[int, str, bool]]:
    return [((end.at - NOON) // MINUTE, "".join(sorted(end.bars)), end.is_old) for end in found]


@pytest.mark.parametrize("period", Period)
def test_the_newest_end(period):
    """Ends lie on round times in UTC; a day ends at midnight."""
    end = newest_end(NOON + timedelta(minutes=59, seconds=59), period.length)
    at = {"1m": (12, 59), "5m": (12, 55), "15m": (12, 45), "1h": (12, 0), "4h": (12, 0), "1d": (0, 0)}[period.value]
    assert (end.hour, end.minute, end.second) == (*at, 0)
    assert newest_end(end, period.length) == end


def test_all_that_end_together_are_one_moment():
    """As soon as the last of them is there."""
    made, now = ends(), NOON + MINUTE + SECOND
    made.take([bar("A", 1)], now)
    assert not made.ready(now)
    made.take([bar("B", 1)], now)
    assert shown(made.ready(now)) == [(1, "AB", False)]
    assert not made.ready(now)


def test_a_straggler_is_not_waited_for_without_end():
    """It is a moment of its own, and still to be traded on within its period."""
    made, end = ends(), NOON + MINUTE
    made.take([bar("A", 1)], end)
    assert not made.ready(end + GRACE - SECOND)
    assert shown(made.ready(end + GRACE)) == [(1, "A", False)]
    made.take([bar("B", 1), bar("A", 1, 2)], end + 30 * SECOND)
    assert shown(made.ready(end + 30 * SECOND)) == [(1, "B", False)]


def test_after_a_gap_the_past_comes_first_and_is_old():
    """A bar does not pass those before it while they are asked for."""
    made, now = ends("A"), NOON + 4 * MINUTE + SECOND
    made.take([bar("A", 4)], now)
    assert not made.ready(now)
    assert made.missing(now) == {"A": 4}
    made.take([bar("A", n) for n in (1, 3, 2, 4)], now)
    made.asked(["A"], now)
    assert shown(made.ready(now)) == [(1, "A", True), (2, "A", True), (3, "A", True), (4, "A", False)]
    assert not made.missing(now)


def test_a_hole_that_cannot_be_filled_holds_nothing_up():
    """A venue has no bar where nothing was traded."""
    made, now = ends("A"), NOON + 3 * MINUTE + SECOND
    made.take([bar("A", 3)], now)
    made.asked(["A"], now)
    assert shown(made.ready(now)) == [(3, "A", False)]


def test_what_is_known_or_wrong_is_left_out():
    """Bars that are history, not complete, off their grid, or of something else."""
    made, now = ends("A"), NOON + MINUTE
    made.take([bar("A", 0), bar("A", -3), bar("A", 2), bar("C", 1)], now)
    made.take([Bar("A", NOON + 30 * SECOND, *[Decimal(1)] * 5)], now)
    assert not made.ready(now + GRACE)


def test_the_venues_clock_may_be_ahead_of_ours_a_little():
    """Its bar has ended by its own clock."""
    made = ends("A")
    made.take([bar("A", 1)], NOON + MINUTE - AHEAD - SECOND)
    assert not made.ready(NOON + MINUTE - AHEAD)
    made.take([bar("A", 1)], NOON + MINUTE - SECOND)
    assert shown(made.ready(NOON + MINUTE - SECOND)) == [(1, "A", False)]


def test_another_source_begins_with_nothing_of_the_one_before():
    """No moment has bars of two venues, and none comes before the history of its own venue is there."""
    made, now = ends(), NOON + MINUTE
    made.take([bar("A", 1, 1)], now)
    made.forget()
    made.take([bar("A", 1, 7), bar("B", 1, 7)], now)
    assert not made.ready(now + GRACE)
    assert not made.missing(now)
    for symbol in "AB":
        made.begin(symbol, NOON)
    (end,) = made.ready(now)
    assert {each.close for each in end.bars.values()} == {7}


def test_one_without_history_holds_up_no_other():
    """Those who have theirs do not wait for longer than for any straggler."""
    made, now = ends("A", known=0), NOON + MINUTE + GRACE
    both = BarEnds(MINUTE, "AB")
    both.begin("A", NOON)
    for each in (made, both):
        each.take([bar("A", 1), bar("B", 1)], now)
        assert shown(each.ready(now)) == [(1, "A", False)]
    both.begin("B", NOON)
    assert shown(both.ready(now)) == [(1, "B", False)]


def test_what_waits_for_history_is_bounded():
    """The venue's answer has what came before."""
    made = ends("A", known=None)
    for minute in range(1, 1000):
        made.take([bar("A", minute)], NOON + minute * MINUTE)
    assert len(made._waiting) == 3
    made.begin("A", NOON + 998 * MINUTE)
    assert shown(made.ready(NOON + 999 * MINUTE)) == [(999, "A", False)]
    assert not made._waiting


def test_before_history_is_there_nothing_is_asked_for_bit_by_bit():
    made = ends("A", known=None)
    assert not made.missing(NOON)
    assert made.known_until("A") is None
    made.begin("A", NOON - MINUTE)
    assert made.missing(NOON) == {"A": 1}


@settings(max_examples=60)
@given(st.data())
def test_every_bar_comes_once_and_in_order(data):
    """However they come, whichever venue counts: nothing twice or backwards, old is old, and no foreign bar."""
    made, last, seen = ends(), {}, []
    now, venue, begun = NOON, 1, {"A", "B"}
    for _ in range(data.draw(st.integers(1, 40))):
        now += timedelta(seconds=data.draw(st.integers(0, 50)))
        newest = int((now - NOON) // MINUTE)
        match data.draw(st.sampled_from(["", "", "", "another venue", "history"])):
            case "another venue":
                made.forget()
                venue, begun = venue + 1, set()
            case "history":
                symbol = data.draw(st.sampled_from("AB"))
                made.begin(symbol, NOON + (newest - 1) * MINUTE)
                begun.add(symbol)
        coming = data.draw(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, newest)), max_size=4))
        made.take([bar(*each, venue) for each in coming], now)
        if data.draw(st.booleans()):
            made.asked(made.missing(now), now)
        for end in made.ready(now):
            assert end.is_old == (now - end.at >= MINUTE)
            for symbol, one in end.bars.items():
                assert symbol in begun
                assert one.close == venue
                assert one.at == end.at > last.get(symbol, NOON)
                last[symbol] = one.at
                seen.append((symbol, one.at))
    assert len(seen) == len(set(seen))
    for symbol in "AB":
        made.begin(symbol, NOON)
    made.take([bar("A", newest), bar("B", newest)], now)
    for later in range(4):
        made.ready(now + later * GRACE)
    for symbol in "AB":
        assert made.known_until(symbol) == NOON + newest * MINUTE
    assert not made._waiting
