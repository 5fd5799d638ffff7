"""For all tests: logged tracebacks are plain (drawn in colours, with all variables, they take longer than the tests), and
no test leaves another umask behind, under which the next one's servers could not read their own files, or another way
of rounding.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from decimal import getcontext

import pytest
import structlog
from hypothesis import HealthCheck, settings

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(("tests/journeys", "tests/faults")))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: it need not be looked through for garbage all the time."""
    gc.collect()
    gc.freeze()


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
