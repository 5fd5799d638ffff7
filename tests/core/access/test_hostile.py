"""Files that somebody has put where the kill switch looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.halt_flag import HALT_FLAG, HaltFlag

DEFAULT = "a file named HALT was found"


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _secret(path: Path, elsewhere: Path) -> None:
    elsewhere.write_text("root:secret")
    path.symlink_to(elsewhere)


def _endless(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.timeout(100)
@pytest.mark.parametrize("put", [_pipe, _secret, _endless, _folder])
def test_a_strange_flag_halts_and_neither_hangs_nor_tells(tmp_path: Path, put) -> None:  # type: ignore[no-untyped-def]
    """A pipe would block the loop for ever; a link would show a file in chat that is not ours."""
    put(tmp_path / HALT_FLAG, tmp_path / "elsewhere")
    told = HaltFlag(tmp_path).news()
    assert told is not None
    assert DEFAULT in told


def test_a_huge_flag_is_read_in_part(tmp_path: Path) -> None:
    """A kill switch must not need a gigabyte of memory."""
    with (tmp_path / HALT_FLAG).open("wb") as file:
        file.write("größer\n".encode())
        file.truncate(2**32)
    told = HaltFlag(tmp_path).news()
    assert told is not None
    assert told.startswith("größer")
    assert len(told) <= 200
