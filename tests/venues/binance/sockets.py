"""WebSocket connections: what is said on them passes the fault script, in order, one writer each."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from tests.venues.binance.clock import world_ms
from tests.venues.binance.faults import Plan, Script
from tests.venues.binance.hosts import Place
from tests.venues.binance.journal import Journal

PING_SECONDS = 20.0


class _End(Enum):
    """How the writer of a connection ends it."""

    CLOSE = auto()
    BREAK = auto()


class Door(Protocol):
    """Who looks after the connections of one site (ws-api, stream, fstream, ws-fapi)."""

    def opened(self, socket: Socket) -> None:
        """A client has come. May raise `Refusal`: then it is sent away with HTTP 400."""

    def heard(self, socket: Socket, message: dict[str, Any]) -> None:
        """A client said something."""

    def closed(self, socket: Socket) -> None:
        """A client has left."""


class Socket:
    """One connection. `streams` are the names it listens to; `marks` is for its door to remember things."""

    def __init__(self, place: Place, path: str, query: dict[str, str], script: Script, journal: Journal) -> None:
        self.place = place
        self.path = path
        self.query = query
        self.streams: set[str] = set()
        self.marks: dict[str, Any] = {}
        self._script = script
        self._journal = journal
        self._queue: asyncio.Queue[str | _End] = asyncio.Queue()
        self._held: dict[str, list[str]] = {}
        self._silent: set[str] = set()
        self.is_open = True

    def answer(self, message: dict[str, Any]) -> None:
        """Say something that no fault touches."""
        self._put(json.dumps(message))

    def tell(self, channel: str, event: Any, wrap: Callable[[Any], Any] = lambda event: event) -> None:
        """Say an event on `channel` ("user spot", "market spot" …), unless a fault has it otherwise."""
        if not self.is_open:
            return
        text = json.dumps(wrap(event))
        plan = self._script.take(f"STREAM {channel}", event if isinstance(event, dict) else {})
        name = "" if plan is None else plan.fault
        self._journal.write("event", channel=channel, event=event, fault=name)
        if plan is not None:
            self._play(channel, plan, text, wrap)
        elif channel not in self._silent:
            self._put(text)
            for late in self._held.pop(channel, []):
                self._put(late)

    def _play(self, channel: str, plan: Plan, text: str, wrap: Callable[[Any], Any]) -> None:
        match plan.fault:
            case "lose":
                self.drop()
            case "silent":
                self._silent.add(channel)
            case "duplicate":
                self._put(text)
                self._put(text)
            case "delay":
                asyncio.get_running_loop().call_later(plan.seconds(0.2), self._put, text)
            case "reorder":
                self._held.setdefault(channel, []).append(text)
            case "terminate":
                self._put(json.dumps(wrap({"e": "eventStreamTerminated", "E": world_ms()})))
                self._silent.add(channel)
            case "shutdown":
                self._put(json.dumps(wrap({"e": "serverShutdown", "E": world_ms()})))
                self._put(_End.CLOSE)
            case _:  # miss
                pass

    @property
    def is_silent(self) -> bool:
        """Whether it is open and says nothing."""
        return bool(self._silent)

    def silence(self, channel: str) -> None:
        """Say nothing on `channel` from now on, and send no pings."""
        self._silent.add(channel)

    def drop(self) -> None:
        """Break the connection; what is waiting is gone."""
        self.is_open = False
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(_End.BREAK)

    def close(self) -> None:
        """Close after what is waiting was said."""
        self._put(_End.CLOSE)

    def _put(self, text: str | _End) -> None:
        if self.is_open:
            self._queue.put_nowait(text)

    async def serve(self, request: web.BaseRequest, door: Door) -> web.WebSocketResponse:
        """Live until one of both sides ends it."""
        ws = web.WebSocketResponse(autoping=True, timeout=0.2)
        await ws.prepare(request)
        writers = [asyncio.create_task(self._write(ws, request)), asyncio.create_task(self._ping(ws))]
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    door.heard(self, json.loads(message.data))
        finally:
            self.is_open = False
            door.closed(self)
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
        return ws

    async def _write(self, ws: web.WebSocketResponse, request: web.BaseRequest) -> None:
        with contextlib.suppress(ConnectionError):
            while isinstance(text := await self._queue.get(), str):
                await ws.send_str(text)
            if text is _End.CLOSE:
                await ws.close()
            elif request.transport is not None:
                request.transport.abort()
        self.is_open = False

    async def _ping(self, ws: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(PING_SECONDS)
                if not self.is_silent:
                    await ws.ping()


class Sockets:
    """All open connections."""

    def __init__(self) -> None:
        self._open: list[Socket] = []

    def add(self, socket: Socket) -> None:
        """One more."""
        self._open.append(socket)

    def remove(self, socket: Socket) -> None:
        """One less."""
        if socket in self._open:
            self._open.remove(socket)

    def of(self, site: str) -> list[Socket]:
        """The open connections of a site."""
        return [socket for socket in self._open if socket.place.site == site and socket.is_open]

    def drop(self, site: str = "") -> int:
        """Break all connections (of a site); how many."""
        broken = [socket for socket in self._open if site in {"", socket.place.site} and socket.is_open]
        for socket in broken:
            socket.drop()
        return len(broken)
