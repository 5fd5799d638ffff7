"""The references for everything durable: what one fdatasync, and one commit of bare SQLite, cost on the same disk."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path


def fdatasync_ms(folder: Path, count: int = 500) -> list[float]:
    """Append 4 KiB and sync, so many times; milliseconds of each."""
    path = folder / "fdatasync.probe"
    block = os.urandom(4096)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    taken = []
    try:
        for _ in range(count):
            begin = time.perf_counter()
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            taken.append((time.perf_counter() - begin) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return taken


def sqlite_ms(folder: Path, count: int = 1000) -> list[float]:
    """Insert two small rows and commit with synchronous=FULL, so many times, with nothing of ours around it."""
    path = folder / "commit.probe"
    taken = []
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE intents (id TEXT PRIMARY KEY, body TEXT)",
            "CREATE TABLE events (id INTEGER PRIMARY KEY, intent TEXT, body TEXT)",
        ):
            database.execute(statement)
        for number in range(count):
            begin = time.perf_counter()
            database.execute("BEGIN")
            database.execute("INSERT INTO intents VALUES (?, ?)", (f"qd{number:026d}", "x" * 300))
            database.execute("INSERT INTO events (intent, body) VALUES (?, ?)", (f"qd{number:026d}", "x" * 80))
            database.execute("COMMIT")
            taken.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    return taken
