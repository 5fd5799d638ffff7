"""For all tests: logged tracebacks are plain (drawn in colours, with all variables, they take longer than the tests), and
no test leaves another umask behind, under which the next one's servers could not read their own files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog

from tests.remembered import remember

remember()

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """The program makes its files private when it is called in the test's own process."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
