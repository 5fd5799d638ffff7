"""One instance a data directory: two would trade against each other's books."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from core.errors import SettingsError


class InstanceLock:
    """Holds `data_dir/lock` while the program runs; the system lets go of it even after kill -9."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises `SettingsError` if another instance has it."""
        try:
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            problem = f"{self._path.parent}: cannot be written to ({error.strerror}); choose another data directory"
            raise SettingsError([problem]) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            remedy = "stop it first, or choose another data directory"
            raise SettingsError(
                [f"{self._path.parent}: another instance (process {owner}) uses it; {remedy}"]
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None
