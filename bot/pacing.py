"""How fast we may talk: Telegram allows about one message a second in a chat and thirty a second overall."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.clock import Clock

Sleep = Callable[[float], Awaitable[None]]


class Lane(StrEnum):
    """What a message is. Replies and critical alerts may use the reserve; live edits and pushes may not."""

    REPLY = "reply"
    CRITICAL = "critical"
    PUSH = "push"
    LIVE = "live"

    @property
    def may_use_reserve(self) -> bool:
        """Whether the last part of the budget is open to it."""
        return self in (Lane.REPLY, Lane.CRITICAL)


@dataclass(frozen=True, slots=True)
class Budget:
    """Messages a second and bursts, by chat, by group and overall; reserves are for replies and critical alerts."""

    chat_per_second: float = 1.0
    chat_burst: float = 25.0
    chat_reserve: float = 20.0
    all_per_second: float = 20.0  # with the burst 25 in any second; Telegram allows about 30
    all_burst: float = 5.0
    all_reserve: float = 1.5
    group_per_second: float = 0.2  # with the burst 18 in any minute; Telegram allows 20
    group_burst: float = 6.0
    group_reserve: float = 2.0


class Bucket:
    """Tokens that refill with time, up to a burst."""

    def __init__(self, per_second: float, burst: float, now: datetime) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._at = now

    def wait_for(self, floor: float, now: datetime) -> float:
        """Seconds until a token above `floor` is there; 0 if one is there now."""
        self._refill(now)
        missing = floor + 1 - self._tokens
        return 0.0 if missing <= 1e-9 else missing / self._per_second

    def take(self) -> None:
        """Spend one token."""
        self._tokens -= 1

    def _refill(self, now: datetime) -> None:
        elapsed = max(0.0, (now - self._at).total_seconds())
        self._tokens = min(self._burst, self._tokens + elapsed * self._per_second)
        self._at = max(now, self._at)


class Pacer:
    """Lets each message go at its time. A chat that Telegram told to wait never delays another."""

    def __init__(self, clock: Clock, budget: Budget | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._budget = budget or Budget()
        self._sleep = sleep
        self._overall = Bucket(self._budget.all_per_second, self._budget.all_burst, clock.now())
        self._chats: dict[int, Bucket] = {}
        self._blocked: dict[int, datetime] = {}

    async def acquire(self, chat_id: int, lane: Lane) -> None:
        """Return when a message of this kind may go to this chat."""
        while (seconds := self.delay(chat_id, lane)) > 0:
            await self._sleep(seconds)
        self._chat(chat_id).take()
        self._overall.take()

    def delay(self, chat_id: int, lane: Lane) -> float:
        """Seconds that such a message would have to wait now."""
        now = self._clock.now()
        budget = self._budget
        own = budget.group_reserve if chat_id < 0 else budget.chat_reserve
        chat_floor, all_floor = (0.0, 0.0) if lane.may_use_reserve else (own, budget.all_reserve)
        blocked = (self._blocked.get(chat_id, now) - now).total_seconds()
        chat = self._chat(chat_id).wait_for(chat_floor, now)
        return max(0.0, blocked, chat, self._overall.wait_for(all_floor, now))

    def block(self, chat_id: int, seconds: float) -> None:
        """Telegram said: not before `seconds` from now, in this chat."""
        until = self._clock.now() + timedelta(seconds=seconds)
        self._blocked[chat_id] = max(until, self._blocked.get(chat_id, until))

    def _chat(self, chat_id: int) -> Bucket:
        if chat_id not in self._chats:
            budget = self._budget
            in_group = (budget.group_per_second, budget.group_burst)
            rate = in_group if chat_id < 0 else (budget.chat_per_second, budget.chat_burst)
            self._chats[chat_id] = Bucket(*rate, self._clock.now())
        return self._chats[chat_id]
