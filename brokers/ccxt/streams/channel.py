"""One stream from its opening to its loss. It is never opened again: the next one is another channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from brokers.ccxt.outcomes import why
from brokers.ccxt.streams.sockets import Sockets
from brokers.resilience.ticks import ticks

Call = Callable[[], Awaitable[Any]]


class Channel:
    """Opened by ccxt's `watch` methods. What comes is told by the tap; the methods only subscribe.

    With `each`, the methods are called again and again instead, and their answers are given to it.
    """

    def __init__(self, sockets: Sockets, calls: Sequence[Call], each: Callable[[Any], None] | None = None) -> None:
        self._sockets = sockets
        self._calls = calls
        self._each = each
        self._tasks: list[asyncio.Task[None]] = []
        self._heard_at = ticks()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.line = sockets.line(self.end)

    async def open(self, seconds: float) -> None:
        """Return once the venue has taken the subscription. Raises `ConnectionError` with the reason otherwise."""
        self._tasks = [asyncio.create_task(self._run(call)) for call in self._calls]
        ready = asyncio.create_task(self._sockets.ready(self.line, seconds))
        ready.add_done_callback(self._checked)
        waiting: set[asyncio.Future[Any]] = {ready, self.ended}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        self._heard_at = ticks()
        if self.ended.done():
            raise ConnectionError(self.ended.result())

    def _checked(self, ready: asyncio.Task[None]) -> None:
        if not ready.cancelled() and ready.exception() is not None:
            self.end("the venue does not answer the subscription")

    @property
    def is_open(self) -> bool:
        """Whether nothing is known against it."""
        return not self.ended.done()

    @property
    def urls(self) -> set[str]:
        """The sockets it lives on."""
        return self.line.urls

    def heard(self) -> None:
        """The venue has told something on it."""
        self._heard_at = ticks()

    def silent_for(self) -> float:
        """Seconds since it was opened or the venue has told anything on it."""
        return ticks() - self._heard_at

    def lifeless_for(self) -> float:
        """Seconds since a socket of it gave the last sign of life, a pong included."""
        return self._sockets.silent_for(self.line)

    def end(self, reason: str) -> None:
        """It is lost, or not wanted any more."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self, reason: str, *, shared: bool = False) -> None:
        """Close what no other stream needs (`shared`: everything that it lives on), and wait for the tasks."""
        self.end(reason)
        self._sockets.drop(self.line, self.ended.result(), shared=shared)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, call: Call) -> None:
        self._sockets.enter(self.line)
        try:
            while True:
                answer = await call()
                if self._each is None:
                    return
                self._each(answer)
        except asyncio.CancelledError:
            self.end("closed")  # ccxt cancels its futures when it closes a socket
            raise
        except Exception as error:  # noqa: BLE001 (ccxt raises anything; the stream is lost and says why)
            self.end(why(error))
