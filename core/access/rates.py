"""How much one person may ask in a while. In memory: a restart forgives, and nothing else depends on it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from core.clock import Clock
from core.settings.security import SecuritySettings

_MINUTE, _ORDERS = timedelta(minutes=1), timedelta(seconds=10)
_TELL_AGAIN = timedelta(seconds=10)


class Kind(StrEnum):
    """What is counted. An order by hand is a command as well."""

    LOOK = "look"  # buttons of screens are looks: paging through orders is no misuse, so there are more of them
    COMMAND = "command"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Wait:
    """Too much. `tell`: nobody has said so for a while; `first`: nor at all since it last was not too much."""

    seconds: int
    tell: bool
    first: bool


@dataclass(slots=True)
class _Told:
    at: datetime
    until: datetime


class Rates:
    """Counts what each person asks. What is refused does not count, so that waiting helps."""

    def __init__(self, clock: Clock, settings: SecuritySettings) -> None:
        self._clock = clock
        self._most = {
            Kind.LOOK: (settings.looks_per_minute, _MINUTE),
            Kind.COMMAND: (settings.commands_per_minute, _MINUTE),
            Kind.ORDER: (settings.orders_per_10_seconds, _ORDERS),
        }
        self._asked: dict[tuple[int, Kind], deque[datetime]] = {}
        self._told: dict[int, _Told] = {}

    def ask(self, user_id: int, kind: Kind) -> Wait | None:
        """Count one request; None if it may go on."""
        kinds = (Kind.COMMAND, Kind.ORDER) if kind is Kind.ORDER else (kind,)
        free_at = max(self._free_at(user_id, each) for each in kinds)
        now = self._clock.now()
        if free_at > now:
            return self._wait(user_id, now, free_at)
        for each in kinds:
            self._asked[user_id, each].append(now)
        return None

    def _free_at(self, user_id: int, kind: Kind) -> datetime:
        """When one more may be asked."""
        most, within = self._most[kind]
        asked = self._asked.setdefault((user_id, kind), deque())
        now = self._clock.now()
        while asked and asked[0] <= now - within:
            asked.popleft()
        return now if len(asked) < most else asked[-most] + within

    def _wait(self, user_id: int, now: datetime, free_at: datetime) -> Wait:
        told = self._told.get(user_id)
        first = told is None or now >= told.until
        tell = told is None or first or now - told.at >= _TELL_AGAIN
        if tell:
            self._told[user_id] = _Told(now, free_at)
        return Wait(max(1, ceil((free_at - now).total_seconds())), tell, first)
