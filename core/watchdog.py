"""A blocked event loop: measured, and if it lasts, told and ended from a thread that it cannot block.

Nothing in the loop can notice that the loop has stopped. So a beat in the loop counts up, and a thread looks whether it
does. It first writes down where every thread stands, then ends the process: the service manager starts it again, into
recovery, with a HALT as it was. Code that holds Python's own lock stops this thread, too: that is left to the
service manager, which hears no sign of life any more.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable

import structlog

from core.settings.vigil import WatchdogSettings

log = structlog.get_logger(__name__)

# The exit status of a program that ended itself because it hung (EX_SOFTWARE of sysexits.h).
EXIT_STATUS = 70
_BEAT_SECONDS = 0.5
_WINDOW_SECONDS = 60.0
_LOOKS = 20  # in the time until the first word
_LAST_WORD_SECONDS = 1.0


class Pulse:
    """A beat in the event loop; how late it comes is how long the loop was held up."""

    def __init__(self, every: float = _BEAT_SECONDS) -> None:
        self._every = every
        self._lags: deque[tuple[float, float]] = deque()
        self._next: asyncio.TimerHandle | None = None
        self.beats = 0

    def start(self) -> None:
        """Begin to beat in the running loop."""
        self._schedule(asyncio.get_running_loop())

    def stop(self) -> None:
        """Beat no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    @property
    def worst_lag(self) -> float:
        """The longest delay within the last minute, in seconds."""
        return max((lag for _, lag in self._lags), default=0.0)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = loop.call_later(self._every, self._beat, loop, loop.time() + self._every)

    def _beat(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self.beats += 1
        while self._lags and self._lags[0][0] < now - _WINDOW_SECONDS:
            self._lags.popleft()
        self._lags.append((now, max(0.0, now - due)))
        self._schedule(loop)


class Watchdog:
    """The thread. `beats` counts up while the loop turns; `end` ends the process."""

    def __init__(
        self, settings: WatchdogSettings, beats: Callable[[], int], end: Callable[[int], object] = os._exit
    ) -> None:
        self._settings = settings
        self._beats = beats
        self._end = end
        self._stopped = threading.Event()
        self._step = settings.dump_seconds / _LOOKS

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _watch(self) -> None:
        """Time is counted in looks, not by a clock: a machine that slept, or a stopped process, is not blocked."""
        seen, blocked, told = self._beats(), 0.0, False
        while not self._stopped.wait(self._step):
            if (now := self._beats()) != seen:
                if told:
                    _aside(_tell_recovery, blocked)
                seen, blocked, told = now, 0.0, False
                continue
            blocked += self._step
            if blocked >= self._settings.dump_seconds and not told:
                told = True
                _aside(_tell_stacks, blocked)
            if self._settings.exit_seconds is not None and blocked >= self._settings.exit_seconds:
                _aside(_tell_end, blocked).join(_LAST_WORD_SECONDS)
                self._end(EXIT_STATUS)
                return


def _aside(tell: Callable[[float], None], seconds: float) -> threading.Thread:
    """In a thread of its own: what blocks the loop may be the log itself, and the end must come all the same."""
    thread = threading.Thread(target=tell, args=(seconds,), name="watchdog log", daemon=True)
    thread.start()
    return thread


def stacks() -> str:
    """Where every thread stands: files, lines and functions, and no values."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read().decode("utf-8", "replace")


def _tell_stacks(seconds: float) -> None:
    log.critical("the event loop is blocked", seconds=round(seconds, 1), stacks=stacks())


def _tell_recovery(seconds: float) -> None:
    log.warning("the event loop turns again", blocked_seconds=round(seconds, 1))


def _tell_end(seconds: float) -> None:
    log.critical("the event loop stays blocked: the program ends", seconds=round(seconds, 1), status=EXIT_STATUS)
