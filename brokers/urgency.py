"""What is urgent: a kill, and the way out of a position, may use what a rate limit keeps back for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


def is_urgent() -> bool:
    """Whether the caller, or whoever it works for, has said so."""
    return _urgent.get()


@contextmanager
def urgently() -> Iterator[None]:
    """Everything that is asked of a broker inside is urgent, in tasks that are begun inside as well."""
    before = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(before)
