"""The venue of truth behind a unix socket: one JSON line a call; lost answers are closed connections."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from brokers.errors import Rejected
from tests.faults.faulty_venue import FaultyVenue, Lost, NotSent
from tests.faults.wire_broker import ANSWERS, REPORT, REQUESTS


class VenueServer:
    """Serves `venue` at `socket`. It lives in the test's process: the program that is killed is the other one.

    While `quiet`, what became of an order is neither answered nor reported: the program is killed before it knows.
    """

    def __init__(self, venue: FaultyVenue, socket: Path) -> None:
        self.venue = venue
        self.socket = socket
        self.quiet = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._meet, self.socket, limit=1 << 24)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.venue.break_line()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            self.venue.exchange.journal.add(self.venue.exchange.now(), "torn", bytes=len(line))
            return
        asked = json.loads(line)
        if asked["method"] == "reports":
            await self._stream(reader, writer)
            return
        answer = await self._answer(asked["method"], asked["argument"])
        if asked["method"] == "place":
            await self._noise()
        writer.write(answer)
        await writer.drain()

    async def _noise(self) -> None:
        while self.quiet:
            await asyncio.sleep(0.005)

    async def _answer(self, method: str, body: Any) -> bytes:
        argument = REQUESTS[method].validate_python(body)
        try:
            answer = await self.venue.serve(method, argument)
        except Rejected as refused:
            reason = body if refused.code == "ORDER_NOT_FOUND" else refused.reason
            return json.dumps({"refused": [refused.code, reason]}).encode() + b"\n"
        except (Lost, NotSent) as lost:
            return b"<html>502 Bad Gateway</html>\n" if "html" in str(lost) else b""
        return json.dumps({"answer": ANSWERS[method].dump_python(answer, mode="json")}).encode() + b"\n"

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue = self.venue.subscribe()
        gone = asyncio.ensure_future(reader.read())
        try:
            while True:
                news = asyncio.ensure_future(queue.get())
                await asyncio.wait({news, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not news.done() or (report := news.result()) is None:
                    news.cancel()
                    return
                await self._noise()
                writer.write(REPORT.dump_json(report) + b"\n")
                await writer.drain()
        finally:
            gone.cancel()
            self.venue.unsubscribe(queue)
