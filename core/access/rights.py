"""Notices when what a person may has changed: whatever they were asked before is void, even if it is changed back."""

from __future__ import annotations

from collections.abc import Mapping

from core.clock import Clock
from core.store.models import RightsRow
from core.store.rows import put

_NOTHING = ""  # the shape of somebody who is no longer here


class Rights:
    """Counts the changes of each person's rights, durably. Tickets and requests remember the count of their time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._generations: dict[int, int] = {}

    def of(self, user_id: int) -> int:
        """How often this person's rights have changed."""
        return self._generations.get(user_id, 0)

    async def note(self, people: Mapping[int, str]) -> tuple[int, ...]:
        """Say what everybody may now, as text by id; whose rights have changed. Part of the caller's transaction.

        In memory it counts at once: should the transaction fail, some buttons have died for nothing.
        """
        known = {row.user_id: row for row in await RightsRow.all()}
        for user_id, row in known.items():
            self._generations[user_id] = max(row.generation, self.of(user_id))
        shapes = {**dict.fromkeys(known, _NOTHING), **people}
        before = {user_id: row.shape for user_id, row in known.items()}
        changed = tuple(user_id for user_id, shape in shapes.items() if before.get(user_id) != shape)
        for user_id in changed:
            self._generations[user_id] = self.of(user_id) + (user_id in known)
        await put([self._row(user_id, shapes[user_id]) for user_id in changed], replacing=("user_id",))
        return changed

    def _row(self, user_id: int, shape: str) -> RightsRow:
        return RightsRow(user_id=user_id, shape=shape, generation=self.of(user_id), at=self._clock.now())
