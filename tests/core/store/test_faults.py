"""What can go wrong with a SQLite file: each is a clear error, nothing is half-done, and nothing goes on blindly."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tortoise.exceptions import OperationalError

from core.errors import SettingsError
from core.store.database import Database, read_rows, sqlite_url, transaction
from core.store.disk import OpenMark, refuse_network_disk
from core.store.models import ChatMemoryRow, JobRow
from tests.core.store.conftest import client
from tests.databases import sqlite_file

PRELUDE = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from core.store.database import Database, read_rows, sqlite_url, transaction
from core.store.models import ChatMemoryRow, JobRow
path = Path(sys.argv[1])
async def put(name, size=1):
    async with transaction():
        await JobRow.create(name=name)
        await ChatMemoryRow.create(chat_id=1, key=name, value="x" * size)
"""


def run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own."""
    command = [sys.executable, "-c", PRELUDE + code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A migrated file."""
    sqlite_file(tmp_path / "q.sqlite3")
    return tmp_path / "q.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Database]:
    """Open as the program opens it, but less patient."""
    opened = Database(sqlite_url(path).replace("busy_timeout=5000", "busy_timeout=300"))
    await opened.open()
    yield opened
    await opened.close()


async def put(name: str, size: int = 1, *, fail: bool = False) -> None:
    async with transaction():
        await JobRow.create(name=name)
        await ChatMemoryRow.create(chat_id=1, key=name, value="x" * size)
        if fail:
            raise ZeroDivisionError


async def stored() -> set[str]:
    names = {row.name for row in await JobRow.all()}
    assert names == {row.key for row in await ChatMemoryRow.all().only("key")}
    return names


async def test_a_write_lock_of_another_process_is_waited_for(store: Database, path: Path) -> None:
    """Shorter than our patience: nobody notices."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.1, other.execute, ["COMMIT"])
    timer.start()
    await asyncio.gather(*(put(f"n{number}") for number in range(5)))
    timer.join()
    other.close()
    assert len(await stored()) == 5


async def test_a_write_lock_that_stays_is_an_error_and_reading_goes_on(store: Database, path: Path) -> None:
    """SQLITE_BUSY: all who write are told, nothing is half, and when it is gone all works."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        jobs = (put("a"), put("b"), JobRow.create(name="plain"))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert [str(each) for each in outcomes] == ["database is locked"] * 3
        assert await stored() == set()
        other.execute("ROLLBACK")
    await put("after")
    assert await stored() == {"after"}


async def test_the_loop_runs_on_while_a_lock_is_waited_for(store: Database, path: Path) -> None:
    """Waiting is SQLite's thread's, not ours."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(put("a"))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert ticks > 3
        with pytest.raises(OperationalError, match="locked"):
            await task


async def test_a_full_disk_is_an_error_and_when_there_is_space_it_goes_on(store: Database) -> None:
    """SQLITE_FULL in one body undoes all that share its commit, and all of them are told."""
    await put("before")
    pages = (await read_rows("PRAGMA page_count"))[0]["page_count"]
    await read_rows(f"PRAGMA max_page_count={pages + 5}")
    jobs = [put("small"), put("huge", 1_000_000), put("next")]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert "disk is full" in str(outcomes[1])
    found = await stored()
    assert found == {"before"} | {
        name for name, each in zip(("small", "huge", "next"), outcomes, strict=True) if not each
    }
    assert "huge" not in found
    with pytest.raises(OperationalError, match="disk is full"):
        await JobRow.create(name="plain", last_outcome="x" * 1_000_000)
    await read_rows("PRAGMA max_page_count=1000000")
    await put("after")
    assert await stored() == found | {"after"}


async def test_a_body_that_goes_on_after_the_database_undid_it_writes_nothing(store: Database) -> None:
    """It swallows the error of a full disk: what follows must not become a commit of its own."""
    pages = (await read_rows("PRAGMA page_count"))[0]["page_count"]
    await read_rows(f"PRAGMA max_page_count={pages + 5}")

    async def stubborn() -> None:
        async with transaction():
            await JobRow.create(name="first half")
            with suppress(OperationalError):
                await ChatMemoryRow.create(chat_id=1, key="huge", value="x" * 1_000_000)
            await JobRow.create(name="second half")

    outcomes = await asyncio.gather(put("a"), stubborn(), put("b"), return_exceptions=True)
    await read_rows("PRAGMA max_page_count=1000000")
    found = await stored()
    assert found == {name for name, each in zip(("a", "?", "b"), outcomes, strict=True) if each is None}
    assert outcomes[1] is not None


def test_a_disk_error_stops_all_writing_until_it_is_opened_again(path: Path) -> None:
    """A real failing write: the process may not make its files longer. Afterwards reading goes on, writing does not."""
    code = """
