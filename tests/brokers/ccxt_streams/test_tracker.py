"""One story of each order, out of events that come twice, late and in any order."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from brokers.ccxt.streams.tracker import Tracker, key_of
from brokers.order import ClientOrderId, Fill, OrderReport
from brokers.order import VenueOrderState as State
from tests.brokers.ccxt_streams.rig import AT, fill, report

PARTIAL, FILLED, CANCELLED = State.PARTIALLY_FILLED, State.FILLED, State.CANCELLED


def _later(told: OrderReport, seconds: int) -> OrderReport:
    return replace(told, at=AT + timedelta(seconds=seconds))


def test_what_was_told_already_is_not_told_again():
    """Neither a state nor a fill."""
    tracker = Tracker()
    partial = report(state=PARTIAL, filled="0.5", fills=(fill("1"),))
    assert tracker.take(report()) == report()
    assert tracker.take(report()) is None
    assert tracker.take(partial) == partial
    assert tracker.take(partial) is None
    assert tracker.take(_later(partial, 5)) is None


def test_a_fill_that_comes_after_the_end_is_told_and_the_order_stays_over():
    """Cancelled first, then the fill that had come before: the state does not go back."""
    tracker = Tracker()
    tracker.take(_later(report(state=CANCELLED, filled="0.5"), 3))
    told = tracker.take(_later(report(state=PARTIAL, filled="0.5", fills=(fill("1"),)), 2))
    assert told is not None
    assert told.state is CANCELLED
    assert told.fills == (fill("1"),)


def test_an_older_event_does_not_undo_a_change_of_terms():
    """The newest word on price and quantity counts."""
    tracker = Tracker()
    tracker.take(report())
    changed = _later(report(limit_price=Decimal(90)), 5)
    assert tracker.take(changed) == changed
    assert tracker.take(_later(report(limit_price=Decimal(95)), 3)) is None
    late = tracker.take(_later(report(state=PARTIAL, filled="0.5", fills=(fill("1"),)), 4))
    assert late is not None
    assert (late.limit_price, late.filled, late.state) == (Decimal(90), Decimal("0.5"), PARTIAL)


def test_a_fee_that_becomes_known_is_news():
    """The same fill with its fee is told once more; then it is known."""
    tracker = Tracker()
    tracker.take(report(state=PARTIAL, filled="0.5", fills=(fill("1", fee=None),)))
    paid = report(state=PARTIAL, filled="0.5", fills=(fill("1", fee="0.1"),))
    assert (told := tracker.take(paid)) is not None
    assert told.fills == paid.fills
    assert tracker.take(paid) is None


def test_a_lone_fill_advances_its_order():
    """What the fills sum up to is filled; all of it is the end."""
    tracker = Tracker()
    tracker.take(report())
    first = tracker.take_fill(fill("1", client_id=""), ("", "a"))
    assert first is not None
    assert (first.state, first.filled, first.fills[0].client_order_id) == (PARTIAL, Decimal("0.5"), "a")
    assert tracker.take_fill(fill("1"), ("", "a")) is None
    last = tracker.take_fill(fill("2"), ("", "a"))
    assert last is not None
    assert (last.state, last.filled) == (FILLED, Decimal(1))
    track = tracker.find(("", "a"))
    assert track is not None
    assert track.is_complete


def test_an_order_that_says_more_than_its_fills_is_incomplete():
    """What was filled before we first heard of it does not count."""
    tracker = Tracker()
    tracker.take(report(state=PARTIAL, filled="0.2"), asked=True)
    track = tracker.find(("", "a"))
    assert track is not None
    assert track.is_complete
    tracker.take(report(state=PARTIAL, filled="0.7"))
    assert not track.is_complete
    tracker.take(report(state=PARTIAL, filled="0.7", fills=(fill("1", "0.5"),)))
    assert track.is_complete


def test_a_push_that_says_more_than_its_fills_is_incomplete():
    """They are about to come, or must be asked for."""
    tracker = Tracker()
    tracker.take(report(state=FILLED, filled="1"))
    assert not tracker.is_complete(("", "a"))
    told = tracker.take_fill(fill("1"), ("", "a"))
    assert told is not None
    assert (told.filled, told.state) == (Decimal(1), FILLED)


def test_an_answer_knows_of_the_order_in_the_place_of_another():
    """A changed order has another id at the venue; its older half has ended, it has not."""
    tracker = Tracker()
    tracker.take(report(state=CANCELLED))
    successor = report(venue_order_id="8", quantity=Decimal(2))
    assert tracker.take(successor) is None
    assert (told := tracker.take(replace(successor, quantity=Decimal(3)), asked=True)) is not None
    assert (told.state, told.venue_order_id) == (State.WORKING, "8")


def test_orders_are_found_by_any_of_their_names():
    """By our id and by the venue's, among the words of a message; others are not."""
    tracker = Tracker()
    tracker.take(report("a"))
    tracker.take(report("b", venue_order_id="8"))
    tracker.take(report("", venue_order_id="9"))
    assert tracker.mentioned(["x", "7"]) == [("", "a")]
    assert tracker.mentioned(["b", "nothing"]) == [("", "b")]
    assert tracker.mentioned(["9"]) == [("BTC/USDT", "9")]
    assert tracker.mentioned(["10"]) == []


