"""Programs that a benchmark starts and always ends."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def running(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A Python program in its own process; ended with SIGTERM, and with SIGKILL if that does not help."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def relaxed_sandbox(folder: Path, speed: float) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The sandbox without rate limits: (process, port)."""
    with running(["-m", "tests.benchmarks.support.relaxed", str(folder), f"{speed:g}"]) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox did not start; its error is above")
        yield process, int(line)
