"""What waits to be stored may go with somebody else's commit: one wait for the disk instead of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from core.store.database import transaction

Stored = Callable[[], None]


class Along(Protocol):
    """Something in memory that is newer than the disk."""

    async def write(self) -> Stored:
        """Store it, inside a transaction of the caller's, who calls what this returns once that is committed."""
        ...


async def store(*each: Along) -> None:
    """Store them in a commit of their own."""
    async with transaction():
        stored = [await one.write() for one in each]
    for done in stored:
        done()
