"""Keeps the pauses of Python's garbage collector out of the way of orders.

Objects go when nobody refers to them, without any pause. The collector only looks for those that refer to one another:
by default whenever 700 more have been made than have gone, and now and then among all that there are, which takes tens
of milliseconds, and may come between a signal and its order as well as at any other time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# So many new objects until the collector looks at the new ones: some megabytes, and rarely in the middle of an order.
_YOUNG = 10_000


@contextmanager
def rare_pauses() -> Iterator[None]:
    """Inside, what is there at the beginning is never looked through, and what is new less often."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
