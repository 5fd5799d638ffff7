"""The HTTP listener: uvicorn inside the running loop, without its signal handlers or log."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_GRACE_SECONDS = 2


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that embeds the sandbox."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Nothing to do between requests, so no periodic wake-ups."""
        await self.stopping.wait()


class Listener:
    """Serves an ASGI application on a bound socket."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, app: ASGIApp, listening: socket.socket) -> None:
        """Return once connections are accepted."""
        config = uvicorn.Config(
            app, http=self._protocol(), ws="none", lifespan="off", access_log=False, log_level="warning",
            log_config=None, server_header=False, date_header=False, timeout_graceful_shutdown=_GRACE_SECONDS,
        )  # fmt: skip
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([listening]), name="sandbox-server")
        await self._server.ready.wait()

    async def stop(self) -> None:
        """Finish open requests and close everything."""
        if self._server is not None and self._task is not None:
            self._server.stopping.set()
            await self._task

    def abort(self, request: Request) -> None:
        """Cut the connection of a request without an answer."""
        assert request.client is not None
        self._transports[request.client.host, request.client.port].abort()

    def _protocol(self) -> type[asyncio.Protocol]:
        transports = self._transports

        class Protocol(H11Protocol):
            """Remembers its connection, so that it can be cut."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                self.peer = transport.get_extra_info("peername")
                transports[self.peer] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.peer, None)
                super().connection_lost(exc)

        return Protocol
