"""Each bar once, in order, when it has ended: whatever the stream skips, repeats or loses."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from brokers.ccxt.streams.bar_clock import BarClock, floor
from tests.brokers.ccxt_streams.rig import AT, bar

MINUTE = timedelta(minutes=1)
LATE = timedelta(seconds=2)


def _clock(*, trusts: bool = True, second: int = 30) -> BarClock:
    return BarClock(MINUTE, AT + timedelta(seconds=second), trusts_last_candle=trusts)


def test_a_bar_is_told_when_a_later_candle_comes():
    """Not before, with its last values, and once."""
    clock = _clock()
    assert clock.hear(bar(1, "1")) == []
    assert clock.hear(bar(1, "2")) == []
    assert clock.hear(bar(2, "3")) == [bar(1, "2")]
    assert clock.hear(bar(1, "9")) == []
    assert clock.hear(bar(2, "4")) == []
    assert clock.hear(bar(3, "5")) == [bar(2, "4")]


def test_what_ended_before_is_not_told():
    """The stream may begin with the bar that has just ended."""
    clock = _clock()
    assert clock.hear(bar(0)) == []
    assert clock.hear(bar(1)) == []
    assert clock.hear(bar(2)) == [bar(1)]


def test_a_skipped_bar_must_be_asked_for_and_holds_up_those_behind_it():
    """They are told in order, the skipped one among them."""
    clock = _clock()
    clock.hear(bar(1))
    assert clock.hear(bar(4)) == [bar(1)]
    assert clock.hear(bar(5)) == []
    until = clock.due(AT + 4 * MINUTE + LATE, LATE)
    assert until == AT + 4 * MINUTE
    told = clock.filled([bar(1), bar(2, "7"), bar(3), bar(4), bar(5)], until)
    assert told == [bar(2, "7"), bar(3), bar(4)]
    assert clock.hear(bar(6)) == [bar(5)]


def test_a_bar_ends_by_time_where_no_candle_comes():
    """A quiet market pushes nothing; the venue is asked once it is late, and has it or has nothing."""
    clock = _clock()
    assert clock.due(AT + MINUTE + timedelta(seconds=1.9), LATE) is None
    assert clock.due(AT + MINUTE + LATE, LATE) == AT + MINUTE
    assert clock.filled([], AT + MINUTE) == []
    assert clock.told == AT + MINUTE
    assert clock.filled([bar(1)], AT + MINUTE) == []


def test_after_a_break_the_last_word_is_no_bar():
    """Something may have happened while nobody listened."""
    clock = _clock()
    clock.hear(bar(1, "1"))
    clock.broken()
    assert clock.hear(bar(2, "3")) == []
    assert clock.due(AT + 2 * MINUTE + LATE, LATE) == AT + 2 * MINUTE
    assert clock.filled([bar(1, "5"), bar(2, "6")], AT + 2 * MINUTE) == [bar(1, "5"), bar(2, "6")]


def test_a_venue_without_a_last_word_is_asked_for_every_bar():
    """As soon as a later candle says that the period is over."""
    clock = _clock(trusts=False)
    clock.hear(bar(1))
    assert clock.due(AT + MINUTE, LATE) is None
    assert clock.hear(bar(2)) == []
    assert clock.due(AT + MINUTE, LATE) == AT + MINUTE
    assert clock.wants(AT + MINUTE) == {AT + MINUTE}
    assert clock.filled([bar(1, "8")], AT + MINUTE) == [bar(1, "8")]


def test_periods_begin_where_venues_begin_them():
    """Days at midnight, weeks on Mondays, four hours at 0, 4, 8 …"""
    thursday = datetime(2026, 1, 1, 15, 7, 3, tzinfo=UTC)
    assert floor(thursday, timedelta(days=1)) == datetime(2026, 1, 1, tzinfo=UTC)
    assert floor(thursday, timedelta(weeks=1)) == datetime(2025, 12, 29, tzinfo=UTC)
    assert floor(thursday, timedelta(hours=4)) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert floor(datetime(2026, 1, 1, tzinfo=UTC), MINUTE) == datetime(2026, 1, 1, tzinfo=UTC)


_STEPS = st.lists(st.sampled_from(["pass", "candle", "again", "old", "skip", "break", "ask"]), max_size=80)


@given(_STEPS, st.booleans())
def test_every_bar_is_told_once_in_order_and_with_what_the_venue_has(steps: list[str], trusts: bool):
    """A venue's minutes pass; candles come, come again, come late, are missed, and the stream breaks."""
    clock, told, minute, heard = _clock(trusts=trusts, second=0), [], 0, 0
    for step in steps:
        if step == "pass" and (heard == minute + 1 or not trusts):
            minute += 1  # a trusted stream tells the last candle of each period, unless it breaks or skips
        elif step == "skip":
            clock.broken()
            minute += 2
        elif step in {"candle", "again"}:
            heard = minute + 1
            told += clock.hear(bar(heard, str(heard)))
        elif step == "old":
            told += clock.hear(bar(minute, str(minute))) if minute else []
        elif step == "break":
            clock.broken()
        elif step == "ask" and (until := clock.due(AT + minute * MINUTE + LATE, LATE)) is not None:
            told += clock.filled([bar(each, str(each)) for each in range(1, minute + 1)], until) + clock.release()
    if (until := clock.due(AT + minute * MINUTE + LATE, LATE)) is not None:
        told += clock.filled([bar(each, str(each)) for each in range(1, minute + 1)], until) + clock.release()
    assert told == [bar(each, str(each)) for each in range(1, minute + 1)]
