"""A venue that says what it was told to say, over real HTTPS on this machine, and writes down what it was asked.

It checks nothing and matches nothing: it is there so that unmodified ccxt speaks, and its words can be compared with
what the venue documents. Names resolve to it by `tests.venues.loopback`, so ccxt keeps the venue's own addresses.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from brokers.network import Network
from tests.venues import loopback

SIGNED = {"nonce", "timestamp", "recvWindow", "recv_window"}
"""What differs from call to call, or is part of a signature: compared nowhere."""


@dataclass(frozen=True)
class Asked:
    """One request: where it went and what it said, a query and a body in one."""

    method: str
    host: str
    path: str
    said: Any
    headers: Mapping[str, str]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Told:
    """One message to the venue over a WebSocket, and the address that it went to."""

    place: str
    message: Any


@dataclass
class Recorder:
    """`answers` maps `METHOD /path` to a payload, a `(status, payload)` with headers behind it, a list of them, one for
    each call, or a function that makes one of what was said.

    `is_dumb`: nothing is answered on sockets any more. `replies` are what the venue says over WebSockets: each has `when`, a part of a message that it answers to (none:
    when a socket opens), and `say`, the messages that follow. `$name` in one is that part of what it answers to.
    """

    hosts: tuple[str, ...]
    answers: dict[str, Any]
    replies: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    queries: dict[str, dict[str, str]] = field(default_factory=dict)
    is_dumb: bool = False
    network: Network = field(init=False)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, loopback.HOST, 0, ssl_context=loopback.server_context(loopback.wildcards(self.hosts))
        )
        await site.start()
        self.network = loopback.network(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self.sockets.values():
            await socket.close()
        await self._runner.cleanup()

    async def push(self, place: str, *messages: Any) -> None:
        """Say this on the open socket at an address."""
        for message in messages:
            await self.sockets[place].send_json(message)

    async def heard(self, part: Any) -> Told:
        """The message with this part, as soon as it has come."""
        async with asyncio.timeout(15):
            while not (found := [each for each in self.told if has(each.message, part)]):
                await asyncio.sleep(0.002)
        return found[-1]

    def changes(self) -> list[Asked]:
        """What was asked and changes something: not the reading of markets, times and the like."""
        return [each for each in self.asked if each.method != "GET"]

    def said(self, line: str) -> list[Any]:
        """What was said in every request to `METHOD /path`."""
        return [each.said for each in self.asked if each.line == line]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").casefold() == "websocket":
            return await self._converse(request)
        body = await request.text()
        asked = Asked(request.method, request.host, request.path, _said(request, body), dict(request.headers))
        self.asked.append(asked)
        if asked.line not in self.answers:
            return web.json_response({"there is no example for": asked.line}, status=501)
        answer = self.answers[asked.line]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(asked.said)
        status, payload, *rest = answer if isinstance(answer, tuple) else (200, answer)
        headers = rest[0] if rest else None
        if isinstance(payload, str):
            return web.Response(text=payload, status=status, content_type="text/html")
        return web.json_response(payload, status=status, headers=headers)

    async def _converse(self, request: web.Request) -> web.WebSocketResponse:
        socket, place = web.WebSocketResponse(autoping=False), request.host + request.path
        await socket.prepare(request)
        self.sockets[place], self.queries[place] = socket, dict(request.query)
        await self._reply(socket, None)
        async for frame in socket:
            if frame.type is WSMsgType.PING and not self.is_dumb:
                await socket.pong(frame.data)
            if frame.type is WSMsgType.TEXT and frame.data[:1] == "{":
                self.told.append(Told(place, json.loads(frame.data)))
                await self._reply(socket, self.told[-1].message)
            elif frame.data == "ping" and not self.is_dumb:  # in the way of those that have no JSON for it
                await socket.send_str("pong")
        return socket

    async def _reply(self, socket: web.WebSocketResponse, message: Any) -> None:
        for each in () if self.is_dumb else self.replies:
            if each["when"] is None if message is None else each["when"] is not None and has(message, each["when"]):
                for say in each["say"]:
                    await socket.send_json({key: _filled(value, message) for key, value in say.items()})


def has(message: Any, part: Any) -> bool:
    """Whether `part` is in `message`, at any depth; a list has each item of the other."""
    if isinstance(part, Mapping):
        return isinstance(message, Mapping) and all(has(message.get(key), part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(message, list) and all(any(has(each, one) for each in message) for one in part)
    return bool(message == part)


def _filled(value: Any, message: Any) -> Any:
    return message.get(value[1:]) if isinstance(value, str) and value.startswith("$") else value


def _said(request: web.Request, body: str) -> Any:
    """The query and the body of a request without what a signature adds; a body that is a list stays one."""
    words: dict[str, Any] = dict(request.query)
    if body:
        told = json.loads(body) if body[0] in "[{" else dict(parse_qsl(body, keep_blank_values=True))
        if isinstance(told, list):
            return told
        words |= told
    return {key: value for key, value in words.items() if key not in SIGNED}
