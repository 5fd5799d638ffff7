"""`quarterdeck init` and others in a process of their own, and a hand at the keyboard."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from pathlib import Path
from typing import Any, Self

from bot.sandbox.server import SandboxServer
from tests.journeys.sandbox import ROOT, environment

SECONDS = 15.0
CODE = re.compile(r"/start (join-[0-9A-Z]{26})")


class Guided:
    """A program that asks; every wait is bounded, and nothing of it stays."""

    def __init__(self, *arguments: str, server: SandboxServer | None = None, **env: str) -> None:
        self._arguments = arguments
        self._env = environment(**env, **({"QUARTERDECK_TELEGRAM__BASE_URL": server.bot_base_url} if server else {}))
        self.output = ""
        self._seen = 0
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *self._arguments, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, env=self._env,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    async def until(self, words: str) -> str:
        """Wait until it has said this; what it has said since the last time."""
        assert self._process
        assert self._process.stdout
        while words not in self.output[self._seen :]:
            try:
                async with asyncio.timeout(SECONDS):
                    more = await self._process.stdout.read(65536)
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
        assert self._process
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def code(self) -> str:
        """The pairing code, once it is shown."""
        await self.until("/start join-")
        self._seen -= len("/start join-")
        await self.until("I wait for")
        found = CODE.findall(self.output)
        return str(found[-1])

    async def end(self, *, hang_up: bool = True) -> int:
        """Its exit status."""
        assert self._process
        assert self._process.stdin
        if hang_up:
            self._process.stdin.close()
        async with asyncio.timeout(SECONDS):
            more, _ = await self._process.communicate()
        self.output += more.decode()
        assert self._process.returncode is not None
        return self._process.returncode

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        assert self._process
        self._process.send_signal(number)

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
