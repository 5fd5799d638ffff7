"""SIGUSR1 halts everything: a kill switch that needs no Telegram, no console and no file system.

`kill -USR1 PID`; systemd: `systemctl kill -s USR1 quarterdeck`. It may be sent again; it never ends the program.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from core.access.roles import Actor, Role
from core.halt_flag import HaltFlag
from core.views import ActionResult

log = structlog.get_logger(__name__)

PANIC = signal.SIGUSR1
_WHO = Actor("signal", PANIC.name, Role.ADMIN)
_WHY = f"the signal {PANIC.name}"


class PanicSignal:
    """Obeys the signal from `listen` to `close`. Until the program `is_up` it leaves the halt flag for the start."""

    def __init__(self, halt: Callable[[Actor, str], Awaitable[ActionResult]], flag: HaltFlag) -> None:
        self.is_up = False
        self._halt = halt
        self._flag = flag
        self._halts: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """From now on the signal halts. Only the main thread can listen: elsewhere somebody else runs the program."""
        with suppress(ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(PANIC, self._obey)

    async def close(self) -> None:
        """Leave the signal alone again; a halt under way ends first."""
        self.is_up = False
        with suppress(ValueError, RuntimeError):
            asyncio.get_running_loop().remove_signal_handler(PANIC)
        await asyncio.gather(*self._halts, return_exceptions=True)

    def _obey(self) -> None:
        log.critical("told to halt", signal=PANIC.name)
        if not self.is_up:
            self._flag.leave(_WHY)
            return
        task = asyncio.get_running_loop().create_task(self._run())
        self._halts.add(task)
        task.add_done_callback(self._halts.discard)

    async def _run(self) -> None:
        result = await self._halt(_WHO, _WHY)
        log.critical("halted by a signal", message=result.message, lines=result.lines)
