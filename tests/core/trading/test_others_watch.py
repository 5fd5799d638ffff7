"""What others do is asked for at once, once for many pieces, and not all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from brokers.errors import Unavailable
from core.trading import others_watch
from core.trading.others_watch import OthersWatch
from tests.core.trading.stage import until


async def watched(book: Callable[[], Awaitable[None]], story: Callable[[OthersWatch], Awaitable[None]]) -> None:
    watch = OthersWatch(book)
    running = asyncio.create_task(watch.run())
    try:
        await story(watch)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_many_pieces_are_asked_for_once_and_a_failure_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue is away the first time; what comes while it rests is asked for after that."""
    monkeypatch.setattr(others_watch, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(others_watch, "_REST_SECONDS", 0.05)
    booked: list[float] = []

    async def book() -> None:
        booked.append(asyncio.get_running_loop().time())
        if len(booked) == 1:
            raise Unavailable("gone for now")

    async def story(watch: OthersWatch) -> None:
        for _ in range(50):
            watch.hear()
        await until(lambda: booked)
        for _ in range(50):
            watch.hear()
            await asyncio.sleep(0)
        await until(lambda: len(booked) == 2)
        await asyncio.sleep(0.1)

    await watched(book, story)
    assert len(booked) == 2
    assert booked[1] - booked[0] >= 0.05
