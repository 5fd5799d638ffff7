"""Dying on the wire to Binance: in the middle of a request, or with all of it out and its answer unread.

ccxt sends by aiohttp; the hooks sit where that writes to the socket and where it reads the head of an answer.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp.client_reqrep import ClientResponse
from aiohttp.http_writer import StreamWriter

_KINDS = {
    b"place": re.compile(rb"POST /[a-z]*api/v\d/(order|algoOrder)[ ?]"),
    b"cancel": re.compile(rb"DELETE /[a-z]*api/v\d/(order|algoOrder)[ ?]"),
    b"modify": re.compile(rb"(POST /api/v3/order/cancelReplace|PUT /fapi/v1/order)[ ?]"),
}


def half_of_request(kind: bytes, reached: Callable[[], None]) -> None:
    """One half is on the wire, the other is not."""
    write, writelines = StreamWriter._write, StreamWriter._writelines

    def _write(self: StreamWriter, chunk: Any) -> None:
        if _KINDS[kind].match(data := bytes(chunk)) is None:
            write(self, chunk)
            return
        write(self, data[: len(data) // 2])
        reached()
        time.sleep(0.05)  # after SIGTERM we go on, while the program stops around us
        write(self, data[len(data) // 2 :])

    def _writelines(self: StreamWriter, chunks: Iterable[Any]) -> None:
        parts = [bytes(chunk) for chunk in chunks]
        if _KINDS[kind].match(b"".join(parts)) is None:
            writelines(self, parts)
        else:
            _write(self, b"".join(parts))

    StreamWriter._write, StreamWriter._writelines = _write, _writelines  # type: ignore[method-assign]


def before_answer(kind: bytes, reached: Callable[[], None]) -> None:
    """The venue has the request, and nothing of its answer has been read."""
    start = ClientResponse.start

    async def dying(self: ClientResponse, connection: Any) -> ClientResponse:
        if _KINDS[kind].match(f"{self.method} {self.url.raw_path} ".encode()) is not None:
            await asyncio.sleep(0.03)  # the venue works on it
            reached()
            await asyncio.sleep(0.05)
        return await start(self, connection)

    ClientResponse.start = dying  # type: ignore[method-assign]
