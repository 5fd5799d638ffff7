"""Where strategies run. The seam: a host gets calls and gives outcomes, and nothing that a strategy does may
reach further. `ThreadHost` runs them on a thread of their own beside the event loop; worker processes come
with their issue.
"""

from __future__ import annotations

import asyncio
import ctypes
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from brokers.market import Bar
from core.market.history import History
from core.strategy.sdk import Signal, Strategy

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """Show `strategy` one bar; `exposure` is what it last asked for in the bar's symbol."""

    strategy: Strategy[Any]
    bar: Bar
    history: History
    exposure: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: signals, or an error in words."""

    call: Call
    signals: tuple[Signal, ...] = ()
    error: str = ""


class Host(Protocol):
    """Runs strategies."""

    async def decide(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """One outcome for each call, in order. Never raises for what a strategy does."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class BudgetExceeded(BaseException):
    """Thrown into a strategy that takes too long; not an `Exception`, so that no `except` of its own stops it."""


class ThreadHost:
    """Runs calls one after another on one thread, each with a budget of `seconds`.

    A call over its budget counts as failed: its thread is told to stop and is abandoned, and the calls after
    it run on a new one. The event loop never waits for a strategy, so that a halt passes at any time.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._worker: _Worker | None = None

    async def decide(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """One outcome for each call, in order."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(calls):
            outcomes += await self._run(calls[len(outcomes) :])
        return outcomes

    async def close(self) -> None:
        """End the thread."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    async def _run(self, calls: Sequence[Call]) -> list[Outcome]:
        """Outcomes from the first call on; fewer than calls if one had to be given up."""
        worker = self._worker = self._worker or _Worker()
        batch = _Batch(calls, asyncio.get_running_loop())
        worker.jobs.put(batch)
        while not batch.finished.is_set():
            done = len(batch.outcomes)  # a window without one more outcome is over budget
            try:
                await asyncio.wait_for(batch.finished.wait(), self._seconds)
            except TimeoutError:
                if len(batch.outcomes) == done and not batch.finished.is_set():
                    return self._give_up(worker, batch, done)
        return batch.outcomes

    def _give_up(self, worker: _Worker, batch: _Batch, done: int) -> list[Outcome]:
        call = batch.calls[done]
        log.warning("a strategy is over its budget", strategy=call.strategy.name, seconds=self._seconds)
        batch.abandoned.set()
        worker.abandon()
        self._worker = None
        return [*batch.outcomes[:done], Outcome(call, error=f"took longer than {self._seconds:g} s")]


class _Batch:
    """Calls on their way through the thread."""

    def __init__(self, calls: Sequence[Call], loop: asyncio.AbstractEventLoop) -> None:
        self.calls = calls
        self.outcomes: list[Outcome] = []
        self.abandoned = threading.Event()
        self.finished = asyncio.Event()
        self._loop = loop

    def run(self) -> None:
        """On the thread: every call, one after another."""
        for call in self.calls:
            if self.abandoned.is_set():
                return
            outcome = _call(call)
            if self.abandoned.is_set():
                return
            self.outcomes.append(outcome)
        self._notify()

    def _notify(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.finished.set)
        except RuntimeError:  # the loop was closed while a strategy was running
            log.info("strategies finished after the program had ended")


def _call(call: Call) -> Outcome:
    try:
        return Outcome(call, tuple(call.strategy.on_bar(call.bar, call.history, call.exposure)))
    except Exception as error:
        log.warning("a strategy raised", strategy=call.strategy.name, exc_info=True)
        return Outcome(call, error=f"{type(error).__name__}: {error}")


class _Worker:
    """A daemon thread that runs batches."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="strategies", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop after what is in the queue."""
        self.jobs.put(None)

    def abandon(self) -> None:
        """Throw `BudgetExceeded` into whatever runs: ends a loop in Python; a sleep ends when it wakes up."""
        self.end()
        ident = self._thread.ident
        if ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(BudgetExceeded))

    def _work(self) -> None:
        try:
            while (batch := self.jobs.get()) is not None:
                batch.run()
        except BudgetExceeded:
            return
