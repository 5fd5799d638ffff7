"""In-memory streams with any number of independent readers, and a way to wait until all have read."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from brokers.errors import Unavailable

T = TypeVar("T")


class Stream(AsyncIterator[T]):
    """One reader's queue. Ends by raising `Unavailable` once it is empty and its hub has closed.

    A reader that goes away simply drops it, or calls `aclose`.
    """

    def __init__(self, hub: Hub[T], accepts: Callable[[T], bool], limit: int | None) -> None:
        self._hub = hub
        self._accepts = accepts
        self._queue: deque[T] = deque(maxlen=limit)
        self._awake = asyncio.Event()
        self._busy = False
        self._away = False
        self._closed = False

    async def __anext__(self) -> T:
        """The next item. Coming here says that the previous one has been dealt with."""
        self._busy = self._away = False
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._hub.check_open()
            self._hub.note_progress()
            self._awake.clear()
            await self._wait()
        self._busy = True
        return self._queue.popleft()

    async def aclose(self) -> None:
        """Stop reading: the stream ends quietly and nobody waits for this reader any more."""
        self._closed = True
        self._queue.clear()
        self._hub.forget(self)
        self._awake.set()

    @property
    def is_settled(self) -> bool:
        """Whether the reader has dealt with everything, or has stopped reading by being cancelled."""
        return self._away or not (self._busy or self._queue)

    def offer(self, item: T) -> None:
        """Queue `item` if this reader wants it."""
        if self._accepts(item):
            self._queue.append(item)
            self._awake.set()

    def wake(self) -> None:
        """Let a waiting reader look again."""
        self._awake.set()

    async def _wait(self) -> None:
        try:
            await self._awake.wait()
        except asyncio.CancelledError:
            self._away = True
            self._hub.note_progress()
            raise


class Hub(Generic[T]):
    """Gives every item to every reader subscribed at that moment, in order of subscription."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._streams: list[weakref.ref[Stream[T]]] = []
        self._progress = asyncio.Event()
        self._open = True

    def subscribe(self, accepts: Callable[[T], bool] = lambda _: True, limit: int | None = None) -> Stream[T]:
        """A reader of what `accepts` lets through, from now on.

        With a `limit`, a slow reader loses the oldest items beyond it.
        """
        stream = Stream(self, accepts, limit)
        self._streams.append(weakref.ref(stream))
        return stream

    def publish(self, item: T) -> None:
        """Queue `item` for every reader."""
        for stream in self._readers():
            stream.offer(item)

    def close(self) -> None:
        """End every stream after what it has queued."""
        self._open = False
        for stream in self._readers():
            stream.wake()
        self.note_progress()

    def check_open(self) -> None:
        """Raise `Unavailable` once the hub has closed."""
        if not self._open:
            raise Unavailable(f"{self._name} is not connected")

    def forget(self, stream: Stream[T]) -> None:
        """Give nothing more to `stream`."""
        self._streams = [ref for ref in self._streams if ref() not in (None, stream)]
        self.note_progress()

    def note_progress(self) -> None:
        """Let `settled` look again."""
        self._progress.set()

    async def settled(self) -> None:
        """Return when every reader has dealt with all it was given and has come back for more."""
        while not all(stream.is_settled for stream in self._readers()):
            self._progress.clear()
            await self._progress.wait()

    def _readers(self) -> list[Stream[T]]:
        alive = [(ref, ref()) for ref in self._streams]
        self._streams = [ref for ref, stream in alive if stream is not None]
        return [stream for _, stream in alive if stream is not None]
