"""A history is the last bars, as arrays that never change under their reader."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.history import History
from core.market.series import BarSeries, MarketDataError
from tests.core.market.bars import MONDAY, bar, series


@given(count=st.integers(0, 60), bound=st.integers(1, 12))
def test_it_holds_the_last_bars(count: int, bound: int) -> None:
    """After any number of bars it shows the newest `bound` of them."""
    history = History("X", bound)
    for day in range(count):
        history.append(bar("X", day, day + 1))
        assert history.close.tolist() == list(range(max(1, day + 2 - bound), day + 2))
    assert len(history) == len(history.at) == len(history.volume) == min(count, bound)


def test_arrays_once_taken_do_not_change() -> None:
    """A reader's arrays keep their numbers while the history moves on."""
    history = History("X", 3, series("X", [1, 2, 3]))
    taken, window = history.close, history.last(2)
    history.extend(bar("X", day, 100 + day) for day in range(3, 40))
    assert taken.tolist() == [1, 2, 3]
    assert window.close.tolist() == [2, 3]
    assert window.last(1).close.tolist() == [3]


def test_arrays_are_read_only() -> None:
    """A strategy cannot falsify what others see."""
    history = History("X", 3, series("X", [1, 2, 3]))
    for array in (history.close, history.last(2).high, history.at):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[-1]


def test_columns() -> None:
    """Each array holds its own column, and times are UTC."""
    history = History("X", 3)
    at = MONDAY.astimezone(timezone(timedelta(hours=5)))
    history.append(replace(bar("X", 0, 100), at=at, open=bar("X", 0, 99.5).close))
    assert [history.open[0], history.high[0], history.low[0], history.close[0]] == [99.5, 101, 99, 100]
    assert history.volume[0] == 1000
    assert history.at[0] == np.datetime64("2024-01-01T21:00:00")


def test_last_is_forgiving() -> None:
    """Asking for more than there is, or nothing, gives what there is."""
    history = History("X", 3, series("X", [1, 2]))
    assert history.last(10).close.tolist() == [1, 2]
    assert len(history.last(0)) == len(history.last(-1)) == 0


def test_it_refuses_what_does_not_follow() -> None:
    """No bar of another symbol, none twice, none from the past, none without a zone."""
    history = History("X", 3, series("X", [1, 2]))
    for wrong in (
        bar("Y", 5, 1),
        bar("X", 1, 1),
        bar("X", 0, 1),
        replace(bar("X", 9, 1), at=datetime(2030, 1, 1)),
    ):
        with pytest.raises(ValueError):
            history.append(wrong)
    assert history.close.tolist() == [1, 2]
    with pytest.raises(ValueError, match="at least one"):
        History("X", 0)


def test_it_can_be_pickled() -> None:
    """A worker process gets the same history, which can grow on."""
    copy = pickle.loads(pickle.dumps(History("X", 3, series("X", [1, 2]))))
    copy.append(bar("X", 2, 3))
    assert copy.close.tolist() == [1, 2, 3]


def test_a_series_is_in_order() -> None:
    """A series refuses bars that are out of order, of another symbol, or without a zone."""
    good = series("X", [1, 2]).bars
    instrument = series("X", [1]).instrument
    for bars in (
        good[::-1],
        (good[0], good[0]),
        (bar("Y", 0, 1),),
        (replace(good[0], at=datetime(2024, 1, 1)),),
    ):
        with pytest.raises(MarketDataError):
            BarSeries(instrument, bars)
