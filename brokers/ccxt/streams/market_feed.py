"""Keeps streams of market data open for as long as somebody reads them.

Each set of topics that a reader brings along is opened as one: a group. A group that is lost is stale, and opened anew
after a pause that grows; when it cannot be kept open, it is asked for meanwhile.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import structlog

from brokers.ccxt.pulse import StreamPulse
from brokers.ccxt.streams.channel import Call, Channel
from brokers.ccxt.streams.fan import Fan, Reader, Topics
from brokers.ccxt.streams.pace import Pace
from brokers.ccxt.streams.sockets import Sockets
from brokers.errors import BrokerError
from brokers.resilience.ticks import ticks

log = structlog.get_logger(__name__)

# Venues carry no more on one socket, or in one subscription: Binance 1,024 streams, and ccxt 200 of one kind.
_MOST_TOPICS = 200
T = TypeVar("T")


class MarketFeed(ABC, Generic[T]):
    """One kind of market data. `is_pushed`: the venue has a stream of it; else it is asked for only."""

    name: str
    is_pushed = True

    def __init__(self, pace: Pace, pulse: StreamPulse, *, newest: bool) -> None:
        self.pace = pace
        self.pulse = pulse
        self.fan: Fan[T] = Fan(self.name, self.topic, newest=newest, changed=self._readers_changed)
        self.sockets: Sockets | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._groups: list[Group] = []
        self._ending: set[asyncio.Task[None]] = set()

    # --- what a kind of market data must say -------------------------------------------------------

    @abstractmethod
    def topic(self, item: T) -> str:
        """The topic of an item: its symbol."""

    @abstractmethod
    def calls(self, topics: Sequence[str]) -> Sequence[Call]:
        """The calls of ccxt that open a stream of these topics."""

    async def unwatch(self, topics: Sequence[str]) -> None:
        """Tell the venue that these topics are not wanted any more, on a socket that others need."""

    def opened(self, topics: Sequence[str]) -> None:
        """The stream is open: from here on it has no gap."""

    async def catch_up(self, topics: Sequence[str]) -> None:
        """Ask for what was missed, or for the first word. Raises `BrokerError`."""

    @abstractmethod
    async def ask(self, topics: Sequence[str]) -> Iterable[str]:
        """Ask for what the stream would tell, and pass it on; of which topics there was news. Raises `BrokerError`."""

    def answered(self, answer: Any) -> None:
        """What a call has returned, for a kind that is not told by the tap."""

    is_answered = False

    is_lost_when_silent = False
    """Whether asking cannot tell a stream that has gone deaf from a quiet market: then silence is enough."""

    # --- readers -----------------------------------------------------------------------------------

    def subscribe(self, topics: Iterable[str]) -> Reader[T]:
        """A reader of these topics, from now on."""
        self.pulse.wanted()
        return self.fan.subscribe(frozenset(topics))

    def publish(self, item: T) -> None:
        """Pass on what the venue has told."""
        self.heard(self.topic(item))
        self.fan.publish(item)

    def heard(self, topic: str) -> None:
        """The stream has told something on a topic."""
        self.pulse.heard()
        for group in self._groups:
            group.heard(topic)

    # --- life --------------------------------------------------------------------------------------

    @property
    def is_wanted(self) -> bool:
        """Whether any of it is to be open."""
        return bool(self._groups)

    def start(self, sockets: Sockets) -> None:
        """Open what is wanted, on the sockets of this exchange object."""
        self.sockets, self._loop = sockets, asyncio.get_running_loop()
        self._sort()

    async def stop(self) -> None:
        """Close what is open; readers wait for the next `start`."""
        self.sockets = None
        groups, self._groups = self._groups, []
        await asyncio.gather(*(group.close() for group in groups))
        while self._ending:
            await asyncio.wait(self._ending)

    def _readers_changed(self) -> None:
        """A reader may be dropped anywhere, so what follows from it waits for the loop's next round."""
        if self.sockets is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._sort)

    def _sort(self) -> None:
        """Have one group for whatever is wanted, and none for what is not."""
        if self.sockets is None:
            return
        wanted = self.fan.topics
        for group in [each for each in self._groups if not each.topics & wanted]:
            self._groups.remove(group)
            task = asyncio.create_task(group.close(unwatch=True))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        missing = sorted(wanted.difference(*(group.topics for group in self._groups)))
        for start in range(0, len(missing), _MOST_TOPICS):
            self._groups.append(Group(self, self.sockets, frozenset(missing[start : start + _MOST_TOPICS])))
        if not self._groups:
            self.pulse.lost()