def test_memory_is_bounded_and_open_orders_are_never_forgotten():
    """Thousands of orders that are over are forgotten, the oldest first."""
    tracker = Tracker()
    tracker.take(report("open", venue_order_id="open"))
    for number in range(9000):
        tracker.take(report(f"o{number}", CANCELLED, venue_order_id=str(number)))
    assert len(tracker._tracks) < 4100
    assert len(tracker._names) < 6200
    assert tracker.find(("", "open")) is not None
    assert tracker.find(("", "o8999")) is not None


def _story(cuts: list[int], end: State) -> list[OrderReport]:
    """What a venue tells of one order: working, a fill at each cut, an end."""
    filled, events = Decimal(0), [_later(report(quantity=Decimal(100)), 0)]
    for number, cut in enumerate(cuts, start=1):
        filled += cut
        each = fill(str(number), str(cut))
        events.append(_later(report(state=PARTIAL, filled=str(filled), quantity=Decimal(100), fills=(each,)), number))
    over = FILLED if filled == 100 else end
    return [*events, _later(report(state=over, filled=str(filled), quantity=Decimal(100)), len(cuts) + 1)]


@given(
    st.lists(st.integers(1, 20), max_size=5),
    st.sampled_from([CANCELLED, State.EXPIRED]),
    st.data(),
)
def test_whatever_the_order_of_events_the_story_is_the_same(cuts: list[int], end: State, data: st.DataObject):
    """Each event at least once, some twice, in any order: every fill once, states never back, the same end."""
    events = _story(cuts, end)
    twice = data.draw(st.lists(st.sampled_from(events), max_size=5))
    tracker, told = Tracker(), []
    for event in data.draw(st.permutations([*events, *twice])):
        if (news := tracker.take(event)) is not None:
            told.append(news)
    ids = [each.fill_id for news in told for each in news.fills]
    assert sorted(ids) == sorted(str(number) for number in range(1, len(cuts) + 1))
    filled = [news.filled for news in told]
    assert filled == sorted(filled)
    is_open = [news.state.is_open for news in told]
    assert is_open == sorted(is_open, reverse=True)
    track = tracker.find(key_of(events[0]))
    assert track is not None
    assert (track.report.state, track.report.filled) == (events[-1].state, events[-1].filled)
    assert track.is_complete


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.data())
def test_fills_that_are_told_apart_from_their_order_make_the_same_story(cuts: list[int], data: st.DataObject):
    """Whichever is first, the order or its executions: each fill once, and never more filled than was."""
    whole, filled = Decimal(sum(cuts)), Decimal(0)
    known = report(quantity=whole)
    events: list[OrderReport | Fill] = [known]
    for number, cut in enumerate(cuts, start=1):
        filled += cut
        state = FILLED if filled == whole else PARTIAL
        events += [fill(str(number), str(cut)), _later(replace(known, state=state, filled=filled), number)]
    tracker, told = Tracker(), []
    for event in data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))])):
        if isinstance(event, OrderReport):
            told.append(tracker.take(event))
        elif tracker.find(("", "a")) is not None:  # else it is asked for
            told.append(tracker.take_fill(event, ("", "a")))
    told.append(tracker.take(replace(known, state=FILLED, filled=whole, fills=tuple(_fills(cuts))), asked=True))
    news = [each for each in told if each is not None]
    assert sorted(each.fill_id for one in news for each in one.fills) == sorted(str(n + 1) for n in range(len(cuts)))
    assert max(each.filled for each in news) == whole
    assert tracker.is_complete(("", "a"))


def _fills(cuts: list[int]) -> list[Fill]:
    return [fill(str(number), str(cut)) for number, cut in enumerate(cuts, start=1)]


def test_somebody_elses_order_is_no_order_of_ours():
    """It has a name of its own, even where the venue's ids are unique in a market only."""
    ours, theirs = report("a"), report("", symbol="ETH/USDT")
    tracker = Tracker()
    tracker.take(ours)
    assert tracker.take(theirs) == theirs
    assert key_of(theirs) == ("ETH/USDT", "7")
    assert key_of(ours) == ("", ClientOrderId("a"))
