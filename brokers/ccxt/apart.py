"""Has ccxt read a venue's list of markets on a thread of its own.

It asks for thousands of markets, reads and indexes them in one go: a second in which a kill would wait. So an exchange
object that nobody else touches does that on the thread; what it asks the venue is asked on the loop, by another one.

A thread that works hard still stands in the way: whoever hands work to and fro between threads, as each commit does,
waits for the interpreter's next switch each time, and what runs in C (reading JSON, collecting garbage) is not
interrupted at all. So it lets go of the interpreter again and again, reads JSON in parts, and has no garbage collected
meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from threading import Event, Lock
from typing import Any, ClassVar

from brokers.ccxt.parts import in_parts
from brokers.ccxt.wiretap import last_answer
from brokers.resilience.ticks import ticks

_LONG = 50_000  # characters of an answer that takes a while to be read
_STRETCH, _PAUSE = 0.0005, 0.0002  # seconds that it works at most, and rests at least
_ONCE_A_MARKET = ("parse_market", "safe_market_structure", "deep_extend", "safe_currency_structure")


async def load_apart(reader: Any, asker: Any, then: Callable[[Any], None]) -> None:
    """As `reader.load_markets(True)`, then `then(reader)`: both on a thread, which has ended when this ends.

    `reader` must be used for nothing else until then, and `asker` for nothing else at all.
    """
    work = _Work(reader, asker, then)
    with ThreadPoolExecutor(1, "markets") as thread, _Uncollected():
        done = asyncio.get_running_loop().run_in_executor(thread, copy_context().run, work.run)
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            work.stop()
            await asyncio.wait({done})
            raise


class _Work:
    """What the thread does, and how it is stopped."""

    def __init__(self, reader: Any, asker: Any, then: Callable[[Any], None]) -> None:
        self._reader = reader
        self._asker = asker
        self._then = then
        self._loop = asyncio.get_running_loop()
        self._is_stopped = Event()
        self._asked: set[Future[Any]] = set()
        self._rested_at = 0.0
        _leave_long_ones(asker)
        reader.fetch2 = self._ask
        for name in _ONCE_A_MARKET:
            setattr(reader, name, self._resting(getattr(reader, name)))

    def run(self) -> None:
        """On the thread."""
        asyncio.run(self._load())

    async def _load(self) -> None:
        await self._reader.load_markets(True)
        self._then(self._reader)

    def stop(self) -> None:
        """On the loop: the thread ends in a moment."""
        self._is_stopped.set()
        for question in list(self._asked):
            question.cancel()

    async def _ask(self, *request: Any, **more: Any) -> Any:
        """A request of ccxt, on the loop. An answer that was too long to be read there is read here."""
        question = asyncio.run_coroutine_threadsafe(self._asker.fetch2(*request, **more), self._loop)
        self._asked.add(question)
        if self._is_stopped.is_set():
            question.cancel()
        answer = await asyncio.wrap_future(question)
        return self._read(answer) if isinstance(answer, str) else answer

    def _read(self, text: str) -> Any:
        with suppress(ValueError, RecursionError):
            return in_parts(text, self._rest)
        return self._reader.parse_json(text)  # which says what is wrong with it

    def _resting(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def rested(*args: Any, **named: Any) -> Any:
            self._rest()
            return work(*args, **named)

        return rested

    def _rest(self) -> None:
        """Let others have the interpreter, if it is time."""
        if ticks() - self._rested_at > _STRETCH:
            if self._is_stopped.wait(_PAUSE):
                raise asyncio.CancelledError
            self._rested_at = ticks()


class _Uncollected:
    """No garbage is collected meanwhile: among so many new objects all old ones would be looked through, too."""

    _turn: ClassVar[Lock] = Lock()
    _count: ClassVar[int] = 0
    _was_on: ClassVar[bool] = False

    def __enter__(self) -> None:
        with self._turn:
            if not _Uncollected._count:
                _Uncollected._was_on = gc.isenabled()
                gc.disable()
            _Uncollected._count += 1

    def __exit__(self, *error: object) -> None:
        with self._turn:
            _Uncollected._count -= 1
            if not _Uncollected._count and _Uncollected._was_on:
                gc.enable()


def _leave_long_ones(exchange: Any) -> None:
    """Have `exchange` pass on long answers as they came; what is refused is short, and read as ever."""
    read = exchange.parse_json

    def parse_json(body: Any) -> Any:
        is_long = isinstance(body, str) and len(body) > _LONG and last_answer().status < 300
        return None if is_long else read(body)

    exchange.parse_json = parse_json
