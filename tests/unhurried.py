"""A loop's time that goes on only while the loop does: a machine that stands still for a moment ages nobody's timers.

A venue and its client in one process measure pauses of some milliseconds by the same loop. On a busy machine a whole
second may pass between two of its steps; then everything is late at once, and what should have come in between, over a
socket, has not. Here a step counts for 30 milliseconds at most, however long it takes, and a wait for no longer than
it was meant to be. Nothing is quicker than in true time.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from asyncio.base_events import BaseEventLoop
from typing import Any

import pytest

_STEP = 0.03


class Unhurried:
    """Takes the place of a loop's time, and listens to how long it waits."""

    def __init__(self, loop: Any) -> None:
        self._true = loop.time
        self._select = loop._selector.select
        self._seen = self._shown = self._true()
        loop.time, loop._selector.select = self.time, self.select

    def time(self) -> float:
        """Seconds, as the loop counts them."""
        return self._pass(_STEP)

    def select(self, timeout: float | None = None) -> Any:
        """Wait for sockets; the wait counts in full, but not by how much it was too long."""
        self.time()
        found = self._select(timeout)
        self._pass(None if timeout is None else max(timeout, 0.0) + _STEP)
        return found

    def _pass(self, most: float | None) -> float:
        now = self._true()
        gone, self._seen = now - self._seen, now
        self._shown += gone if most is None else min(gone, most)
        return self._shown


def unhurry() -> None:
    """Let the running loop count like this from now on, unless its time is one of its own already."""
    loop: Any = asyncio.get_running_loop()
    if getattr(loop.time, "__func__", None) is BaseEventLoop.time:
        Unhurried(loop)


@pytest.fixture
async def unhurried_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared with the time of day stays true time."""
    monkeypatch.setattr("brokers.ccxt.clock.ticks", time.monotonic)
    unhurry()


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest) -> None:
    """For every test with a loop in a folder whose conftest.py imports both; the others need not pay for one."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("unhurried_loop")
