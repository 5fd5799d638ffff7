"""Remembers on disk how often each order was to be replaced by a new one, for venues that change orders that way.

It is written before the request is sent. After a crash it tells which orders may exist under our id; the venue tells
which of them do. A number is never used twice.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from brokers.errors import Unavailable
from brokers.order import ClientOrderId

_KEPT = 5000


class Replaced:
    """One line for each attempt: our id and its number. `path` None: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._attempts: dict[str, int] = {}
        self._void: dict[str, set[int]] = {}

    def load(self) -> None:
        """Read what was written before; the oldest of very many are dropped. Raises `Unavailable` if it cannot be."""
        if self._path is None or not self._path.exists():
            return
        try:
            lines = self._path.read_text(errors="replace").splitlines()
        except OSError as error:
            raise Unavailable(f"which orders were changed cannot be read: {error}") from None
        for line in lines:
            order, _, number = line.partition(" ")
            if number.isdigit():  # a line that a power cut has torn was never followed by a request
                self._note(ClientOrderId(order), int(number))
        if len(self._attempts) > _KEPT:
            self._attempts = dict(list(self._attempts.items())[-_KEPT:])
            self._rewrite(self._path)

    def attempts(self, order: ClientOrderId) -> int:
        """How often it was to be replaced."""
        return self._attempts.get(order, 0)

    def numbers(self, order: ClientOrderId, newest: int) -> list[int]:
        """Of `newest` and all before it those that may stand for an order, newest first."""
        void = self._void.get(order, ())
        return [number for number in range(newest, -1, -1) if number not in void]

    def failed(self, order: ClientOrderId, number: int) -> None:
        """Nothing came of it, for certain: there is no order of this number to ask for. A new process asks for it."""
        self._void.setdefault(order, set()).add(number)
        while len(self._void) > _KEPT:
            del self._void[next(iter(self._void))]

    async def begin(self, order: ClientOrderId, number: int) -> None:
        """Durable before this returns. Raises `Unavailable` if it cannot be written: then nothing may be sent."""
        if self._path is not None:
            try:
                await asyncio.to_thread(_append, self._path, f"{order} {number}\n")
            except OSError as error:
                raise Unavailable(f"a change cannot be written down: {error}") from None
        self._note(order, number)

    def _note(self, order: ClientOrderId, number: int) -> None:
        self._attempts[order] = max(number, self._attempts.pop(order, 0))

    def _rewrite(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text("".join(f"{order} {number}\n" for order, number in self._attempts.items()))
        new.replace(path)


def _append(path: Path, line: str) -> None:
    with path.open("ab") as file:
        if file.tell() and not _ends_whole(path):
            file.write(b"\n")
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    """Whether the last line is whole; a power cut may have torn it."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
