"""Where strategies run. The seam: a host gets calls and gives outcomes, and nothing that a strategy does may
reach further. `ThreadHost` runs them on a thread of their own beside the event loop; worker processes come
with their issue.

What a thread cannot contain: code in C that keeps the interpreter to itself (a pathological regular
expression, `10**10**8`), and a crash of the interpreter.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import queue
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from brokers.market import Bar
from core.market.history import History
from core.strategy.sdk import Signal, Strategy

log = structlog.get_logger(__name__)

# More signals than this for one bar are a mistake, perhaps an endless generator.
_MOST_SIGNALS = 100
_END_STEPS, _END_STEP_SECONDS = 20, 0.005
_TRACE_FRAMES = 4
_LONGEST_REASON = 300
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Call:
    """Show `strategy` one bar; `exposure` is what it last asked for in the bar's symbol.

    `name` is the instance's name in the settings, whatever the strategy says of itself.
    """

    name: str
    strategy: Strategy[Any]
    bar: Bar
    history: History
    exposure: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: signals, or an error in words and where it was raised (for the log)."""

    call: Call
    signals: tuple[Signal, ...] = ()
    error: str = ""
    trace: str = ""


class Host(Protocol):
    """Runs strategies."""

    async def decide(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """One outcome for each call, in order. Never raises for what a strategy does."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class BudgetExceeded(BaseException):
    """Thrown into a strategy that takes too long; not an `Exception`, so that few `except` of its own stop it."""


class ThreadHost:
    """Runs calls one after another on one thread, each with a budget of `seconds`.

    A call over its budget counts as failed: its thread is told to stop and is abandoned, and the calls after
    it run on a new one. The event loop never waits for a strategy, so that a halt passes at any time. Until an
    abandoned thread has ended, its strategy is not called again: there is at most one for each strategy.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._worker: _Worker | None = None
        self._abandoned: dict[str, _Worker] = {}

    async def decide(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """One outcome for each call, in order."""
        self._press_on()
        outcomes: list[Outcome] = []
        while rest := calls[len(outcomes) :]:
            free = tuple(itertools.takewhile(lambda call: not self._is_stuck(call.name), rest))
            outcomes += await self._run(free) if free else [_refused(rest[0])]
        for each in outcomes:
            if each.error:
                log.warning("a strategy failed", strategy=each.call.name, error=each.error, trace=each.trace)
        return outcomes

    async def close(self) -> None:
        """End the threads, as far as they can be ended."""
        self._press_on()
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    @property
    def stuck(self) -> tuple[str, ...]:
        """The strategies that have an abandoned thread which has not ended."""
        return tuple(name for name in self._abandoned if self._is_stuck(name))

    def _is_stuck(self, name: str) -> bool:
        worker = self._abandoned.get(name)
        return worker is not None and worker.is_alive()

    def _press_on(self) -> None:
        """Forget abandoned threads that have ended; the others are told once more."""
        self._abandoned = {name: self._abandoned[name] for name in self.stuck}
        for worker in self._abandoned.values():
            worker.press_on()

    async def _run(self, calls: Sequence[Call]) -> list[Outcome]:
        """Outcomes from the first call on; fewer than calls if one had to be given up."""
        worker = self._worker = self._worker or _Worker()
        batch = _Batch(calls, asyncio.get_running_loop(), self._seconds)
        worker.begin(batch)
        try:
            await batch.over
        finally:  # also when we are cancelled: nobody would read the rest
            batch.timer.cancel()
            late = None if batch.is_finished else self._give_up(worker, batch)
        if late is None:
            return batch.outcomes
        await self._let_end(late.name)
        return [*batch.outcomes, Outcome(late, error=f"took longer than {self._seconds:g} s")]

    def _give_up(self, worker: _Worker, batch: _Batch) -> Call | None:
        """Leave a thread to itself; the call that it was at, None if it was between two."""
        self._worker = None
        call = worker.abandon(batch)
        if call is not None:
            self._abandoned[call.name] = worker
        return call

    async def _let_end(self, name: str) -> None:
        """Most strategies end at once when told; wait that long."""
        for _ in range(_END_STEPS):
            if not self._is_stuck(name):
                return
            await asyncio.sleep(_END_STEP_SECONDS)


def _refused(call: Call) -> Outcome:
    return Outcome(call, error="an earlier call of it still runs, so it was not called")


class _Batch:
    """Calls on their way through the thread. Under the lock: which call runs, and whether anyone still cares."""

    def __init__(self, calls: Sequence[Call], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.outcomes: list[Outcome] = []
        self.began = loop.time()
        self.over: asyncio.Future[None] = loop.create_future()  # it has finished, or a call is over its budget
        self.is_finished = False
        self.timer = loop.call_later(seconds, self._look)
        self.lock = threading.Lock()
        self.running: Call | None = None
        self.abandoned = False
        self._calls = calls
        self._loop = loop
        self._seconds = seconds

    def run(self) -> None:
        """On the thread: every call, one after another."""
        for call in self._calls:
            if not self._enter(call) or not self._leave(_call(call)):
                return
        with suppress(RuntimeError):  # the loop was closed while a strategy was running
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        """In the loop: every call has ended."""
        self.is_finished = True
        self._end()

    def _look(self) -> None:
        """In the loop: whether the call that runs now is over its budget; it may have begun since the last look."""
        left = self.began + self._seconds - self._loop.time()
        if left > 0:
            self.timer = self._loop.call_later(left, self._look)
        else:
            self._end()

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _enter(self, call: Call) -> bool:
        with self.lock:
            if not self.abandoned:
                self.began = self._loop.time()
                self.running = call
            return not self.abandoned

    def _leave(self, outcome: Outcome) -> bool:
        with self.lock:
            if not self.abandoned:
                self.outcomes.append(outcome)
                self.running = None
            return not self.abandoned


def _call(call: Call) -> Outcome:
    try:
        answered = call.strategy.on_bar(call.bar, call.history, call.exposure)
        signals = tuple(_checked(call, each) for each in itertools.islice(answered, _MOST_SIGNALS + 1))
        if len(signals) > _MOST_SIGNALS:
            raise ValueError(f"gave more than {_MOST_SIGNALS} signals for one bar")  # noqa: TRY301
        return Outcome(call, signals)
    except BaseException as error:  # noqa: BLE001 - isolation: also SystemExit is only a strategy's mistake
        return Outcome(call, error=_told(error), trace=traceback.format_exc(limit=-_TRACE_FRAMES))


def _checked(call: Call, signal: object) -> Signal:
    """A signal of plain values that is certainly one. Raises `ValueError` for anything else."""
    if not isinstance(signal, Signal):
        raise TypeError(f"answered with {type(signal).__name__}, not with signals")
    if signal.strategy != call.name:
        raise ValueError(f"gave a signal in the name of {signal.strategy!r}")
    return Signal(
        call.name,
        str(signal.symbol),
        float(signal.exposure),
        str(signal.reason)[:_LONGEST_REASON],
        call.bar.at,
    )


def _told(error: BaseException) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"[:_LONGEST_ERROR]
    except BaseException:  # noqa: BLE001 - isolation: its own text is the strategy's code, too
        return name


class _Worker:
    """A daemon thread that runs batches."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="strategies", daemon=True)
        self._thread.start()

    def begin(self, batch: _Batch) -> None:
        """Run this next."""
        self._jobs.put(batch)

    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Stop after what is in the queue."""
        self._jobs.put(None)

    def abandon(self, batch: _Batch) -> Call | None:
        """Stop caring about a batch and throw `BudgetExceeded` into the strategy that runs; returns its call.

        A loop in Python ends, a sleep when it wakes up. The lock sees to it that only that call is hit.
        """
        self.end()
        with batch.lock:
            batch.abandoned = True
            if batch.running is not None:
                self._throw()
            return batch.running

    def press_on(self) -> None:
        """Throw once more, into a strategy that caught the last one and goes on."""
        if self.is_alive():
            self._throw()

    def _throw(self) -> None:
        ident = ctypes.c_ulong(self._thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(BudgetExceeded))

    def _work(self) -> None:
        with suppress(BudgetExceeded), suppress(BudgetExceeded):  # it may be thrown twice
            while (batch := self._jobs.get()) is not None:
                batch.run()
