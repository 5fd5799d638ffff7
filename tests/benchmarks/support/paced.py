"""The whole program and the chat server in this process, both with the rates of production."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bot.program import Program
from bot.sandbox.run import sandbox_settings
from bot.sandbox.server import SandboxServer
from bot.sandbox.server.limits import Limits


@contextlib.asynccontextmanager
async def paced_program(folder: Path, settings_over: dict[str, Any]) -> AsyncIterator[Program]:
    """Running; Telegram's documented limits on one side, our budget under them on the other."""
    server = SandboxServer(data_dir=folder, port=0, limits=Limits())
    await server.start()
    try:
        made = Program(sandbox_settings(folder, server, settings_over))
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
    finally:
        await server.stop()
