"""The reference for everything durable: what one fdatasync costs on the disk that the database is on."""

import os
import time
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
