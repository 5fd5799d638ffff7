"""`quarterdeck init` and others in a process of their own, and a hand at the keyboard."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Self

from bot.sandbox.server import SandboxServer
from tests.journeys.nursery import Program
from tests.journeys.sandbox import environment, nursery

SECONDS = 40.0
CODE = re.compile(r"/start (join-[0-9A-Z]{26})")


class Guided:
    """A program that asks; every wait is bounded, and nothing of it stays. It is a fork of the nursery, heard by pipes."""

    def __init__(self, *arguments: str, server: SandboxServer | None = None, **env: str) -> None:
        self._arguments = arguments
        self._env = environment(**env, **({"QUARTERDECK_TELEGRAM__BASE_URL": server.bot_base_url} if server else {}))
        self.output = ""
        self._seen = 0
        self._program: Program | None = None
        self._keyboard: BinaryIO | None = None
        self._reader = asyncio.StreamReader()

    async def __aenter__(self) -> Self:
        with tempfile.TemporaryDirectory() as name:
            said, typed = Path(name) / "said", Path(name) / "typed"
            for each in (said, typed):
                os.mkfifo(each)
            heard = os.fdopen(os.open(said, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
            self._keyboard = os.fdopen(os.open(typed, os.O_RDWR), "wb", buffering=0)
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(self._reader), heard
            )
            self._program = nursery().start(self._arguments, self._env, out=said, err=said, stdin=str(typed))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._program
        if self._program.poll() is None:
            self._program.send_signal(signal.SIGKILL)
        await self.end()

    async def until(self, words: str) -> str:
        """Wait until it has said this; what it has said since the last time."""
        while words not in self.output[self._seen :]:
            try:
                async with asyncio.timeout(SECONDS):
                    more = await self._reader.read(65536)
            except TimeoutError:
                raise AssertionError(f"no {words!r} in:\n{self.output}") from None
            assert more, f"it ended without {words!r}:\n{self.output}"
            self.output += more.decode()
        start, self._seen = self._seen, self.output.index(words, self._seen) + len(words)
        return self.output[start : self._seen]

    async def answer(self, question: str, line: str) -> str:
        """Wait for a question and type a line; what was said before."""
        said = await self.until(question)
        await self.type(line)
        return said

    async def type(self, line: str) -> None:
        assert self._keyboard
        self._keyboard.write(f"{line}\n".encode())

    async def code(self) -> str:
        """The pairing code, once it is shown."""
        await self.until("/start join-")
        self._seen -= len("/start join-")
        await self.until("I wait for")
        found = CODE.findall(self.output)
        return str(found[-1])

    async def end(self, *, hang_up: bool = True) -> int:
        """Its exit status."""
        assert self._program
        assert self._keyboard
        if hang_up:
            self._keyboard.close()
        async with asyncio.timeout(SECONDS):
            self.output += (await self._reader.read()).decode()
        code = self._program.wait(SECONDS)
        self._keyboard.close()
        return code

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        assert self._program
        self._program.send_signal(number)

    async def run(self) -> int:
        """To its end without a word from us."""
        async with self:
            return await self.end()


def typed(user: int, text: str, *, chat: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A message as Telegram writes it."""
    return {
        "message_id": 900, "date": 1_700_000_000, "text": text, "chat": chat or {"id": user, "type": "private"},
        "from": {"id": user, "is_bot": False, "first_name": "Eve", "last_name": "\x1b[2Jl\u202e", "username": "eve"}, **more,
    }  # fmt: skip


def push(server: SandboxServer, message: dict[str, Any]) -> None:
    """A message that no client of ours would send."""
    with server.world.history.transaction():
        server.world.updates.put("message", message)
    server.world.updates.wake()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_file()}


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
