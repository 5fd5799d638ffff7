"""Schedules: read as people write them, kept as they were meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.schedule import DAYS, LAST_DAY, At, Every, NoSchedule, read_schedule


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("every 30 s", Every(30)),
        ("Every 5 MIN", Every(300)),
        ("every 0.5s", Every(0.5)),
        ("every 2 h", Every(7200)),
        ("daily 17:00", At(17, 0, zone="Asia/Tokyo")),
        ("mon-fri 8:30", At(8, 30, DAYS[:5], zone="Asia/Tokyo")),
        ("sat,sun 10:00 Europe/Berlin", At(10, 0, DAYS[5:], zone="Europe/Berlin")),
        ("fri-mon 09:00 UTC", At(9, 0, ("mon", "fri", "sat", "sun"), zone="UTC")),
        ("  monthly   1   09:00 ", At(9, 0, day=1, zone="Asia/Tokyo")),
    ],
)
def test_what_people_write_is_understood(text, meant):
    """In the writer's zone where none is named."""
    assert read_schedule(text, "Asia/Tokyo") == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "daily", "daily 25:00", "daily 12:60", "every 0 s", "every 5 parsecs", "every -1 s", "foo 12:00",
        "monthly 31 09:00", "monthly 0 09:00", "mon-foo 09:00", "daily 17:00 Mars/Phobos", "daily ١٧:٠٠", "every ٥ min",
        "daily 17:00 ../../etc/passwd", "every 1e3 s", "every nan s", ", 09:00", "mon,,tue 09:00", "daily 17:00 UTC UTC",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_with_how_to_write_one(text):
    """Nothing is guessed."""
    with pytest.raises(NoSchedule, match="mon-fri 08:30"):
        read_schedule(text)


_ATS = st.builds(
    At,
    st.integers(0, 23),
    st.integers(0, 59),
    st.sets(st.sampled_from(DAYS), min_size=1).map(lambda chosen: tuple(day for day in DAYS if day in chosen)),
    st.just(0),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
) | st.builds(At, st.integers(0, 23), st.integers(0, 59), day=st.integers(1, LAST_DAY))


@given(_ATS | st.builds(Every, st.integers(1, 200_000).map(float)))
def test_a_schedule_is_read_back_as_it_was_written(schedule):
    """Whatever is stored means the same after a restart, in whatever zone it is read."""
    assert read_schedule(str(schedule), "Asia/Tokyo") == schedule
