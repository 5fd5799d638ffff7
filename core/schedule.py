"""When something is done: as a person writes it, and as it is stored. Pure.

`every 30 s`, `every 5 min`, `every 2 h`; `daily 17:00`, `mon-fri 08:30`, `sat,sun 10:00`, `monthly 1 09:00`; behind a
time a zone may stand, like `Europe/Berlin`. `read_schedule(str(schedule))` is the same schedule again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOW = "Write it like: every 5 min, daily 17:00, mon-fri 08:30, sat,sun 10:00, or monthly 1 09:00."
LAST_DAY = 28  # of every month; a later one would be left out in February

_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "hours": 3600}
_INTERVAL = re.compile(r"every (\d{1,6}(?:\.\d{1,3})?) ?([a-z]+)\Z", re.ASCII)
_AT = re.compile(r"(daily|monthly \d{1,2}|[a-z,-]{3,40}) (\d{1,2}):(\d{2})(?: ([A-Za-z0-9_+/-]{1,40}))?\Z", re.ASCII)


class NoSchedule(ValueError):
    """What was written is no schedule; the text says how one is written."""


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, `seconds` apart."""

    seconds: float

    def __str__(self) -> str:
        for unit, name in ((3600, "h"), (60, "min")):
            if self.seconds >= unit and self.seconds % unit == 0:
                return f"every {self.seconds / unit:g} {name}"
        return f"every {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class At:
    """At a time of day in a zone: on some days of the week, or on one day of the month (`day` > 0)."""

    hour: int
    minute: int
    days: tuple[str, ...] = DAYS
    day: int = 0
    zone: str = "UTC"

    def __str__(self) -> str:
        which = f"monthly {self.day}" if self.day else "daily" if self.days == DAYS else ",".join(_runs(self.days))
        return f"{which} {self.hour:02}:{self.minute:02} {self.zone}"


Schedule = Every | At


def read_schedule(text: str, zone: str = "UTC") -> Schedule:
    """A schedule from what a person wrote; `zone` is meant where none is named. Raises `NoSchedule`."""
    words = " ".join(text.split())
    if found := _INTERVAL.match(words.lower()):
        return _every(found[1], found[2])
    shown = _AT.match(words[: _zone_starts(words)].lower() + words[_zone_starts(words) :])
    if not shown:
        raise NoSchedule(f"“{words[:60]}” says no time that I know. {HOW}")
    hour, minute = int(shown[2]), int(shown[3])
    if hour > 23 or minute > 59:
        raise NoSchedule(f"{shown[2]}:{shown[3]} is no time of day. {HOW}")
    days, day = _days(shown[1])
    return At(hour, minute, days, day, _known(shown[4] or zone))


def _every(number: str, unit: str) -> Every:
    if unit not in _UNITS or float(number) <= 0:
        raise NoSchedule(f"“every {number} {unit}” is no interval: give seconds (s), minutes (min) or hours (h). {HOW}")
    return Every(float(number) * _UNITS[unit])


def _zone_starts(words: str) -> int:
    """Where the zone begins: its name keeps its capitals."""
    time = re.search(r"\d:\d\d\b", words)
    return time.end() if time else len(words)


def _days(word: str) -> tuple[tuple[str, ...], int]:
    """The days of the week, and the day of the month or 0."""
    if word == "daily":
        return DAYS, 0
    if word.startswith("monthly "):
        day = int(word.split()[1])
        if not 1 <= day <= LAST_DAY:
            raise NoSchedule(f"Give a day from 1 to {LAST_DAY}: every month has that. {HOW}")
        return DAYS, day
    chosen = {name for part in word.split(",") for name in _span(part)}
    return tuple(name for name in DAYS if name in chosen), 0


def _span(part: str) -> list[str]:
    """`mon-fri`, or one day."""
    first, _, last = part.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise NoSchedule(f"“{part[:20]}” is no day: use {', '.join(DAYS)}. {HOW}")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [DAYS[place % 7] for place in range(start, (end if end >= start else end + 7) + 1)]


def _runs(days: tuple[str, ...]) -> Iterator[str]:
    """Days that follow each other as one span."""
    for _, group in groupby(enumerate(map(DAYS.index, days)), key=lambda pair: pair[1] - pair[0]):
        places = [place for _, place in group]
        long = len(places) > 2
        yield f"{DAYS[places[0]]}-{DAYS[places[-1]]}" if long else ",".join(DAYS[place] for place in places)


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NoSchedule(f"I know no time zone {zone[:40]}: use a name like Europe/Berlin. {HOW}") from error
    return zone
