"""Pacing under a clock moved by hand."""

from __future__ import annotations

import asyncio

from bot.pacing import Budget, Lane, Pacer
from core.clock import ManualClock
from tests.bot.fakes import NOW

SMALL = Budget(chat_per_second=1, chat_burst=5, chat_reserve=3, all_per_second=10, all_burst=20, all_reserve=6)


class Time:
    """Sleeping moves the clock."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.pacer = Pacer(self.clock, SMALL, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def elapsed(self) -> float:
        return (self.clock.now() - NOW).total_seconds()


async def test_a_burst_then_one_a_second() -> None:
    """Five at once, ten in five seconds."""
    time = Time()
    for _ in range(5):
        await time.pacer.acquire(1, Lane.REPLY)
    assert time.elapsed() == 0
    for _ in range(5):
        await time.pacer.acquire(1, Lane.REPLY)
    assert abs(time.elapsed() - 5) < 0.01


async def test_pushes_leave_a_reserve() -> None:
    """However many pushes and live edits wait, replies and critical alerts go at once."""
    time = Time()
    for _ in range(2):
        await time.pacer.acquire(1, Lane.PUSH)
    assert time.pacer.delay(1, Lane.PUSH) > 0
    assert time.pacer.delay(1, Lane.LIVE) > 0
    assert time.pacer.delay(1, Lane.REPLY) == 0
    assert time.pacer.delay(1, Lane.CRITICAL) == 0


async def test_the_overall_budget() -> None:
    """Twenty chats at once are fine, the next waits a tenth of a second."""
    time = Time()
    for chat in range(20):
        await time.pacer.acquire(chat, Lane.CRITICAL)
    assert time.elapsed() == 0
    assert abs(time.pacer.delay(99, Lane.CRITICAL) - 0.1) < 0.01
    assert time.pacer.delay(99, Lane.PUSH) > 0.5


async def test_one_chats_429_blocks_no_other() -> None:
    """Telegram asked chat 1 to wait a minute."""
    time = Time()
    time.pacer.block(1, 60)
    time.pacer.block(1, 5)
    assert time.pacer.delay(1, Lane.CRITICAL) == 60
    assert time.pacer.delay(2, Lane.PUSH) == 0
    await time.pacer.acquire(1, Lane.REPLY)
    assert time.elapsed() == 60


async def test_production_stays_inside_telegrams_rates() -> None:
    """Not more than 18 in any minute in a group, 25 in any second overall, and a third of it kept for what is grave."""
    for chats, span, most in (([-100], 60, 18), (range(1, 400), 1, 25)):
        time = Time()
        time.pacer = Pacer(time.clock, Budget(), time.sleep)
        sent: list[float] = []
        for number in range(200):
            await time.pacer.acquire(chats[number % len(chats)], Lane.CRITICAL)
            sent.append(time.elapsed())
        assert max(sum(begin <= at < begin + span for at in sent) for begin in sent) <= most
    pacer = Pacer(ManualClock(NOW), Budget())
    while not pacer.delay(-100, Lane.PUSH):
        await pacer.acquire(-100, Lane.PUSH)
    assert pacer.delay(-100, Lane.CRITICAL) == 0
