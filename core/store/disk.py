"""Where a SQLite file lies: a network file system neither locks nor syncs as SQLite needs it."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import SettingsError

_MOUNTS = Path("/proc/self/mountinfo")
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "glusterfs", "9p"})


def refuse_network_disk(path: Path, mounts: Path = _MOUNTS) -> None:
    """Raises `SettingsError` for NFS, CIFS, FUSE and their like; where the system does not tell, nothing is refused."""
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = _kind_of(path.absolute().resolve(), text)
    if kind in _REMOTE or kind.startswith("fuse"):
        what = f"database {path}: is on a network file system ({kind}), where a commit may be lost or two may write"
        raise SettingsError([f"{what}; set data_dir to a local disk, or database_url to a PostgreSQL server"])


def sync_directory(folder: Path) -> None:
    """Make new and deleted names durable: on some file systems a power cut would bring back SQLite's first journal."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class OpenMark:
    """A file beside the database while it is open: after a crash it says that SQLite's log must be there, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = path.with_name(f"{path.name}-open")
        self._log = path.with_name(f"{path.name}-wal")

    def put(self) -> None:
        """The database is in use."""
        self._mark.touch()

    def remove(self) -> None:
        """Everything is in the main file."""
        self._mark.unlink(missing_ok=True)

    def remove_if_log_is_gone(self) -> None:
        """SQLite has closed, and left no log: everything is in the main file."""
        if not self._log.exists():
            self.remove()

    def refuse_if_log_is_missing(self) -> None:
        """Raises `SettingsError` if the program did not end in good order and the newest commits are gone."""
        if self._mark.exists() and self._path.exists() and not self._log.exists():
            what = f"database {self._path}: {self._log.name} is missing, and with it the newest commits"
            remedy = f"put it back, or restore a backup; to go on without them, delete {self._mark.name}"
            raise SettingsError([f"{what}; {remedy}"])


def _kind_of(path: Path, mountinfo: str) -> str:
    """The file system type of the innermost mount that holds `path`; of two at one place the later hides the first."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_plain(before.split(" ")[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def _plain(escaped: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        escaped = escaped.replace(code, character)
    return escaped
