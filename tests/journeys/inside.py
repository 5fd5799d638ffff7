"""Program and server in the test's own loop, for what cannot be done to a process from outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import Limits, SandboxServer
from tests.databases import sqlite_file


@asynccontextmanager
async def running(
    folder: Path, limits: Limits, *, over: dict[str, object] | None = None, is_down: bool = False, **market: object
) -> AsyncIterator[SandboxServer]:
    """`is_down`: Telegram is out of reach when the program starts; `over`: settings laid over the sandbox's."""
    sqlite_file(folder / "quarterdeck.sqlite3")  # migrated already: that takes seconds
    server = SandboxServer(data_dir=folder, port=0, limits=limits)
    await server.start()
    server.faults.down = is_down
    try:
        settings = sandbox_settings(folder, server, {"market": market, **(over or {})})
        program = Program(settings, budget=UNPACED)
        await program.start()
        try:
            yield server
        finally:
            await program.stop()
    finally:
        await server.stop()
