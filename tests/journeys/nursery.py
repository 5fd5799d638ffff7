"""Where journeys get their programs from: one process has everything imported, and each program is a fork of it.

Importing takes more than a second of a core, a fork almost nothing. The program itself is whole and real: a process
of its own with its own arguments, environment, files and signals, that ends as Python ends. Run as a script this is
that process: a line of JSON on its standard input is one program to start.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_START_SECONDS = 60.0
# How long programs work on something before they say so, and wait for the disk when somebody halts: a machine with much
# else to do is slow at everything.
PATIENCE = (
    ("bot.front", "PATIENCE", 5.0),
    ("bot.progress", "PATIENCE", 5.0),
    ("core.actions.halting", "_DISK_SECONDS", 10.0),
    ("core.trading.killing", "_DISK_SECONDS", 10.0),
)


def die_with_us() -> None:
    """In a child: end when its parent is killed, for then no `finally` is run (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# --- the side of the tests -----------------------------------------------------------------------------


class Program:
    """A started program, spoken to as to a `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery

    def poll(self) -> int | None:
        """How it ended: an exit code, or minus the signal; None while it runs."""
        return self._nursery.ended(self.pid, 0)

    def wait(self, timeout: float = 60) -> int:
        """The same, as soon as it has ended. Raises `subprocess.TimeoutExpired`."""
        code = self._nursery.ended(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing, if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """The process that programs are forked from. One is enough for a whole test run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
            env=dict(environment), preexec_fn=die_with_us,  # noqa: PLW1509 - one system call
        )  # fmt: skip
        self._heard = b""
        self._born: list[int] = []
        self._codes: dict[int, int] = {}

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, out: Path, err: Path, stdin: str = os.devnull
    ) -> Program:
        """`python -m bot ARGUMENTS`; where the environment has a JOURNEY, through `sandbox_with.py`."""
        asked = {"arguments": list(arguments), "environment": dict(environment)}
        asked |= {"out": str(out), "err": str(err), "stdin": stdin}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        until = time.monotonic() + _START_SECONDS
        while not self._born:
            assert self._process.poll() is None, "the nursery has died"
            assert time.monotonic() < until, "the nursery does not answer"
            self._listen(1.0)
        return Program(self, self._born.pop())

    def ended(self, pid: int, seconds: float) -> int | None:
        """How a program ended, if it does within so long."""
        until = time.monotonic() + seconds
        self._listen(0)
        while pid not in self._codes and (left := until - time.monotonic()) > 0:
            self._listen(left)
        return self._codes.get(pid)

    def _listen(self, seconds: float) -> None:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        if not select.select([pipe], [], [], seconds)[0]:
            return
        self._heard += os.read(pipe, 65536)
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            self._note(json.loads(line))

    def _note(self, said: dict[str, int]) -> None:
        if "code" in said:
            self._codes[said["pid"]] = said["code"]
        else:
            self._born.append(said["pid"])

    def close(self) -> None:
        """End it, and whatever still runs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


# --- the process itself --------------------------------------------------------------------------------


def _serve() -> dict[str, Any] | None:
    """Fork a program for every line. Returns in each of them what it is to be; None at the end of all."""
    hear, say = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    news, wake = os.pipe()
    for each in (news, wake):
        os.set_blocking(each, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = b""
    while True:
        ready = select.select([hear, news], [], [])[0]
        if news in ready:
            os.read(news, 4096)
            _bury(say)
        if hear not in ready:
            continue
        if not (heard := os.read(hear, 65536)):
            return None
        *lines, waiting = (waiting + heard).split(b"\n")
        for line in lines:
            if not os.fork():
                life = json.loads(line)
                _become(life)
                _tell(say, pid=os.getpid())  # only now: whoever knows it may look at its files, or kill its group
                for each in (hear, say, news, wake):
                    os.close(each)
                return dict(life)


def _bury(say: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(say, pid=found[0], code=os.waitstatus_to_exitcode(found[1]))


def _tell(say: int, **what: int) -> None:
    os.write(say, json.dumps(what).encode() + b"\n")


def _become(life: Mapping[str, Any]) -> None:
    """This process is that program from now on."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    die_with_us()
    os.environ.clear()
    os.environ.update(life["environment"])
    sys.argv = ["quarterdeck", *life["arguments"]]
    files = ((life["stdin"], os.O_RDONLY), (life["out"], _WRITE), (life["err"], _WRITE))
    for number, (path, flags) in enumerate(files):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)


_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
# What every program imports sooner or later.
_EVERYBODY = ("bot.console_server", "bot.init", "bot.program", "bot.sandbox.run", "brokers.adapters.paper", "httpcore")

if __name__ == "__main__":
    sys.path[0] = str(ROOT)

    from bot.__main__ import main
    from tests.journeys.sandbox_with import prepare
    from tests.remembered import look_ahead, remember

    for each in _EVERYBODY:
        importlib.import_module(each)
    for module, name, seconds in PATIENCE:
        setattr(importlib.import_module(module), name, seconds)
    remember()
    look_ahead()
    gc.collect()
    gc.freeze()  # what nobody looks at stays shared between the forks
    if _serve() is not None:
        if journey := os.environ.get("JOURNEY"):
            prepare(**json.loads(journey))
        sys.exit(main(sys.argv[1:]))
