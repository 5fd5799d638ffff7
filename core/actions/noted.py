"""An audit line that is stored in the commit of what it is about."""

from __future__ import annotations

from core.access.audit import Audit
from core.access.roles import Actor
from core.store.along import Stored


class Noted:
    """A line that goes along with somebody's commit: what was begun is on the trail whatever comes after."""

    def __init__(self, audit: Audit, actor: Actor, action: str, detail: str) -> None:
        self._audit = audit
        self._line = (actor, action, detail, "stored")

    async def write(self) -> Stored:
        """Add the line, inside the transaction of the caller's."""
        await self._audit.record(*self._line)
        return _nothing_more


def _nothing_more() -> None:
    """Memory holds nothing of it."""
