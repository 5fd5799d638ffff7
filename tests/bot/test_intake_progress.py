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
    await asyncio.sleep(0.05)
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