class Group:
    """Some topics on one stream, kept open until `close`."""

    def __init__(self, feed: MarketFeed[Any], sockets: Sockets, topics: Topics) -> None:
        self.topics = topics
        self._feed = feed
        self._sockets = sockets
        self._list = sorted(topics)
        self._heard: dict[str, float] = {}
        self._channel: Channel | None = None
        self._failures = 0
        self._has_been_open = False
        self._opened_at = 0.0
        self._task = asyncio.create_task(self._run())

    def heard(self, topic: str) -> None:
        """Something came on a topic."""
        if topic in self.topics:
            self._heard[topic] = ticks()
            if self._channel is not None:
                self._channel.heard()
                if ticks() - self._opened_at > self._feed.pace.longest_pause:
                    self._failures = 0  # not before: one that lives for a message only is opened ever more rarely

    async def close(self, *, unwatch: bool = False) -> None:
        """Nobody wants it any more. With `unwatch` the venue is told, where the socket stays open for others."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        channel, self._channel = self._channel, None
        if channel is not None:
            if unwatch and self._sockets.is_shared(channel.line):
                await self._unwatch()
            await channel.close("nobody reads it any more")
        if not self._feed.is_wanted:
            self._feed.pulse.lost()

    async def _unwatch(self) -> None:
        try:
            async with asyncio.timeout(self._feed.pace.grace):
                await self._feed.unwatch(self._list)
        except Exception as error:  # noqa: BLE001 (ccxt raises anything; what comes unasked is passed over)
            log.info("a stream could not be unsubscribed", stream=self._feed.name, error=repr(error))

    async def _run(self) -> None:
        while True:
            reason = await self._live() if self._feed.is_pushed else "the venue has no such stream"
            self._failures += 1
            if self._feed.is_pushed:
                log.warning("a stream is lost", stream=self._feed.name, reason=reason, failures=self._failures)
                self._feed.pulse.lost(reason)
            await self._wait()

    async def _live(self) -> str:
        """Open it and stay with it until it is lost; why it was."""
        self._channel, self._opened_at = None, ticks()
        each = self._feed.answered if self._feed.is_answered else None
        channel = Channel(self._sockets, self._feed.calls(self._list), each)
        self._channel = channel
        try:
            await channel.open(self._feed.pace.opening)
            self._opened_at = ticks()
            self._feed.opened(self._list)
            self._feed.pulse.opened(another=not self._has_been_open)
            self._has_been_open = True
            self._heard = dict.fromkeys(self._list, ticks())
            await self._catch_up()
            return await self._watch(channel)
        except ConnectionError as error:
            return str(error)
        finally:
            self._channel = None
            await channel.close("lost")

    async def _catch_up(self) -> None:
        try:
            await self._feed.catch_up(self._list)
        except BrokerError as error:
            log.warning("what was missed cannot be asked for", stream=self._feed.name, error=str(error))

    async def _watch(self, channel: Channel) -> str:
        pace = self._feed.pace
        while True:
            await asyncio.wait({channel.ended}, timeout=pace.step)
            if channel.ended.done():
                return channel.ended.result()
            if channel.lifeless_for() > pace.silence:
                return "no sign of life"
            if self._feed.is_lost_when_silent and channel.silent_for() > pace.silence:
                return "open and silent"
            silent = [topic for topic, at in self._heard.items() if ticks() - at > pace.silence]
            if silent and await self._is_deaf(silent):
                return f"silent about {', '.join(silent)}"

    async def _is_deaf(self, silent: Sequence[str]) -> bool:
        """Of some topics nothing is told: either nothing happens there, or the stream has forgotten them."""
        try:
            return bool(set(await self._feed.ask(silent)))
        except BrokerError:
            return False
        finally:
            self._heard.update(dict.fromkeys(silent, ticks()))

    async def _wait(self) -> None:
        """The pause before the next attempt; meanwhile ask, where attempts keep failing or there is no stream."""
        pace = self._feed.pace
        until = ticks() + pace.pause(self._failures)
        asks = not self._feed.is_pushed or self._failures >= pace.tries
        while asks and ticks() < until:
            await self._poll()
            await asyncio.sleep(pace.poll)
        await asyncio.sleep(max(until - ticks(), 0))

    async def _poll(self) -> None:
        try:
            await self._feed.ask(self._list)
        except BrokerError as error:
            self._feed.pulse.lost(str(error))
        else:
            (self._feed.pulse.heard if self._feed.is_pushed else self._feed.pulse.answered)()
