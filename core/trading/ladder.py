"""The ladder by which an order in doubt is resolved. Pure: it says what the answers of a venue prove, and when to ask.

::

    1  by our id        2  open orders        3  closed orders        4  recent fills

Whoever finds it, at any rung, has the truth. That it is nowhere proves little: a venue may learn of an order late,
and a replica later. So it is presumed not placed only after three searches in a row that found nothing anywhere,
over a minute at least, on two rungs at least; and it is still watched for a day. A query that fails counts as
nothing. Where a venue cannot be asked by our id, only a person may give an order up. It is never sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from brokers.port import Capabilities

SEARCHES = 3
SPAN = timedelta(seconds=60)
RUNGS = 2
WATCH = timedelta(hours=24)

_PAUSES = (2, 2, 4, 8, 15, 30)
_WATCH_PAUSES = (30, 60, 120, 300)


class Rung(StrEnum):
    """Where a venue can be asked."""

    BY_ID = "by our id"
    OPEN = "open orders"
    CLOSED = "closed orders"
    FILLS = "recent fills"


class Answer(StrEnum):
    """What it said there."""

    FOUND = "found"
    NOT_FOUND = "not found"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


class Verdict(StrEnum):
    """What follows from a search so far."""

    KEEP_LOOKING = "keep looking"
    NOT_PLACED = "not placed"
    ASK_A_PERSON = "ask a person"


@dataclass(frozen=True, slots=True)
class Search:
    """What was seen so far of an order that is looked for, in wall time."""

    tries: int = 0
    misses: int = 0  # in a row, each of them whole
    first: datetime | None = None
    last: datetime | None = None
    rungs: frozenset[Rung] = frozenset()

    def next_at(self, began: datetime) -> datetime:
        """When to look again: at once, then with growing pauses."""
        return (self.last or began) + timedelta(seconds=_PAUSES[min(self.tries, len(_PAUSES) - 1)])

    def watch_at(self, began: datetime) -> datetime:
        """When to look again for one that is presumed not placed."""
        return (self.last or began) + timedelta(seconds=_WATCH_PAUSES[min(self.tries, len(_WATCH_PAUSES) - 1)])

    def summary(self) -> str:
        """For a person."""
        if self.first is None or self.last is None:
            return "nobody could be asked yet"
        span = (self.last - self.first).total_seconds()
        return f"{self.misses} searches over {span:.0f} s found nothing in {', '.join(sorted(self.rungs))}"


def after_look(search: Search, answers: Mapping[Rung, Answer], at: datetime) -> Search:
    """The search after one more look at every rung."""
    said = set(answers.values())
    if Answer.FOUND in said:
        return Search()
    asked = frozenset(rung for rung, answer in answers.items() if answer is Answer.NOT_FOUND)
    if Answer.FAILED in said or not asked:
        return replace(search, tries=search.tries + 1, last=at if search.last is None else max(search.last, at))
    return Search(
        tries=search.tries + 1,
        misses=search.misses + 1,
        first=at if search.first is None else search.first,
        last=at,
        rungs=search.rungs & asked if search.misses else asked,
    )


def verdict(search: Search, capabilities: Capabilities) -> Verdict:
    """What the search proves. The word of a simulated venue is definite at once."""
    if not search.misses or search.first is None or search.last is None:
        return Verdict.KEEP_LOOKING
    if capabilities.simulated:
        return Verdict.NOT_PLACED
    enough = search.misses >= SEARCHES and search.last - search.first >= SPAN and len(search.rungs) >= RUNGS
    if not enough:
        return Verdict.KEEP_LOOKING
    return Verdict.NOT_PLACED if capabilities.find_by_client_id else Verdict.ASK_A_PERSON
