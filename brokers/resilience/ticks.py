"""Time that only goes forward, for measuring how long something takes or waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Ticks = Callable[[], float]
"""Seconds since some moment; a test moves its own by hand."""


def ticks() -> float:
    """The running loop's own time: it never jumps, whatever becomes of the wall clock."""
    return asyncio.get_running_loop().time()
