"""The whole program, chat and all, in a process that may die at any moment; see `chat_kills`.

A template like `child.py`: each line on its standard input, the JSON of a `ChatLife`, is a fork. The signal ARM arms the point
that the file `arm` names; RAISE raises an alert with the word in the file `alert`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])


from bot.program import Program
from bot.sandbox.run import UNPACED
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.settings import parse_settings
from tests.faults.chat_points import CHAT_POINTS
from tests.faults.crash_points import arm_at, watch_sqlite
from tests.faults.forking import template, write_to

ARM, RAISE = signal.SIGRTMIN, signal.SIGRTMIN + 1  # the program itself listens to the usual ones


@dataclass
class ChatLife:
    """One run: its settings, and the folder in which it and the harness talk by files."""

    settings: dict[str, Any]
    folder: str

    def json(self) -> str:
        return json.dumps(asdict(self), default=str)


class Running:
    """A program that can be armed."""

    def __init__(self, life: ChatLife) -> None:
        self._folder = Path(life.folder)
        self._program = Program(parse_settings(life.settings), budget=UNPACED)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(ARM, self._arm)
        loop.add_signal_handler(RAISE, self._raise)
        await self._program.start()
        (self._folder / "ready").write_text(str(os.getpid()))
        try:
            await self._program.until_told()
        finally:
            await self._program.stop()

    def _arm(self) -> None:
        point = CHAT_POINTS[(self._folder / "arm").read_text()]
        arm_at(point, signal.SIGKILL, self._folder / "met")
        (self._folder / "armed").touch()

    def _raise(self) -> None:
        task = asyncio.get_running_loop().create_task(self._add_alert())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add_alert(self) -> None:
        word = (self._folder / "alert").read_text()
        await self._program.engine.alerts.add(Alert("chat", Severity.WARNING, f"a word {word}", f"{word}."))
        with (self._folder / "added").open("a") as file:
            file.write(f"{word}\n")


def live(life: ChatLife) -> None:
    """Be that run, to its end."""
    write_to(Path(life.folder) / "log")
    watch_sqlite()
    asyncio.run(Running(life).run())


if __name__ == "__main__":
    template(lambda line: live(ChatLife(**line)))
