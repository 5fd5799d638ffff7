"""Gives what a stream says to any number of independent readers, each with a queue of its own.

A reader of everything (reports, bars) loses nothing, however slow it is. A reader of the newest (quotes, books) has
room for one item of each topic: a newer one takes the place of the one that was not read yet.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from brokers.errors import Unavailable

T = TypeVar("T")
Topics = frozenset[str]


class Reader(AsyncIterator[T]):
    """One reader's queue. It ends with `Unavailable` once it is empty and its fan has closed.

    `topics` is what it wants to hear of; None is everything.
    """

    def __init__(self, fan: Fan[T], topics: Topics | None) -> None:
        self.topics = topics
        self._fan = fan
        self._queue: deque[T] = deque()
        self._newest: dict[str, T] = {}
        self._awake = asyncio.Event()
        self._closed = False

    async def __anext__(self) -> T:
        """The next item, as soon as there is one."""
        while not (self._queue or self._newest):
            if self._closed:
                raise StopAsyncIteration
            self._fan.check_open()
            self._awake.clear()
            await self._awake.wait()
        return self._queue.popleft() if self._queue else self._newest.pop(next(iter(self._newest)))

    async def aclose(self) -> None:
        """Stop reading: the stream ends quietly, and what was not read is gone."""
        self._closed = True
        self._queue.clear()
        self._newest.clear()
        self._fan.forget(self)
        self._awake.set()

    def offer(self, topic: str, item: T, *, newest: bool) -> None:
        """Queue `item` if this reader wants it; a busy topic keeps its place in the row, so it delays no other."""
        if self.topics is not None and topic not in self.topics:
            return
        if newest:
            self._newest[topic] = item
        else:
            self._queue.append(item)
        self._awake.set()

    def wake(self) -> None:
        """Look again."""
        self._awake.set()


class Fan(Generic[T]):
    """Tells every item to every reader of its topic; with `newest`, items of one topic replace each other.

    `changed` is called when a reader has come or gone, also one that was simply dropped.
    """

    def __init__(
        self,
        name: str,
        topic: Callable[[T], str],
        *,
        newest: bool = False,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._topic = topic
        self._is_newest = newest
        self._changed = changed
        self._readers: list[weakref.ref[Reader[T]]] = []
        self._ended: str | None = None

    def subscribe(self, topics: Topics | None = None) -> Reader[T]:
        """A reader of these topics, from now on."""
        reader = Reader(self, topics)
        self._readers.append(weakref.ref(reader, self._dropped))
        self._changed()
        return reader

    def publish(self, item: T) -> None:
        """Queue `item` for every reader of its topic."""
        topic = self._topic(item)
        for reader in self._alive():
            reader.offer(topic, item, newest=self._is_newest)

    def close(self, reason: str) -> None:
        """End every reader after what it has queued."""
        if self._ended is None:
            self._ended = reason
        for reader in self._alive():
            reader.wake()

    def check_open(self) -> None:
        """Raise `Unavailable` once the fan has closed."""
        if self._ended is not None:
            raise Unavailable(f"{self._name}: {self._ended}")

    def forget(self, reader: Reader[T]) -> None:
        """Give nothing more to `reader`."""
        left = [ref for ref in self._readers if ref() is not reader]
        if len(left) != len(self._readers):
            self._readers = left
            self._changed()

    @property
    def topics(self) -> Topics:
        """Everything that any reader has named."""
        return frozenset().union(*(reader.topics or () for reader in self._alive()))

    def _dropped(self, ref: weakref.ref[Reader[T]]) -> None:
        self._readers = [each for each in self._readers if each is not ref]
        self._changed()

    def _alive(self) -> list[Reader[T]]:
        return [reader for ref in self._readers if (reader := ref()) is not None]
