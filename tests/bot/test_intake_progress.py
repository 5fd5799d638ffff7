"""What the way in says of itself: it comes round while Telegram is away, and gets on only when it is answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TimedOut

from bot.courier import Courier  # with it RetryAfter speaks in timedeltas
from bot.intake import Intake
from core.clock import ManualClock
from tests.bot.fakes import NOW

assert Courier


class FakeBot:
    """Fails with what it is told, one error a call; then it answers."""

    username = "quarterdeck_bot"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def get_me(self) -> FakeBot:
        if self.errors:
            raise self.errors.pop(0)
        return self

    async def delete_webhook(self, **_: Any) -> None:
        await asyncio.sleep(3600)


async def counts(*errors: Exception) -> tuple[int, int, list[float]]:
    """How often it came round, how often it was answered, and each pause, until the first answer."""
    pauses: list[float] = []
    turns: list[None] = []
    answers: list[None] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def alert(*_: str) -> None:
        return None

    intake = Intake(
        bot=FakeBot(*errors), storing=None, clock=ManualClock(NOW), poll_seconds=1, alert=alert, sleep=sleep  # type: ignore[arg-type]
    )  # fmt: skip
    intake.on_turn, intake.on_answer = lambda: turns.append(None), lambda: answers.append(None)
    task = asyncio.create_task(intake.run())
    for _ in range(50):
        await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return len(turns), len(answers), pauses


@pytest.mark.parametrize("error", [NetworkError("x"), TimedOut(), InvalidToken("x"), Conflict("x"), RetryAfter(5)])
async def test_each_failure_is_a_turn_and_no_answer(error: Exception) -> None:
    """Two failures, then an answer; the turn after that is the next call's."""
    turns, answers, _ = await counts(error, error)
    assert answers == 1
    assert turns >= 4


async def test_it_comes_round_within_an_hour_that_telegram_asked_for() -> None:
    """Else it would look as if it hung, and the service manager would start the program again and again."""
    turns, answers, pauses = await counts(RetryAfter(3600))
    assert sum(pauses) == 3600
    assert max(pauses) <= 30
    assert turns >= 120
    assert answers == 1


class Troubles:
    """What was raised, and what was over again; each pause moves the clock."""

    def __init__(self, *errors: Exception) -> None:
        self.clock, self.raised, self.over = ManualClock(NOW), list[str](), list[str]()
        self.intake = Intake(
            bot=FakeBot(*errors),  # type: ignore[arg-type]
            storing=None,  # type: ignore[arg-type]
            clock=self.clock,
            poll_seconds=1,
            alert=self._raise,
            sleep=self._sleep,
            over=self._end,
        )

    async def _raise(self, title: str, _: str) -> None:
        self.raised.append(title)

    async def _end(self, title: str) -> None:
        self.over.append(title)

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def run(self) -> None:
        task = asyncio.create_task(self.intake.run())
        for _ in range(50):
            await asyncio.sleep(0.001)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_outage_of_more_than_a_minute_is_told_once_and_its_end_too() -> None:
    """Telegram away for long is something that people must hear of in another way."""
    troubles = Troubles(*[NetworkError("down")] * 40)
    await troubles.run()
    assert troubles.raised == troubles.over == ["telegram cannot be reached"]


async def test_a_short_outage_is_no_alert() -> None:
    """It happens every night."""
    troubles = Troubles(*[NetworkError("down")] * 5)
    await troubles.run()
    assert troubles.raised == troubles.over == []


async def test_a_token_that_works_again_closes_its_alert() -> None:
    """Nobody need acknowledge what is over; a rival is not believed to be gone after one good answer."""
    troubles = Troubles(InvalidToken("x"))
    await troubles.run()
    assert troubles.raised == troubles.over == ["telegram token refused"]
    rival = Troubles(Conflict("x"))
    await rival.run()
    assert (rival.raised, rival.over) == (["telegram conflict"], [])
