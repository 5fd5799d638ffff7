"""The file `HALT` in the data directory: a kill switch that needs nothing but a file system.

`quarterdeck halt` leaves it when nobody listens; a hand may do so too. A starting program begins halted, and a
running one looks for the file every second.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

HALT_FLAG = "HALT"
_LONGEST_REASON = 200


class HaltFlag:
    """The flag of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / HALT_FLAG
        self._obeyed: tuple[int, int] | None = None

    def leave(self, reason: str) -> Path:
        """Write the flag so that it survives a power cut."""
        with self._path.open("w", encoding="utf-8", errors="backslashreplace") as file:  # a terminal may send anything
            file.write(reason + "\n")
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return self._path

    def news(self) -> str | None:
        """The reason in a flag that has not been obeyed yet; None without one. That it is there is enough."""
        mark = self._mark()
        if mark is None or mark == self._obeyed:
            return None
        return self._reason() or f"a file named {HALT_FLAG} was found in the data directory"

    def _reason(self) -> str:
        """What stands in the file; nothing if it is a link, a pipe or the like: that could hang, or tell too much."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
                told = file.read(4 * _LONGEST_REASON) if is_file else b""
        except OSError:
            return ""
        return told.decode("utf-8", "replace").strip()[:_LONGEST_REASON]

    def obeyed(self) -> None:
        """The halt counts: the same flag is not news any more."""
        self._obeyed = self._mark()

    def clear(self) -> None:
        """Take the flag away, once a restart would know of the halt without it, and it was obeyed."""
        if self._obeyed is None or self._mark() != self._obeyed:
            return
        try:
            self._path.unlink()
        except OSError as error:
            log.warning("the halt flag cannot be removed: the next start begins halted", reason=str(error))
        else:
            self._obeyed = None

    def _mark(self) -> tuple[int, int] | None:
        """What tells one flag from another."""
        try:
            found = self._path.lstat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
