"""The power goes out: whatever was acted on is on the disk."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.faults import power_cut
from tests.faults.lives import Template, world
from tests.faults.recorded_disk import can_record

SOAK = os.environ.get("QUARTERDECK_SOAK") == "1"
recordable = pytest.mark.skipif(not can_record(), reason="this Python's SQLite is built in and cannot be reached")


@recordable
def test_cuts_at_every_sync():
    """Of what was not synced nothing, all, some or torn pieces survive: every order that left is in the books."""
    verdict = power_cut.judge(power_cut.record(orders=25 if SOAK else 2), every=1 if SOAK else 4)
    assert verdict.wrong == []
    assert verdict.orders >= 2
    assert verdict.syncs > 10


@recordable
def test_it_finds_a_database_that_does_not_sync():
    """Without a sync at each commit orders are lost in a power cut: the recorded disk shows it."""
    recorder = power_cut.record(orders=2, durable=False)
    assert any("not in our books" in each or "no database" in each or "no table" in each
               for each in power_cut.judge(recorder, every=4, survivals=("none",)).wrong)  # fmt: skip


_CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(.*)$")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
async def test_the_order_is_synced_before_it_leaves(tmp_path: Path):
    """In the system calls of the real process: write to the log, its sync, and only then bytes to the venue."""
    trace = tmp_path / "trace"
    watch = ["strace", "-f", "-qq", "-s", "100000", "-e", "signal=none",
             "-e", "trace=pwrite64,fdatasync,fsync,sendto", "-o", str(trace)]  # fmt: skip
    template = Template(tmp_path / "template.log", watch)
    async with world(tmp_path / "world", template) as here:
        await here.start()
        here.want(1.0)
        assert await here.until(lambda: bool(here.exchange.orders))
        await here.kill(signal.SIGTERM)
        orders = list(here.exchange.orders)
    template.close()
    for order in orders:
        written, synced, sent = when(trace.read_text(errors="replace"), order)
        assert 0 <= written < synced < sent


def when(trace: str, order: str) -> tuple[int, int, int]:
    """The lines where an order was first written, was surely on the disk, and left."""
    written = synced = sent = -1
    for number, line in enumerate(trace.splitlines()):
        found = _CALL.match(line)
        name = found[2] if found else ""
        if name == "pwrite64" and order in line and written < 0:
            written = number
        elif name in ("fdatasync", "fsync") and written >= 0 and synced < 0 and line.endswith("= 0"):
            synced = number  # of two lines of an interrupted call the second has the result
        elif name == "sendto" and order in line and '\\"place\\"' in line:
            sent = number
            break
    return written, synced, sent
