"""What waits to be worked off: a line for every chat, and after an outage all of them in order of danger. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

STRANGERS = 0  # one line for all of them; no chat has this id
_MOST_WAITING = 1_000


class Rank(IntEnum):
    """How dangerous it is to let something wait, the most dangerous first."""

    HALT = 0
    REDUCE = 1
    PRESS = 2
    REST = 3
    EXPIRED = 4
    STRANGER = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One stored update.

    `doubtful`: it came after a silence, so a press may be old, and much may have come at once. `interrupted`: begun
    before a crash. `overtaken`: something that makes safer was written later and has been run already.
    """

    update_id: int
    raw: str
    received_at: datetime
    doubtful: bool = False
    interrupted: bool = False
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands: the line of its chat, and its rank."""

    line: int
    rank: Rank

    @property
    def urgent(self) -> bool:
        """Whether it overtakes everything."""
        return self.rank is Rank.HALT


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in its line. `number` counts in the order of writing; jobs with the same `key` share one answer."""

    job: Job
    place: Place
    number: int

    @property
    def rank(self) -> Rank:
        """What makes safer goes first only after an outage; else a chat's commands keep their order."""
        keeps_order = self.place.rank is Rank.REDUCE and not self.job.doubtful
        return Rank.REST if keeps_order else self.place.rank


Group = Sequence[Waiting]


class Backlog:
    """The lines. In each the most urgent rank goes first, then the older."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Waiting]] = {}

    def __iter__(self) -> Iterator[Waiting]:
        return (one for line in self._lines.values() for one in line)

    @property
    def lines(self) -> tuple[int, ...]:
        """The lines in which something waits."""
        return tuple(self._lines)

    def of(self, line: int) -> Sequence[Waiting]:
        """What waits in one line."""
        return self._lines.get(line, ())

    def add(self, one: Waiting) -> bool:
        """Let a job wait; False if its line is full and it makes nothing safer."""
        line = self._lines.setdefault(one.place.line, [])
        if len(line) >= _MOST_WAITING and one.place.rank > Rank.REDUCE:
            return False
        line.append(one)
        return True

    def take(self, group: Group) -> None:
        """These are worked on now."""
        line = group[0].place.line
        taken = {one.number for one in group}
        left = [one for one in self._lines[line] if one.number not in taken]
        if left:
            self._lines[line] = left
        else:
            del self._lines[line]

    def first_rank(self, at_work: Collection[Waiting]) -> Rank:
        """The most dangerous rank that an outage has left, be it waiting or at work."""
        ranks = [one.rank for one in (*self, *at_work) if one.job.doubtful]
        return min(ranks, default=Rank.STRANGER)
