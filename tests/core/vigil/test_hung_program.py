"""The whole program as a service: it says that it is ready, hangs, ends itself, and starts again HALTED and reconciled."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.databases import sqlite_file

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, os, sys, time
from pathlib import Path
from bot.logging import configure
from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import SandboxServer
from core.access.roles import CONSOLE

async def main(data, how):
    server = SandboxServer(data_dir=data, port=0)
    await server.start()
    over = {"market": {"speed": 0.001}, "watchdog": {"dump_seconds": 1.0, "exit_seconds": 3.5}}
    program = Program(sandbox_settings(data, server, over), budget=UNPACED, durable=False)

    async def act():
        engine = program.engine
        while not engine.vigil._pulse.beats:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        print(engine.switch.gravest(engine.floor.first.account).state.name, engine.floor.first.reconciled, flush=True)
        if how == "hang":
            await program.service.halt(CONSOLE, "to be kept")
            time.sleep(300)
        os.kill(os.getpid(), 15)

    task = asyncio.get_running_loop().create_task(act())
    await program.run()
    await task
    await server.stop()

configure()
asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def run(data: Path, how: str, listener: socket.socket) -> tuple[int, str, str, list[tuple[float, str]]]:
    """Exit status, output, log, and what the service manager heard, with how many seconds before the end."""
    shown = listener.getsockname()
    environment = {"NOTIFY_SOCKET": shown, "WATCHDOG_USEC": "400000", "PATH": "/usr/bin"}
    command = [sys.executable, "-c", PROGRAM, str(data), how]
    lines: list[tuple[float, str]] = []
    ended = threading.Event()

    def listen() -> None:
        is_last = False
        while not is_last:
            is_last = ended.is_set()  # what was said before the end is read after it
            while select.select([listener], [], [], 0.05)[0]:
                lines.append((time.monotonic(), listener.recv(4096).decode().split("\n")[0]))

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        end = time.monotonic()
    finally:
        ended.set()
        listening.join()
    return done.returncode, done.stdout, done.stderr, [(end - at, line) for at, line in lines]


@pytest.mark.journey
def test_a_hang_ends_in_a_restart_that_is_still_halted(tmp_path: Path) -> None:
    """Status 70 and silence while it hangs; then recovery first, the HALT as it was, and an orderly end."""
    sqlite_file(tmp_path / "quarterdeck.sqlite3")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        status, out, log, heard = run(tmp_path, "hang", listener)
        assert status == 70, log
        assert out == "ACTIVE True\n"
        assert "the event loop is blocked" in log
        assert " in act" in log
        assert heard[0][1] == "READY=1"
        beats = [before for before, line in heard if line == "WATCHDOG=1"]
        assert len(beats) >= 3  # for more than a second, twice in each 0.4 s
        assert min(beats) > 2.5, "not while it hung"
        assert "STOPPING=1" not in [line for _, line in heard]
        status, out, log, heard = run(tmp_path, "end", listener)
        assert status == 0, log
        assert out == "HALTED True\n"
        assert [line for _, line in heard if line != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]
