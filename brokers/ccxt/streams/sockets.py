"""Which sockets a stream lives on: opened by ccxt, watched for their end, closed for good.

ccxt opens a socket inside its `watch` methods and shares it between streams. Here every opening is noted for the
stream that caused it, and a future of ours among ccxt's own tells when the socket is lost, whatever else happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from brokers.ccxt.loading import load_errors
from brokers.ccxt.outcomes import why
from brokers.ccxt.streams.tap import Tap
from brokers.resilience.ticks import ticks

_GUARD = "quarterdeck"
# How long a peer may take to say goodbye, and a socket that is just being opened to be there.
_GOODBYE_SECONDS = 1.0
_DIAL_SECONDS = 15.0
# How long a venue may take to answer a subscription, when it answers none at all.
_ANSWER_SECONDS = 2.0
_STEP_SECONDS = 0.01


@dataclass(eq=False)
class Line:
    """The sockets that one stream has caused to be opened; `lost(reason)` is called once, when any of them ends."""

    lost: Callable[[str], None]
    urls: set[str] = field(default_factory=set)
    calls: int = 0
    last_url: str = ""
    due: dict[str, int] = field(default_factory=dict)  # how many messages a socket brings if each of ours is answered
    signs: dict[str, tuple[object, float]] = field(default_factory=dict)


_current: ContextVar[Line | None] = ContextVar("line", default=None)


class Sockets:
    """The sockets of one exchange object."""

    def __init__(self, exchange: Any, tap: Tap) -> None:
        self._exchange = exchange
        self._tap = tap
        self._lines: list[Line] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._watch, self._watch_many, self._make = exchange.watch, exchange.watch_multiple, exchange.client
        exchange.watch, exchange.watch_multiple, exchange.client = self._one, self._many, self._client
        tap.ended = self.cut

    # --- openings ----------------------------------------------------------------------------------

    def line(self, lost: Callable[[str], None]) -> Line:
        """A stream's own list of sockets, for `enter`."""
        line = Line(lost)
        self._lines.append(line)
        return line

    @staticmethod
    def enter(line: Line) -> None:
        """Whatever the running task opens from now on is on `line`."""
        _current.set(line)

    def _one(self, url: str, hash_: Any, message: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._note(url, message)
        return self._watch(url, hash_, message, *args, **kwargs)

    def _many(self, url: str, hashes: Any, message: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._note(url, message)
        return self._watch_many(url, hashes, message, *args, **kwargs)

    def _note(self, url: str, message: Any) -> None:
        line = _current.get()
        if line is None:
            return
        line.urls.add(url)
        self._hurry(url)
        line.calls += 1
        line.last_url = url
        if message is not None:
            line.due[url] = max(line.due.get(url, 0), self._tap.seen.get(url, 0)) + 1

    def _hurry(self, url: str) -> None:
        """A venue may say how often it wants pings; for us they are a sign of life, and may have to come sooner."""
        client = self._exchange.clients.get(url)
        if client is not None:
            client.keepAlive = min(client.keepAlive, self._exchange.streaming["keepAlive"])

    def _client(self, url: str) -> Any:
        """One socket of ccxt. Its futures may fail without anybody waiting for them: that is no error of anybody."""
        client = self._make(url)
        if _GUARD not in client.futures and not getattr(client, "is_put_away", False):
            make = client.future
            client.future = lambda hash_: _quiet(make(hash_))
            client.future(_GUARD).add_done_callback(lambda guard: self._guard_ended(client, guard))
        return client

    async def ready(self, line: Line, seconds: float) -> None:
        """Wait until the venue has taken what was asked on `line`. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            calls, since, quiet = -1, ticks(), 0
            while quiet < 3:  # ccxt may ask for more after an answer, without any pause
                await asyncio.sleep(_STEP_SECONDS)
                if line.calls != calls:
                    calls, since, quiet = line.calls, ticks(), 0
                quiet = quiet + 1 if self._is_answered(line, ticks() - since) else 0

    def _is_answered(self, line: Line, waited: float) -> bool:
        clients = [self._exchange.clients.get(url) for url in (*line.due, line.last_url)]
        if not all(client is not None and client.isConnected for client in clients):
            return False
        return waited > _ANSWER_SECONDS or all(self._tap.seen.get(url, 0) >= due for url, due in line.due.items())

    # --- life --------------------------------------------------------------------------------------

    def silent_for(self, line: Line) -> float:
        """Seconds since the quietest socket of `line` has given any sign of life, a pong included."""
        return max((self._age(line, url) for url in line.urls), default=0.0)

    def _age(self, line: Line, url: str) -> float:
        client = self._exchange.clients.get(url)
        sign = client and (client.lastPong, client.last_message_at, client.connectionEstablished)
        known, since = line.signs.get(url, (None, 0.0))
        if url not in line.signs or known != sign:
            since = ticks()
            line.signs[url] = (sign, since)
        return ticks() - since

    # --- ends --------------------------------------------------------------------------------------

    def cut(self, url: str, reason: str) -> None:
        """Close one socket: every stream on it is lost."""
        client = self._exchange.clients.pop(url, None)
        if client is not None:
            self._put_away(client, reason)
        self._ended(url, reason)

    def is_shared(self, line: Line) -> bool:
        """Whether another stream lives on a socket of `line`."""
        return any(line.urls & each.urls for each in self._lines if each is not line)

    def drop(self, line: Line, reason: str, *, shared: bool = False) -> None:
        """The stream is not wanted any more: close the sockets that no other stream needs.

        `shared`: those as well, for a stream that must be subscribed anew; ccxt would think that it is.
        """
        if line in self._lines:
            self._lines.remove(line)
        for url in line.urls:
            if shared or not any(url in each.urls for each in self._lines):
                self.cut(url, reason)

    async def close(self) -> None:
        """Close every socket and wait until that is done, but not for ever."""
        for url in list(self._exchange.clients or {}):
            self.cut(url, "closed by us")
        if self._closing:
            _, late = await asyncio.wait(self._closing, timeout=2 * _GOODBYE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _guard_ended(self, client: Any, guard: asyncio.Future[Any]) -> None:
        reason = _why(guard)
        if self._exchange.clients.get(client.url) is client:
            del self._exchange.clients[client.url]
        self._put_away(client, reason)
        self._ended(client.url, reason)

    def _ended(self, url: str, reason: str) -> None:
        for line in [each for each in self._lines if url in each.urls]:
            self._lines.remove(line)
            line.lost(reason)

    def _put_away(self, client: Any, reason: str) -> None:
        if not getattr(client, "is_put_away", False):
            client.is_put_away = True
            task = asyncio.ensure_future(_close(client, reason))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _close(client: Any, reason: str) -> None:
    """Close one socket of ccxt, in whatever state it is, and wake everybody who waits on it."""
    client.error = client.error or load_errors().NetworkError(reason)  # or ccxt takes it for the venue's doing
    client.reject(client.error)
    if client.connecting and not client.connected.done():
        await asyncio.wait({client.connected}, timeout=_DIAL_SECONDS)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await client.close()


def _quiet(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    future.remove_done_callback(_retrieve)
    future.add_done_callback(_retrieve)
    return future


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _why(guard: asyncio.Future[Any]) -> str:
    if guard.cancelled():
        return "closed"
    error = guard.exception()
    return why(error) if error is not None else "closed"
