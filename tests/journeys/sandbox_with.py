"""`quarterdeck sandbox` with something changed around it, never inside: what `JOURNEY` in the environment says.

relaxed  the embedded Telegram has no rate limits, so that hundreds of presses take seconds and not minutes
over     settings laid over the sandbox's own
kinds    the strategies of `bad_strategies.py` can be used
die_at   kill -9 ourselves at that durable commit after the start, be it ours or the venue's
venue    the folder of a venue in another process: every name leads there
ahead    a file that says how far the machine's clock is ahead
"""

import functools
import json
import mmap
import os
import signal
import struct
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])  # not this folder: its names must not hide others

import bot.program as program  # noqa: E402
import bot.sandbox.choosing as choosing  # noqa: E402
import bot.sandbox.run as run  # noqa: E402
from bot.__main__ import main  # noqa: E402
from bot.program import Program  # noqa: E402
from bot.sandbox.server import Limits, SandboxServer  # noqa: E402
from core.settings import merge, read_yaml  # noqa: E402


def prepare(
    relaxed: bool = False,
    over: dict | None = None,
    kinds: bool = False,
    die_at: int = 0,
    venue: str = "",
    ahead: str = "",
) -> None:
    if relaxed:
        run.SandboxServer = functools.partial(SandboxServer, limits=Limits.relaxed())
        run.Program = program.Program = functools.partial(Program, budget=run.UNPACED)
    if venue:
        from tests.venues.loopback import network_of

        program.Program = functools.partial(program.Program, network=network_of(Path(venue)))
    if ahead:
        put_clock_ahead(Path(ahead))
    if over:
        path = Path(sys.argv[sys.argv.index("--data-dir") + 1]).with_suffix(".yaml")
        path.write_text(json.dumps(merge(json.loads(json.dumps(read_yaml(choosing._CONFIG), default=str)), over)))
        choosing._CONFIG = path
    if kinds:
        import tests.journeys.bad_strategies  # noqa: F401
    if die_at:
        die_at_commit(die_at)


def die_at_commit(number: int) -> None:
    from brokers.simulation.journal import Journal
    from core.store.commits import Commits

    count = 0

    def counted() -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    whole = Journal._write

    def write(self: Journal, draft: object) -> None:
        counted()  # before the venue's commit
        whole(self, draft)

    Journal._write = write
    commit = Commits._commit

    async def commit_and_count(self: Commits, group: object) -> None:
        counted()  # before ours
        await commit(self, group)
        counted()  # and after it

    Commits._commit = commit_and_count


def put_clock_ahead(path: Path) -> None:
    """The time of day is later by what stands in that file, at every moment, as if so much had passed.

    Monotonic time is as it was, so that nothing waits less; only what is known of the venue's time goes on with it.
    """
    import brokers.ccxt.clock as venue_clock
    import core.clock

    with path.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)
    seconds, nanoseconds = time.time, time.time_ns

    def by() -> float:
        return float(struct.unpack("d", shared)[0])

    ticks = venue_clock.ticks
    venue_clock.ticks = lambda: ticks() + by()
    time.time = lambda: seconds() + by()
    time.time_ns = lambda: nanoseconds() + round(by() * 1e9)
    core.clock.SystemClock.now = lambda _self: datetime.fromtimestamp(time.time(), UTC)


if __name__ == "__main__":
    prepare(**json.loads(os.environ.get("JOURNEY", "{}")))
    sys.exit(main(sys.argv[1:]))
