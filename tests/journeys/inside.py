"""Program and server in the test's own loop, for what cannot be done to a process from outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import Limits, SandboxServer


@asynccontextmanager
async def running(folder: Path, limits: Limits, **market: object) -> AsyncIterator[SandboxServer]:
    server = SandboxServer(data_dir=folder, port=0, limits=limits)
    await server.start()
    try:
        program = Program(sandbox_settings(folder, server, {"market": market}), budget=UNPACED)
        await program.start()
        try:
            yield server
        finally:
            await program.stop()
    finally:
        await server.stop()
