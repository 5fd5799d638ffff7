"""Every write and every sync that SQLite makes, in order, and what a power cut would have left of them.

A shim around SQLite's own file layer (its VFS), made with ctypes in the library that Python itself uses: the real
file is written and synced as ever, and each step is noted. `after_cut` builds the files as a disk may hold them that
lost power at that moment: what was synced is there, of the rest nothing, everything, or any part.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast, pointer, string_at
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

_SECTOR = 512
# The name stays a bare pointer: SQLite keeps it, so a copy that Python makes and frees would be its ruin.
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(Structure):
    _fields_ = [("iVersion", c_int), *((name, c_void_p) for name in (
        "xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock",
        "xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap",
        "xFetch", "xUnfetch",
    ))]  # fmt: skip


class _Vfs(Structure):
    _fields_ = [("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", c_void_p),
                ("zName", c_char_p), ("pAppData", c_void_p), *((name, c_void_p) for name in (
        "xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness",
        "xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall",
        "xNextSystemCall",
    ))]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """`what` is write, truncate, sync, delete, or a mark of ours: then `data` says what had happened by then."""

    what: str
    path: str = ""
    offset: int = 0
    data: bytes = b""


class Recorder:
    """The steps so far. `mark` notes that something outside has happened: an order has left, a halt was confirmed."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def mark(self, what: str) -> None:
        self.steps.append(Step("mark", data=what.encode()))

    def boundaries(self) -> list[int]:
        """Moments worth a cut: before and after each sync, and after each mark."""
        found = {0, len(self.steps)}
        for number, step in enumerate(self.steps):
            if step.what in ("sync", "mark"):
                found |= {number, number + 1}
        return sorted(found)

    def marks(self, until: int) -> list[str]:
        return [step.data.decode() for step in self.steps[:until] if step.what == "mark"]


def can_record() -> bool:
    """Whether this Python's SQLite can be reached from here."""
    try:
        return bool(ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_register)
    except (AttributeError, OSError):
        return False


@contextmanager
def recording() -> Iterator[Recorder]:
    """Every SQLite file that is opened inside is recorded."""
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    recorder = Recorder()
    base = library.sqlite3_vfs_find(None)
    shim = _Shim(base, recorder)
    library.sqlite3_vfs_register(pointer(shim.vfs), 1)
    try:
        yield recorder
    finally:
        library.sqlite3_vfs_unregister(pointer(shim.vfs))
        library.sqlite3_vfs_register(base, 1)
        _kept.append(shim)  # SQLite may still hold files that point here


_kept: list[Any] = []


class _Shim:
    """Our file layer over the real one; keeps every callback alive."""

    def __init__(self, base: Any, recorder: Recorder) -> None:
        self._base = base
        self._steps = recorder.steps
        self._paths: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._real: dict[str, Any] = {}
        self.vfs = _Vfs.from_buffer_copy(base.contents)
        self.vfs.zName, self.vfs.pNext = b"recorder", None
        self._callbacks = [_OPEN(self._open), _DELETE(self._delete), _WRITE(self._write), _TRUNCATE(self._truncate),
                           _SYNC(self._sync)]  # fmt: skip
        self.vfs.xOpen = cast(self._callbacks[0], c_void_p)
        self.vfs.xDelete = cast(self._callbacks[1], c_void_p)
        self._base_open = _OPEN(base.contents.xOpen)
        self._base_delete = _DELETE(base.contents.xDelete)

    def _open(self, _: int, name: int | None, file: int, flags: int, out: Any) -> int:
        code = int(self._base_open(cast(self._base, c_void_p), name, file, flags, out))
        held = c_void_p.from_address(file)
        if code == 0 and name and held.value:
            self._paths[file] = string_at(name).decode()
            held.value = ctypes.addressof(self._table(held.value))
        return code

    def _table(self, methods: int) -> _Methods:
        if methods not in self._tables:
            real = _Methods.from_address(methods)
            self._real = {
                "write": _WRITE(real.xWrite),
                "truncate": _TRUNCATE(real.xTruncate),
                "sync": _SYNC(real.xSync),
            }
            table = _Methods.from_buffer_copy(real)
            table.xWrite, table.xTruncate, table.xSync = (cast(each, c_void_p) for each in self._callbacks[2:])
            self._tables[methods] = table
        return self._tables[methods]

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        self._steps.append(Step("write", self._paths[file], offset, string_at(data, size)))
        return int(self._real["write"](file, data, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        self._steps.append(Step("truncate", self._paths[file], size))
        return int(self._real["truncate"](file, size))

    def _sync(self, file: int, flags: int) -> int:
        code = int(self._real["sync"](file, flags))
        self._steps.append(Step("sync", self._paths[file]))  # only now is it on the disk
        return code

    def _delete(self, _: int, name: bytes, sync: int) -> int:
        self._steps.append(Step("delete", name.decode(), offset=sync & 1))  # 1: the folder is synced with it
        return int(self._base_delete(cast(self._base, c_void_p), name, sync))


# --- the disk after a cut --------------------------------------------------------------------------


def after_cut(
    steps: Sequence[Step], cut: int, survival: str, folder: Path, dice: Random, *, ordered: bool = True
) -> None:
    """Write the files as they may be when power fails after `cut` steps.

    `survival` of what was not synced: `none`, `all`, `some` (each write by itself), `torn` (some, and cut through).
    `ordered`: a file system with a journal (ext4, xfs, btrfs), where a later sync of any file makes an earlier
    removal of another durable too; without it a removed file may come back at any time.
    """
    before = list(steps[:cut])
    last = max((n for n, step in enumerate(before) if step.what == "sync"), default=-1)
    if ordered:
        before[:last] = [replace(step, offset=1) if step.what == "delete" else step for step in before[:last]]
    for path in sorted({step.path for step in before if step.path}):
        mine = [step for step in before if step.path == path]
        content = _content(mine, survival, dice)
        if content is not None:
            (folder / Path(path).name).write_bytes(content)


def _content(steps: Sequence[Step], survival: str, dice: Random) -> bytes | None:
    """One file; None if it is not there."""
    synced = max((n + 1 for n, step in enumerate(steps) if _is_durable(step)), default=0)
    held: bytearray | None = None
    for number, step in enumerate(steps):
        if number >= synced and not _survives(step, survival, dice):
            continue
        torn = survival == "torn" and number >= synced
        held = _apply(held, step, _torn(step.data, dice) if torn else step.data)
    return None if held is None else bytes(held)


def _is_durable(step: Step) -> bool:
    return step.what == "sync" or (step.what == "delete" and step.offset == 1)


def _survives(step: Step, survival: str, dice: Random) -> bool:
    if step.what == "delete":
        return survival != "none"
    return survival == "all" or (survival in ("some", "torn") and dice.random() < 0.5)


def _torn(data: bytes, dice: Random) -> bytes:
    """Whole sectors from the front: the disk was writing when the power went."""
    return data[: _SECTOR * dice.randint(0, len(data) // _SECTOR)] if len(data) > _SECTOR else data


def _apply(held: bytearray | None, step: Step, data: bytes) -> bytearray | None:
    if step.what == "delete":
        return None
    content = bytearray() if held is None else held
    if step.what == "truncate":
        del content[step.offset :]
        content.extend(bytes(max(step.offset - len(content), 0)))
    if step.what == "write":
        content.extend(bytes(max(step.offset - len(content), 0)))
        content[step.offset : step.offset + len(data)] = data
    return content
