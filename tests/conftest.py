"""For all tests: logged tracebacks are plain (drawn in colours, with all variables, they take longer than the tests), and
no test leaves another umask behind, under which the next one's servers could not read their own files, or another way
of rounding.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from decimal import getcontext
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from brokers.ccxt.loading import load_errors
from tests.remembered import remember

remember()
load_errors()  # from now on `import ccxt` imports what is asked of it, and not a hundred exchanges

# The same examples every day, so that a failure is of the change that is tested and comes again; `make soak` draws new
# ones. No deadline: how long an example takes, or to think of one, is up to the machine.
settings.register_profile(
    "every day", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("soak", deadline=None, derandomize=False, max_examples=500, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "every day"))

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


# Their programs are forks of a process that takes seconds to make, and begin with a life that takes seconds more: so the
# tests of a line are run by one process. They wait for their programs most of the time, while the others have work.
TOGETHER = (("tests/journeys/", "tests/bot/init/"), ("tests/faults/",))


def together(nodeid: str) -> int:
    """The line of `TOGETHER` that a test is of; behind all of them, none."""
    return next((number for number, line in enumerate(TOGETHER) if nodeid.startswith(line)), len(TOGETHER))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: together(item.nodeid))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: it need not be looked through for garbage all the time."""
    gc.collect()
    gc.freeze()


class Together(LoadFileScheduling):
    """Whole files, or whole lines of `TOGETHER`, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        number = together(nodeid)
        return super()._split_scope(nodeid) if number == len(TOGETHER) else TOGETHER[number][0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """For `--dist loadfile`."""
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """The program makes its files private when it is called in the test's own process."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def same_decimals() -> Iterator[None]:
    """Whoever changes how this process rounds (ccxt does, if it is let) fails, and not some test after it."""
    context = getcontext()
    before = (context.prec, context.rounding, dict(context.traps))
    yield
    after = (context.prec, context.rounding, dict(context.traps))
    context.prec, context.rounding, context.traps = before  # type: ignore[assignment]
    assert after == before
