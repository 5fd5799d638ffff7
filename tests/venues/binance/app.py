"""The server: HTTPS and WSS for all of Binance's names on one port of this machine."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

from brokers.network import Network
from tests.venues import loopback
from tests.venues.binance import products
from tests.venues.binance.door import Answer, Hall
from tests.venues.binance.errors import Refusal
from tests.venues.binance.faults import Manner, Plan
from tests.venues.binance.frame import Frame
from tests.venues.binance.hosts import CERTIFICATE_NAMES, Place, place_of
from tests.venues.binance.listing import Listing
from tests.venues.binance.router import Call
from tests.venues.binance.sockets import Socket

HANG_SECONDS = 3600.0
NOT_FOUND = "<html><head><title>404 Not Found</title></head><body>nginx</body></html>"


class BinanceServer(Frame):
    """Binance on this machine: `async with BinanceServer() as venue: … venue.network …`."""

    def __init__(
        self,
        *,
        folder: Path | None = None,
        port: int = 0,
        beat_seconds: float | None = None,
        more: Iterable[Listing] = (),
    ) -> None:
        super().__init__(folder)
        self.port = port
        self._beat_seconds = beat_seconds
        self._beating: asyncio.Task[None] | None = None
        self._folder = folder
        self._hall = Hall(self)
        self._runner: web.ServerRunner | None = None
        built = products.build(self, more)
        self.spot, self.margin, self.custody, self.usdm = built.spot, built.margin, built.custody, built.usdm

    @property
    def network(self) -> Network:
        """The way here, for clients in this process."""
        return loopback.network(self.port)

    async def start(self) -> None:
        """Listen. With a folder, `port` and `ca.pem` are written there for other processes."""
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        listener = sockets.create_server((loopback.HOST, self.port))
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, ssl_context=loopback.server_context(CERTIFICATE_NAMES)).start()
        if self._beat_seconds is not None:
            self._beating = asyncio.create_task(self._beat(self._beat_seconds))
        if self._folder is not None:
            (self._folder / "ca.pem").write_text(loopback.ca_pem())
            (self._folder / "port").write_text(str(self.port))

    async def stop(self) -> None:
        """Break every connection and close the journal."""
        if self._beating is not None:
            self._beating.cancel()
        self.sockets.drop()
        if self._runner is not None:
            await self._runner.cleanup()
        self.journal.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _beat(self, seconds: float) -> None:
        """Say again what the real venue says again and again."""
        while True:
            await asyncio.sleep(seconds)
            for beat in self.beaters:
                beat()

    # --- one request ---------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        came = time.monotonic_ns()
        place = place_of(request.host, request.path)
        if place is None:
            return web.Response(status=404, text=NOT_FOUND, content_type="text/html")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(request, place)
        body = await request.text()
        return await self._deliver(request, place, body, came)

    async def _converse(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        door = self.doors.get(place.site)
        if door is None:
            return web.Response(status=404, text=NOT_FOUND, content_type="text/html")
        socket = Socket(place, request.path, dict(parse_qsl(request.query_string)), self.script, self.journal)
        self.journal.write("connected", site=place.site, mode=place.mode, path=request.path)
        try:
            door.opened(socket)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        self.sockets.add(socket)
        try:
            return await socket.serve(request, door)
        finally:
            self.sockets.remove(socket)

    async def _deliver(self, request: web.BaseRequest, place: Place, body: str, came: int) -> web.StreamResponse:
        """Answer one request, or let happen to it what the script has."""
        query = request.rel_url.raw_query_string
        raw = query + body  # a signature is over both, as they came
        params = {name: value for part in (query, body) for name, value in parse_qsl(part, keep_blank_values=True)}
        route = f"{request.method} {request.path}"
        plan = self.script.take(route, params)
        fault = "" if plan is None else plan.fault
        told = {"route": route, "host": request.host, "params": params, "body": body, "fault": fault, "came_ns": came}
        self.journal.write("request", **told)
        call = Call(request.method, request.path, place, params, plan=plan)
        if plan is not None and plan.mischief.manner is not Manner.HANDLER:
            return await self._mischief(request, call, raw, plan)
        return _response(self._answer(call, request.headers, raw))

    def _answer(self, call: Call, headers: Mapping[str, str], raw: str) -> Answer:
        answer = self._hall.answer(call, headers, raw)
        self.journal.write("answer", route=call.route, status=answer.status, body=answer.text)
        return answer

    async def _mischief(self, request: web.BaseRequest, call: Call, raw: str, plan: Plan) -> web.StreamResponse:
        mischief = plan.mischief
        call.plan = None
        if plan.fault == "delay_before":
            await asyncio.sleep(plan.seconds(0.2))
        answer = self._answer(call, request.headers, raw) if mischief.executes else Answer(200, "")
        self.journal.write("fault", route=call.route, fault=plan.fault)
        match mischief.manner:
            case Manner.DROP:
                return _broken(request)
            case Manner.HANG:
                await asyncio.sleep(plan.seconds(HANG_SECONDS))
                return _broken(request)
            case Manner.CUT:
                return await _cut(request, answer)
            case Manner.TRUNCATE:
                return _response(Answer(answer.status, answer.text[: len(answer.text) // 2], answer.headers))
            case Manner.EMPTY:
                return _response(Answer(answer.status, "", answer.headers))
            case Manner.DELAY:
                if plan.fault == "delay":
                    await asyncio.sleep(plan.seconds(0.2))
                return _response(answer)
            case _:
                return _response(_said(mischief.status, mischief.says, answer.headers))


def _said(status: int, says: str | Refusal, headers: Mapping[str, str]) -> Answer:
    if isinstance(says, Refusal):
        return Answer(status, json.dumps(says.body), {**headers, **says.headers})
    return Answer(status, says, headers)


def _response(answer: Answer) -> web.Response:
    kind = "text/html" if answer.text.startswith("<") else "application/json"
    return web.Response(status=answer.status, text=answer.text, headers=dict(answer.headers), content_type=kind)


def _broken(request: web.BaseRequest) -> web.Response:
    """Break the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Begin an answer and break off in its middle."""
    data = answer.text.encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        await asyncio.sleep(0.01)  # what was written leaves before the connection breaks
        request.transport.abort()
    return response
