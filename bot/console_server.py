"""The console's way to a running instance: JSON lines over a unix socket that only its owner can open.

A request is `{"line": "..."}`, the answer `{"text": "..."}`. Without a running instance a halt still works:
the file `HALT` in the data directory makes the next start begin halted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from bot.console import ConsoleSession
from core.access.enrolling import Enrolment
from core.errors import SettingsError, UserError
from core.halt_flag import HaltFlag
from core.redaction import fit_for_chat

SOCKET_NAME = "console.sock"
_LONGEST_PATH = 100  # bytes; a unix socket's address holds about 104
_LONGEST_LINE = 64 * 1024
_log = structlog.get_logger(__name__)


class NotRunning(Exception):
    """No instance listens for this data directory."""


def socket_path(data_dir: Path) -> Path:
    """Where the socket is; a data directory with a very long path has it in the temporary directory."""
    path = data_dir.resolve() / SOCKET_NAME
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"quarterdeck-{os.getuid()}-{digest}" / SOCKET_NAME


def _refuse_strange_place(path: Path) -> None:
    """Raises `SettingsError` if others may have put their own socket there: what is typed would reach them, not us.

    Where everybody may write, our folder must be ours alone; a data directory is in the hands of its owner anyhow.
    """
    shared = path.parent.parent
    if shared != Path(tempfile.gettempdir()) or not path.parent.name.startswith("quarterdeck-"):
        return
    found = path.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SettingsError([f"{path.parent}: belongs to somebody else or is open to others; delete it and restart"])


class ConsoleServer:
    """Listens for terminals; each connection is a session of its own."""

    def __init__(
        self, data_dir: Path, session: Callable[[], ConsoleSession], enrolment: Enrolment | None = None
    ) -> None:
        self._path = socket_path(data_dir)
        self._session = session
        self._enrolment = enrolment
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. Another instance on the same data directory is prevented elsewhere, by its lock."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_strange_place(self._path)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=_LONGEST_LINE)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Hang up on every terminal."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._clients):
            writer.close()
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = self._session()
        self._clients.add(writer)
        try:
            while request := await reader.readline():
                writer.write(await self._answer(session, request))
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            _log.info("console hung up", reason=repr(error))
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer(self, session: ConsoleSession, request: bytes) -> bytes:
        try:
            asked = json.loads(request)
            if self._enrolment is not None and ("enrol" in asked or "confirm" in asked):
                return _encode(await _enrol(self._enrolment, asked))
            line = str(asked["line"])
        except (ValueError, KeyError, TypeError):
            return _encode({"text": "I did not understand that request."})
        return _encode({"text": fit_for_chat(await session.run(line))})


async def _enrol(enrolment: Enrolment, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A second factor is made over this socket alone: a seed must never pass through a chat."""
    if "confirm" in asked:
        return {"ok": await enrolment.confirm(int(asked["confirm"]), str(asked["code"]))}
    try:
        return asdict(await enrolment.begin(str(asked["enrol"])))
    except UserError as error:
        return {"problem": str(error)}


def _encode(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


class ConsoleClient:
    """A terminal's end of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, data_dir: Path) -> ConsoleClient:
        """Raises `NotRunning`."""
        path = socket_path(data_dir)
        try:
            _refuse_strange_place(path)
            pair = await asyncio.open_unix_connection(path, limit=16 * _LONGEST_LINE)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise NotRunning(f"no running Quarterdeck uses {data_dir}") from error
        return cls(*pair)

    async def send(self, line: str) -> str:
        """Run one line and return what it shows. Raises `NotRunning` when the instance goes away."""
        return str((await self.request({"line": line}))["text"])

    async def request(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Ask something and return the answer. Raises `NotRunning` when the instance goes away."""
        self._writer.write(json.dumps(asked).encode() + b"\n")
        try:
            await self._writer.drain()
            answer = await self._reader.readline()
        except ConnectionError as error:
            raise NotRunning("the instance went away") from error
        if not answer:
            raise NotRunning("the instance went away")
        return dict(json.loads(answer))

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)  # it may be gone already


async def send_line(data_dir: Path, line: str) -> str:
    """Run one line in the running instance. Raises `NotRunning`."""
    client = await ConsoleClient.connect(data_dir)
    try:
        return await client.send(line)
    finally:
        await client.close()


async def halt(data_dir: Path, reason: str = "halted from the console", scope: Sequence[str] = ()) -> str:
    """Halt a running instance, or only `scope` ("account", NAME); else leave the flag: the next start begins halted."""
    try:
        return await send_line(data_dir, " ".join(("/halt", *scope, reason)))
    except (NotRunning, SettingsError) as error:  # a socket that may be somebody else's is not spoken to
        if not await asyncio.to_thread(data_dir.is_dir):
            raise NotRunning(f"{data_dir} is not a data directory, so nothing was halted. Check --data-dir.") from error
        flag = await asyncio.to_thread(HaltFlag(data_dir).leave, " ".join((reason, *_only(scope))))
        everything = f" EVERYTHING, not only the {' '.join(scope)}: a file knows no parts." if scope else ""
        return (
            f"No running Quarterdeck uses {data_dir}. I left {flag}: the next start begins halted, "
            f"and one that is starting at this moment halts as soon as it runs.{everything} "
            "Orders already at the venue were NOT cancelled: check them there."
        )


def _only(scope: Sequence[str]) -> tuple[str, ...]:
    return (f"(meant for the {' '.join(scope)} alone)",) if scope else ()


async def run_console(data_dir: Path) -> None:
    """Read lines from the terminal until end of file, `quit` or `exit`. Raises `NotRunning`."""
    client = await ConsoleClient.connect(data_dir)
    try:
        _show(await client.send("menu"))
        while (line := await asyncio.to_thread(_read)) is not None and line.strip() not in ("quit", "exit"):
            _show(await client.send(line))
    finally:
        await client.close()


def _read() -> str | None:
    sys.stdout.write("> ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def _show(text: str) -> None:
    sys.stdout.write(text + "\n\n")
    sys.stdout.flush()
