"""Nobody else on the computer reads the books, the keys or the audit trail."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.engine import Engine
from core.settings import parse_settings
from core.store.private import make_private
from tests.core.test_floor import BASE, house, settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_a_running_engine_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the directory nor any file in it, though it was open to all before."""
    monkeypatch.setenv("TEST_DATABASE", "sqlite")  # a file of it is what is looked at
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        given = settings(folder)
        (folder / "quarterdeck.sqlite3").chmod(0o644)
        async with house(given):
            assert mode(folder) == 0o700
            assert mode(folder / "quarterdeck.sqlite3") == 0o600
    finally:
        os.umask(before)


def test_what_the_program_creates_is_its_owners(tmp_path: Path) -> None:
    """Whatever the umask of the shell that started it."""
    script = (
        "import os, pathlib, bot.__main__ as program\n"
        "os.umask(0)\n"
        "program.main(['halt', '--data-dir', 'data', 'test'])\n"
        "pathlib.Path('new').write_text('x')\n"
    )
    (tmp_path / "data").mkdir()
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(root), "PATH": ""}, check=True)
    assert mode(tmp_path / "new") == 0o600
    assert mode(tmp_path / "data" / "HALT") == 0o600


def test_what_is_everybodys_or_elsewhere_stays_as_it_is(tmp_path: Path) -> None:
    """A directory like /tmp is not taken away from others, and no link is followed out of it."""
    shared, outside = tmp_path / "shared", tmp_path / "outside"
    shared.mkdir()
    shared.chmod(0o1777)
    outside.write_text("x")
    outside.chmod(0o644)
    (shared / "HALT").symlink_to(outside)
    (shared / "lock").write_text("1")
    (shared / "lock").chmod(0o644)
    make_private(shared)
    assert (mode(shared), mode(outside), mode(shared / "lock")) == (0o1777, 0o644, 0o600)


def test_an_engine_makes_its_directory_private(tmp_path: Path) -> None:
    """When it makes it."""
    before = os.umask(0o022)
    try:
        Engine(parse_settings({**BASE, "data_dir": tmp_path / "new"}))
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o700
