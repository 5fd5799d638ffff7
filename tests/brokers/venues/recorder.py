"""A venue that says what it was told to say, over real HTTPS on this machine, and writes down what it was asked.

It checks nothing and matches nothing: it is there so that unmodified ccxt speaks, and its words can be compared with
what the venue documents. Names resolve to it by `tests.venues.loopback`, so ccxt keeps the venue's own addresses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import web

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


@dataclass
class Recorder:
    """`answers` maps `METHOD /path` to a payload, a `(status, payload)`, or a list of them, one for each call."""

    hosts: tuple[str, ...]
    answers: dict[str, Any]
    asked: list[Asked] = field(default_factory=list)
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
        await self._runner.cleanup()

    def changes(self) -> list[Asked]:
        """What was asked and changes something: not the reading of markets, times and the like."""
        return [each for each in self.asked if each.method != "GET"]

    def said(self, line: str) -> list[Any]:
        """What was said in every request to `METHOD /path`."""
        return [each.said for each in self.asked if each.line == line]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        asked = Asked(request.method, request.host, request.path, _said(request, body), dict(request.headers))
        self.asked.append(asked)
        if asked.line not in self.answers:
            return web.json_response({"there is no example for": asked.line}, status=501)
        answer = self.answers[asked.line]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        status, payload = answer if isinstance(answer, tuple) else (200, answer)
        if isinstance(payload, str):
            return web.Response(text=payload, status=status, content_type="text/html")
        return web.json_response(payload, status=status)


def _said(request: web.Request, body: str) -> Any:
    """The query and the body of a request without what a signature adds; a body that is a list stays one."""
    words: dict[str, Any] = dict(request.query)
    if body:
        told = json.loads(body) if body[0] in "[{" else dict(parse_qsl(body, keep_blank_values=True))
        if isinstance(told, list):
            return told
        words |= told
    return {key: value for key, value in words.items() if key not in SIGNED}