async def main():
    database = Database(sqlite_url(path))
    await database.open()
    await put("before")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 60_000, resource.RLIM_INFINITY))
    outcomes = await asyncio.gather(put("big", 3_000_000), put("next"), return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for work in (put("later"), JobRow.create(name="plain"), JobRow.all().delete()):
        outcomes += await asyncio.gather(work, return_exceptions=True)
    print(*outcomes, sep="\\n")
    print(sorted([row.name for row in await JobRow.all()]))
    await database.close()
    await database.open()
    await put("after")
    print(sorted([row.name for row in await JobRow.all()]))
    await database.close()
asyncio.run(main())
"""
    done = run(code, path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "disk I/O error" in lines[0]
    assert all("writing has stopped" in line or "readonly" in line or "I/O error" in line for line in lines[1:5]), lines
    assert lines[5:] == ["['before']", "['after', 'before']"]


def test_a_disk_that_can_only_be_read_is_told_at_start(path: Path) -> None:
    """As nobody, in a folder of root: the file is there, but cannot be written to."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        shutil.copyfile(path, folder / "q.sqlite3")
        (folder / "q.sqlite3").chmod(0o444)
        folder.chmod(0o555)
        code = """
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(Database(sqlite_url(path)).open())
except Exception as error:
    print(type(error).__name__, error)
"""
        done = run(code, folder / "q.sqlite3")
        assert "SettingsError" in done.stdout, done.stdout + done.stderr
        assert "check that the directory can be written to" in done.stdout
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


async def test_a_damaged_page_is_told_and_writing_stops(path: Path) -> None:
    """Bytes of a table are overwritten while the program is down."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executemany(
            "INSERT INTO chat_memory (chat_id, key, value) VALUES (1, ?, ?)", [(f"{n}", "x" * 900) for n in range(200)]
        )
        size = raw.execute("PRAGMA page_size").fetchone()[0]
        root = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chat_memory'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(os.urandom(size))
    database = Database(sqlite_url(path))
    await database.open()
    try:
        with pytest.raises(OperationalError, match="malformed"):
            await ChatMemoryRow.create(chat_id=2, key="a", value="")
        for write in (put("x"), JobRow.create(name="x")):
            with pytest.raises(OperationalError, match=r"writing has stopped|readonly"):
                await write
        assert await JobRow.all().count() == 0
    finally:
        await database.close()


CRASH = """
async def main():
    database = Database(sqlite_url(path))
    await database.open()
    await put("committed")
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_after_a_kill_what_was_committed_is_there(path: Path) -> None:
    """It is in SQLite's log, which is read at the next start."""
    assert run(CRASH, path).returncode == -9
    database = Database(sqlite_url(path))
    await database.open()
    assert await stored() == {"committed"}
    await database.close()


async def test_a_log_that_was_deleted_after_a_kill_is_told(path: Path) -> None:
    """The newest commits are in it; a person may go on without them, knowingly."""
    assert run(CRASH, path).returncode == -9
    path.with_name("q.sqlite3-wal").unlink()
    database = Database(sqlite_url(path))
    with pytest.raises(SettingsError, match=r"q\.sqlite3-wal is missing, and with it the newest commits; put it back"):
        await database.open()
    path.with_name("q.sqlite3-open").unlink()
    await database.open()
    assert await stored() == set()
    await database.close()
    assert not path.with_name("q.sqlite3-open").exists()


async def test_files_that_are_deleted_or_exchanged_while_they_are_used_are_noticed(path: Path) -> None:
    """Before the next commit: it would go where nobody finds it."""
    for name in ("q.sqlite3-wal", "q.sqlite3"):
        copy = path.with_name("copy")
        shutil.copyfile(path, copy)
        database = Database(sqlite_url(path))
        await database.open()
        try:
            await put(f"before {name}")
            path.with_name(name).unlink()
            for attempt in ("one", "two"):
                with pytest.raises(OperationalError, match="deleted or exchanged"):
                    await put(attempt)
        finally:
            await database.close()
        for each in path.parent.glob("q.sqlite3*"):
            each.unlink()
        shutil.move(copy, path)


def test_network_file_systems_are_refused() -> None:
    """By what the system says of the innermost mount."""
    mounts = Path(tempfile.mkdtemp()) / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime - ext4 /dev/a rw\n"
        "23 22 0:40 / /mnt/far rw,relatime shared:5 - nfs4 server:/x rw\n"
        "24 22 0:41 / /mnt/with\\040blank rw - cifs //s/x rw\n"
        "25 22 0:42 / /mnt/user rw - fuse.sshfs s:/ rw\n"
        "26 23 8:2 / /mnt/far/near rw - ext4 /dev/b rw\n",
        encoding="utf-8",
    )
    try:
        for far in ("/mnt/far/db", "/mnt/with blank/db", "/mnt/user/a/b/db"):
            with pytest.raises(SettingsError, match=r"network file system .* set data_dir to a local disk"):
                refuse_network_disk(Path(far), mounts)
        for near in ("/home/db", "/mnt/far/near/db", "/mnt/farther/db"):
            refuse_network_disk(Path(near), mounts)
        refuse_network_disk(Path("/x"), mounts / "missing")
    finally:
        shutil.rmtree(mounts.parent)


async def test_every_connection_is_checked_also_a_later_one(store: Database) -> None:
    """The connection is lost and made again."""
    await client().close()
    await put("again")
    assert (await read_rows("PRAGMA synchronous"))[0]["synchronous"] == 2
    client().pragmas["synchronous"] = "OFF"
    await client().close()
    with pytest.raises(SettingsError, match="synchronous is 0, it must be 2"):
        await put("x")
    client().pragmas["synchronous"] = "FULL"
    await put("mended")
    assert await stored() == {"again", "mended"}


async def test_a_kill_during_the_next_start_is_no_lost_log(path: Path) -> None:
    """Looking at the file moves SQLite's log into it and deletes the log; a death right then must not be held against it."""
    assert run(CRASH, path).returncode == -9
    url = sqlite_url(path)
    Database(url)._look(OpenMark(path))
    assert not path.with_name("q.sqlite3-wal").exists()
    database = Database(url)
    await database.open()
    assert await stored() == {"committed"}
    await database.close()
