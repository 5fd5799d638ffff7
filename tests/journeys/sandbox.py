"""The sandbox as a real subprocess that can be stopped, killed and started again on the same data."""

import atexit
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from tests.databases import sqlite_file
from tests.journeys.books import Books
from tests.journeys.nursery import Nursery, Program, die_with_us
from tests.journeys.person import PATIENCE, Person, said

ROOT = Path(__file__).parents[2]
ADMIN, VIEWER, STRANGER, TRADER = 1001, 1002, 1003, 1004
WITH = Path(__file__).with_name("sandbox_with.py")
_READY = re.compile(r"ready: (http://127\.0\.0\.1:\d+)")
_START_SECONDS = 60.0


def environment(**more: str) -> dict[str, str]:
    """Our environment for a child, with the repository on its path and no settings of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUARTERDECK_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


@functools.cache
def nursery() -> Nursery:
    """Where the programs of this test run come from."""
    made = Nursery(environment())
    atexit.register(made.close)
    return made


def quarterdeck(*arguments: str, stdin: str = "", seconds: float = 30, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_text(stdin)
        files = {"out": folder / "out", "err": folder / "err", "stdin": str(folder / "in")}
        code = nursery().start(arguments, environment(**env), **files).wait(seconds)
        return subprocess.CompletedProcess(
            arguments, code, (folder / "out").read_text(), (folder / "err").read_text(errors="replace")
        )


class Sandbox:
    """`python -m bot sandbox` on one data directory.

    With `extra` (`relaxed`: no rate limits; `kinds`: bad strategies; `over`: settings; `die_at`: see
    `sandbox_with.py`) the same program starts through a small wrapper. With `first_start` nothing is prepared: not
    the database, nor is the process a fork of one that has everything imported.
    """

    def __init__(self, data_dir: Path, *, speed: float = 0, first_start: bool = False, **extra: Any) -> None:
        self.first_start = first_start
        self.data_dir = data_dir
        self.speed = speed
        self.extra = extra
        self.process: subprocess.Popen[bytes] | Program | None = None
        self.http = httpx.Client()
        self.errors: list[str] = []
        self.started = 0.0

    # --- life --------------------------------------------------------------------------------------

    def launch(self, speed: float | None = None) -> Self:
        """Start without waiting."""
        if speed is not None:
            self.speed = speed
        if not self.data_dir.exists() and not self.first_start:
            self.data_dir.mkdir(parents=True)
            sqlite_file(self.data_dir / "quarterdeck.sqlite3")  # migrated already: most journeys begin after that
        self.data_dir.mkdir(parents=True, exist_ok=True)
        options = ["--no-browser", "--port", "0", "--data-dir", str(self.data_dir), "--speed", str(self.speed)]
        self.process = (self._from_nothing if self.first_start else self._forked)(["sandbox", *options])
        return self

    def _forked(self, arguments: Sequence[str]) -> Program:
        return nursery().start(arguments, self._environment(), out=self._out(), err=self._err())

    def _from_nothing(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        program = [str(WITH)] if self.extra else ["-m", "bot"]
        with self._out().open("wb") as out, self._err().open("wb") as err:
            return subprocess.Popen(
                [sys.executable, *program, *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT, start_new_session=True,
                preexec_fn=die_with_us,  # noqa: PLW1509 - one system call
                env=self._environment(),
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return environment(**({"JOURNEY": json.dumps(self.extra)} if self.extra else {}))

    def start(self, speed: float | None = None) -> Self:
        """Start and wait until it says that it is ready."""
        begun = time.monotonic()
        self.launch(speed)
        while time.monotonic() < begun + _START_SECONDS:
            if found := _READY.search(self._out().read_text()):
                self.started = time.monotonic() - begun
                self.http.close()
                self.http = httpx.Client(base_url=found[1], timeout=60)
                return self
            assert self._process().poll() is None, f"it did not start: {self.stderr()}"
            time.sleep(0.02)
        raise AssertionError(f"not ready in {_START_SECONDS} s: {self.stderr()}")

    def stop(self) -> None:
        """SIGTERM: it must end in good order, with exit code 0 and nothing on stderr that looks like a fault."""
        self._process().send_signal(signal.SIGTERM)
        code = self._process().wait(40)
        assert code == 0, f"exit code {code}: {self.stderr()}"
        assert not self.faults(), self.faults()
        self._gone()

    def kill(self) -> None:
        """kill -9, children included."""
        os.killpg(self._process().pid, signal.SIGKILL)
        self._process().wait(40)
        assert not self.faults(), self.faults()
        self._gone()

    def died(self, seconds: float) -> bool:
        """Whether it has ended by itself within so long."""
        try:
            self._process().wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._gone()
        return True

    def close(self) -> None:
        """However it stands: nothing of it stays."""
        self.http.close()
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(40)
            self._gone()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stderr(self) -> str:
        """What this run has written to stderr."""
        return self._err().read_text(errors="replace")

    def faults(self) -> list[str]:
        """Lines with a traceback; that of a strategy that raises on purpose belongs into the log."""
        return [
            line for line in self.stderr().splitlines() if "Traceback" in line and '"strategy": "raises"' not in line
        ]

    def _gone(self) -> None:
        self.process = None

    def _process(self) -> "subprocess.Popen[bytes] | Program":
        assert self.process is not None, "it does not run"
        return self.process

    def _out(self) -> Path:
        return self.data_dir.with_suffix(".out")

    def _err(self) -> Path:
        return self.data_dir.with_suffix(".err")

    # --- people and books --------------------------------------------------------------------------

    def person(self, user_id: int) -> Person:
        """Someone in their private chat."""
        return Person(self.http, user_id)

    @property
    def admin(self) -> Person:
        """Ada."""
        return self.person(ADMIN)

    @property
    def trader(self) -> Person:
        """Tess."""
        return self.person(TRADER)

    @property
    def viewer(self) -> Person:
        """Vic."""
        return self.person(VIEWER)

    @property
    def stranger(self) -> Person:
        """Sam, whom the bot does not know."""
        return self.person(STRANGER)

    def books(self) -> Books:
        """What is stored; for a process that is gone."""
        assert self.process is None, "look at the books after the process is gone"
        return Books(self.data_dir)

    def books_now(self) -> Books:
        """The same beside the running process, for what only is waited for."""
        return Books(self.data_dir)

    def replayed(self) -> str:
        """The market's day as the cursor has it, read beside the running process."""
        return Books(self.data_dir).cursor()

    def run_until(self, day: str, patience: float = 100) -> None:
        """Wait until the replay has passed a day."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.replayed() >= day:
                return
            assert "a part has failed" not in self.stderr(), self.stderr()[:3000]
            time.sleep(0.02)
        raise AssertionError(f"the replay has not passed {day} but {self.replayed()}: {self.stderr()[:3000]}")

    def settle(self) -> Books:
        """Start once more with a market that stands still, so that the books catch up with the venue; then stop."""
        self.start(0.001)
        self.wait_until_quiet()
        self.stop()
        return self.books()

    def wait_until_noted(self) -> None:
        """Return when the program has written down what it has answered, and which messages its questions became."""
        open_ = (
            "SELECT 1 FROM inbox WHERE outcome = '' UNION SELECT 1 FROM tickets WHERE confirms AND message_id IS NULL"
        )
        deadline = time.monotonic() + PATIENCE
        while self.books_now().ask(open_):
            assert time.monotonic() < deadline, self.books_now().ask("SELECT * FROM tickets WHERE confirms")
            time.sleep(0.02)
        time.sleep(0.1)

    def wait_until_quiet(self) -> None:
        """Return when the bar that is played at once at a start has been worked off."""
        before, calm = "", 0
        for _ in range(200):
            now = self.replayed()
            calm = calm + 1 if now == before else 0
            before = now
            if calm >= 8:
                return
            time.sleep(0.03)
        raise AssertionError("the replay does not come to rest")


def status_of(person: Person, patience: float = PATIENCE) -> str:
    """The text of /status."""
    return said(person.say("/status", patience))


def all_people(sandbox: Sandbox) -> Sequence[Person]:
    """Everyone who is on the list."""
    return (sandbox.admin, sandbox.trader, sandbox.viewer)


def words(text: str, wanted: Iterable[str]) -> None:
    """Assert that all of these are in the text."""
    missing = [word for word in wanted if word not in text]
    assert not missing, f"{missing} not in {text!r}"
