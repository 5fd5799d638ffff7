"""The bot's queue of updates and the long poll that drains it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bot.sandbox.server.bell import Bell
from bot.sandbox.server.errors import ApiError, bad_request
from bot.sandbox.server.faults import Faults
from bot.sandbox.server.history import History
from bot.sandbox.server.limits import Limits

_CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_LONGEST_POLL = 50
_NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


class UpdateQueue:
    """Keeps updates until they are confirmed by a higher offset, at most a day."""

    def __init__(self, history: History, limits: Limits, faults: Faults, clock: Callable[[], float]) -> None:
        self._history = history
        self._limits = limits
        self._faults = faults
        self._clock = clock
        self._bell = Bell()
        self._poll: asyncio.Event | None = None
        self.closing = False

    def put(self, kind: str, body: dict[str, Any]) -> int | None:
        """Queue an update if the bot wants its kind; returns the update_id."""
        wanted = self._history.setting("allowed_updates") or []
        if (wanted and kind not in wanted) or (not wanted and kind in _NOT_BY_DEFAULT):
            return None
        update_id = self._history.add_update(self._clock(), {kind: body})
        if self._faults.duplicate_updates > 0:
            self._faults.duplicate_updates -= 1
            self._history.add_update(self._clock(), {kind: body})
        return update_id

    def wake(self) -> None:
        """Tell the poll that something was queued, or that the server is closing."""
        self._bell.ring()

    def allow(self, kinds: list[str]) -> None:
        """Remember which kinds the bot wants from now on; an empty list means the usual ones."""
        self._history.remember("allowed_updates", [kind for kind in kinds if kind])

    def count(self) -> int:
        """How many updates wait for confirmation."""
        return self._history.count_updates()

    def drop_all(self) -> None:
        """Forget every waiting update."""
        self._history.keep_last_updates(0)

    def confirm_below(self, update_id: int) -> None:
        """Forget what has been delivered."""
        self._history.drop_updates_below(update_id)

    def oldest(self) -> dict[str, Any] | None:
        """The update that has waited longest."""
        return next(iter(self._history.updates(1)), None)

    async def wait(self, seconds: float) -> None:
        """Return when something was queued, or after so many seconds."""
        await self._bell.wait(seconds)

    async def poll(self, offset: int, limit: int, seconds: int) -> list[dict[str, Any]]:
        """What `getUpdates` returns; a newer poll ends an older one with 409."""
        if self._history.setting("webhook", {}).get("url"):
            raise ApiError(409, _WEBHOOK)
        replaced = asyncio.Event()
        if self._poll is not None:
            self._poll.set()
            self._bell.ring()
        self._poll = replaced
        try:
            self._confirm(offset)
            return await self._wait(replaced, limit, min(max(0, seconds), _LONGEST_POLL))
        finally:
            if self._poll is replaced:
                self._poll = None

    def _confirm(self, offset: int) -> None:
        self._history.drop_updates_before(self._clock() - self._limits.update_retention)
        if offset > 0:
            self._history.drop_updates_below(offset)
        elif offset < 0:
            self._history.keep_last_updates(-offset)

    async def _wait(self, replaced: asyncio.Event, limit: int, seconds: float) -> list[dict[str, Any]]:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            updates = self._history.updates(limit)
            if self._faults.reverse_updates:
                updates.reverse()
            left = deadline - asyncio.get_running_loop().time()
            if updates or left <= 0 or self.closing:
                return updates
            await self._bell.wait(left)
            if replaced.is_set():
                raise ApiError(409, _CONFLICT)


def wanted_kinds(given: Any) -> list[str]:
    """The `allowed_updates` parameter; unknown kinds are ignored as Telegram does."""
    if not isinstance(given, list):
        raise bad_request("can't parse allowed_updates: Expected an Array of String")
    return [str(kind) for kind in given]
