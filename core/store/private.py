"""The data directory is its owner's alone: books, keys and the audit trail lie there unencrypted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS = 0o077
_OURS = ("*.sqlite3*", "lock", "HALT", "*.key")


def only_for_owner() -> None:
    """From now on, whatever this process creates can be read by nobody else."""
    os.umask(_OTHERS)


def make_private(folder: Path) -> None:
    """Make a directory for data, and take it and what we keep in it away from others, also if it was there before.

    What another owner has made is left as it is, and so is a place like /tmp, which is everybody's by intent.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, *(each for pattern in _OURS for each in folder.glob(pattern))):
        mode = path.lstat().st_mode
        if path.lstat().st_uid == os.getuid() and mode & _OTHERS and not (stat.S_ISLNK(mode) or mode & stat.S_ISVTX):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
