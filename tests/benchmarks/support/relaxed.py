"""The sandbox without rate limits: `python -m tests.benchmarks.support.relaxed DATA_DIR SPEED`; prints its port.

The same server and the same program as `quarterdeck sandbox`, over HTTP on 127.0.0.1; only Telegram's rate limits
(about one message a second in a chat) and the bot's pacing under them are off, for they would be what is measured.
"""

import asyncio
import sys
from pathlib import Path

from bot.pacing import Budget
from bot.program import Program
from bot.sandbox.run import sandbox_settings
from bot.sandbox.server import SandboxServer
from bot.sandbox.server.limits import Limits

UNPACED = Budget(1000, 1000, 0, 1000, 1000, 0, 1000, 1000, 0)


async def main(folder: Path, speed: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed())
    await server.start()
    try:
        program = Program(sandbox_settings(folder, server, {"market": {"speed": speed}}), budget=UNPACED)
        await program.start()
        try:
            print(server.port, flush=True)
            await program.until_told()
        finally:
            await program.stop()
    finally:
        await server.stop()


if __name__ == "__main__":
    from bot.logging import configure

    configure("WARNING")
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
