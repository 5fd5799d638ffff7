"""A real HTTP server on 127.0.0.1 that records what it gets and answers as it is told, faults included."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answering:
    """How the next requests are answered; `drop` closes the line without a word, `endless` never stops talking, `trickle` never gets to the point."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    endless: bool = False
    trickle: bool = False
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    lines: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            lower = {name.lower(): value for name, value in headers.items()}
            body = await reader.readexactly(int(lower.get("content-length", 0)))
            self.requests.append(Request(head[0], lower, body))
            self.arrived.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), self.delay)
            if not self.drop:
                await self._answer(writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        self.lines.discard(writer)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        length = {} if self.endless else {"Content-Length": "2"}
        lines = [f"HTTP/1.1 {self.status} x", *(f"{k}: {v}" for k, v in {**length, **self.headers}.items())]
        while self.trickle and not self.closing.is_set():
            writer.write(b"HTTP/1.1 200 x\r\n" if not self.sent else b"X: y\r\n")
            self.sent += 1
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(("\r\n".join(lines) + "\r\nConnection: close\r\n\r\nok").encode())
        while self.endless:
            writer.write(b"x" * 65_536)
            self.sent += 65_536
            await writer.drain()
        await writer.drain()


@asynccontextmanager
async def answering(context: ssl.SSLContext | None = None) -> AsyncIterator[Answering]:
    answers = Answering()
    server = await asyncio.start_server(answers.serve, "127.0.0.1", 0, ssl=context)
    answers.port = server.sockets[0].getsockname()[1]
    try:
        yield answers
    finally:
        server.close()
        answers.closing.set()
        for writer in tuple(answers.lines):
            writer.transport.abort()
        while answers.lines:
            await asyncio.sleep(0.001)
