"""Do the parts of the program get on? Each says so itself, and nothing else is taken for it.

A part's loop *turns* when it comes round, whatever came of it: one that no longer does is stuck, and starting again may
help. It *gets on* when it did its work, or found none to do: one that does not may be waiting for somebody else
(Telegram, the venue, a full disk), where starting again helps nobody, but somebody should know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

ORDERS, RISK, CHAT, OUTBOX = "orders", "risk", "chat", "outbox"

# A part may be quiet for so many of its own intervals, and for so long at least.
_INTERVALS = 3.0
_LEAST_SECONDS = 30.0
_CHAT_TURNS_SECONDS = 150.0  # a poll of 50 s, its time limit, and the longest pause after a failure
_CHAT_SECONDS = 300.0

Pace = Callable[[], float | None]
Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Allowance:
    """For how long a part may be quiet: without a turn, and without getting on. None: it rests, and that is meant."""

    turns: Pace
    gets_on: Pace


def always(seconds: float) -> Pace:
    """The same at all times."""
    return lambda: seconds


def by_interval(pace: Pace) -> Allowance:
    """A part that is called at an interval; None while it is paused."""

    def allowed() -> float | None:
        seconds = pace()
        return None if seconds is None else max(_LEAST_SECONDS, _INTERVALS * seconds)

    return Allowance(allowed, allowed)


def usual(orders: Pace, risk: Pace) -> dict[str, Allowance]:
    """The four parts without which nobody should sleep; `orders` and `risk` are the intervals of their jobs."""
    return {
        ORDERS: by_interval(orders),
        RISK: by_interval(risk),
        CHAT: Allowance(always(_CHAT_TURNS_SECONDS), always(_CHAT_SECONDS)),
        OUTBOX: Allowance(always(_LEAST_SECONDS), always(_LEAST_SECONDS)),
    }


class Part:
    """One part, as it sees itself."""

    def __init__(self, name: str, allowance: Allowance, now: Callable[[], float]) -> None:
        self.name = name
        self._allowance = allowance
        self._now = now
        self._turned = self._got_on = 0.0

    def begin(self) -> None:
        """Everything counts from now on."""
        self._turned = self._got_on = self._now()

    def turned(self) -> None:
        """It came round, whatever came of it."""
        self._turned = self._now()

    def got_on(self) -> None:
        """It did its work, or found none to do."""
        self._turned = self._got_on = self._now()

    @property
    def is_stuck(self) -> bool:
        """Whether it has not come round for longer than it may."""
        allowed = self._allowance.turns()
        return allowed is not None and self._now() - self._turned > allowed

    @property
    def is_stalled(self) -> bool:
        """Whether it has not got on for longer than it may."""
        allowed = self._allowance.gets_on()
        return allowed is not None and self._now() - self._got_on > allowed

    @property
    def is_resting(self) -> bool:
        """Whether somebody has paused it."""
        return self._allowance.gets_on() is None

    @property
    def quiet_seconds(self) -> float:
        """Since it last got on."""
        return self._now() - self._got_on


class Progress:
    """All parts. `now` is a clock that nobody sets back."""

    def __init__(self, allowances: Mapping[str, Allowance], now: Callable[[], float] | None = None) -> None:
        clock = now or _loop_time
        self.parts = tuple(Part(name, allowance, clock) for name, allowance in allowances.items())
        self._by_name = {part.name: part for part in self.parts}

    def part(self, name: str) -> Part:
        """The part of that name; another one is a programming error and raises."""
        return self._by_name[name]

    def begin(self) -> None:
        """The program runs: everything counts from now on."""
        for part in self.parts:
            part.begin()

    @property
    def stuck(self) -> tuple[str, ...]:
        """Who no longer comes round."""
        return tuple(part.name for part in self.parts if part.is_stuck)

    @property
    def stalled(self) -> tuple[str, ...]:
        """Who does not get on."""
        return tuple(part.name for part in self.parts if part.is_stalled)

    def watched(self, name: str, work: Work) -> Work:
        """`work`, and each time it ends its part gets on; if it fails it has turned."""
        part = self.part(name)

        async def watched() -> None:
            try:
                await work()
            except BaseException:
                part.turned()
                raise
            part.got_on()

        return watched


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
