"""Who is who: numeric Telegram ids and what each person is trusted with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from core.access.audit import Audit
from core.access.roles import CONSOLE, Actor
from core.settings import UserSettings

_UTC = ZoneInfo("UTC")
CONSOLE_ID = 0  # no Telegram user or chat has this id


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone known, in the chat where they speak."""

    actor: Actor
    user_id: int
    chat_id: int
    zone: ZoneInfo = _UTC
    thread_id: int | None = None  # the topic of a forum group


CONSOLE_CALLER = Caller(CONSOLE, CONSOLE_ID, CONSOLE_ID)


class Directory(Protocol):
    """Finds a person by id; asked anew at every message and press, so that a changed role counts at once."""

    def find(self, user_id: int, chat_id: int) -> Caller | None:
        """The caller, or None for a stranger."""
        ...


class People:
    """The allow-list of the settings. `replace` changes it while the program runs."""

    def __init__(self, users: Iterable[UserSettings]) -> None:
        self.replace(users)

    def replace(self, users: Iterable[UserSettings]) -> None:
        """Put another list in force from this moment on."""
        self._users = {user.id: user for user in users}

    @property
    def ids(self) -> tuple[int, ...]:
        """Everyone's id."""
        return tuple(self._users)

    def find(self, user_id: int, chat_id: int) -> Caller | None:
        """The person with this id, speaking in their private chat."""
        user = self._users.get(user_id)
        if user is None or chat_id != user_id:
            return None
        actor = Actor(str(user.id), user.name, user.role, user.accounts)
        return Caller(actor, user.id, chat_id, ZoneInfo(user.time_zone))


class Strangers:
    """Audit lines about strangers, few enough that a flood cannot fill the disk."""

    FIRST = 3
    MOST_PEOPLE = 1_000

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._seen: dict[int, int] = {}

    async def note(self, user_id: int, reason: str) -> None:
        """Record the first three attempts of each, then the 10th, the 100th and so on."""
        key = user_id if user_id in self._seen or len(self._seen) < self.MOST_PEOPLE else 0
        count = self._seen[key] = self._seen.get(key, 0) + 1
        if count <= self.FIRST or _is_power_of_ten(count):
            who = f"telegram:{user_id}"
            await self._audit.record(who, "message from a stranger", f"{reason}; attempt {count}", "refused")


def _is_power_of_ten(count: int) -> bool:
    return str(count).strip("0") == "1"
