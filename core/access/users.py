"""Everyone who may use the bot: the people of the settings, and those who were invited or changed from chat.

Whoever writes the settings holds the host, so the settings win: what was changed from chat counts as long as a person's
entry in the settings is what it was at that time. Email and the like are always the settings' own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from core.access.roles import ELSEWHERE, Actor, Role
from core.errors import UnknownName, UserError
from core.settings import UserSettings
from core.store.chat import ChatMemory
from core.store.database import transaction
from core.store.models import PersonRow

Follower = Callable[[tuple[UserSettings, ...]], None]
Note = Callable[[Mapping[int, str]], Awaitable[object]]
_ZONE_KEY = "zone"


class Users:
    """The list as it is now; `load` it before anybody is let in. Without `load` it is that of the settings.

    `note` is told, inside the transaction of each change, what everybody is trusted with from then on.
    """

    def __init__(self, settings: Iterable[UserSettings], note: Note | None = None) -> None:
        self._note = note
        self._settings = {user.id: user for user in settings}
        self._rows: dict[int, PersonRow] = {}
        self._zones: dict[int, str] = {}  # what people have chosen for themselves
        self._memory = ChatMemory()
        self._followers: list[Follower] = []
        self._lock = asyncio.Lock()
        self._people = dict(self._settings)

    @property
    def people(self) -> tuple[UserSettings, ...]:
        """Everyone, in no particular order. Ask anew each time: it changes while the program runs."""
        return tuple(self._people.values())

    @property
    def admins(self) -> tuple[UserSettings, ...]:
        """Those whose base role is admin."""
        return tuple(user for user in self.people if user.role is Role.ADMIN)

    def find(self, user_id: int) -> UserSettings | None:
        """The person with this id."""
        return self._people.get(user_id)

    def row(self, user_id: int) -> PersonRow | None:
        """What was changed from chat about this person, if anything."""
        return self._rows.get(user_id)

    def named(self, name: str) -> UserSettings:
        """The person of that name or number; a first name will do if only one has it. Raises `UserError`."""
        wanted = name.strip().casefold()
        found = [user for user in self.people if wanted in (user.name.casefold(), str(user.id))]
        found = found or [user for user in self.people if wanted == user.name.casefold().partition(" ")[0]]
        if not found:
            raise UnknownName("person", name, (user.name for user in self.people))
        if len(found) > 1:
            numbers = ", ".join(str(user.id) for user in found)
            raise UserError(f"There are {len(found)} people called “{name[:60]}”: say one of the numbers {numbers}.")
        return found[0]

    def follow(self, follower: Follower) -> None:
        """Call `follower` with everyone now, and after each change, before anything else can happen."""
        self._followers.append(follower)
        follower(self.people)

    async def load(self) -> tuple[str, ...]:
        """Read what was changed from chat; returns in words where the settings have won, for the audit trail."""
        async with self._lock, transaction():
            rows = {row.user_id: row for row in await PersonRow.all()}
            lost = [row for row in rows.values() if row.settings_said != self.said(row.user_id)]
            if not any(user.role is Role.ADMIN for user in self._joined(_without(rows, lost)).values()):
                lost += [row for row in rows.values() if self._is_admin_by_settings(row.user_id) and row not in lost]
            await PersonRow.filter(user_id__in=[row.user_id for row in lost]).delete()
            await self._tell(_without(rows, lost))
        self._zones = await self._memory.chats_with(_ZONE_KEY)
        self._use(_without(rows, lost))
        return tuple(f"{row.name} ({row.user_id}): was {_told(row)} by {row.changed_by}" for row in lost)

    async def move_to(self, user_id: int, zone: str) -> None:
        """Show times in `zone` to one person, whatever the settings say. Raises `UserError`."""
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            near = get_close_matches(zone, available_timezones(), n=3)
            hint = f"Did you mean {', '.join(near)}?" if near else "Use a name like Europe/Berlin or UTC."
            raise UserError(f"I know no time zone “{zone[:40]}”. {hint}") from error
        async with self._lock:
            await self._memory.put(user_id, _ZONE_KEY, zone)
            self._zones[user_id] = zone
            self._use(self._rows)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """One change at a time; inside, all of it is one commit, and it counts everywhere as soon as that is done."""
        async with self._lock:
            async with transaction():
                yield
                rows = {row.user_id: row for row in await PersonRow.all()}
                await self._tell(rows)
            self._use(rows)

    def said(self, user_id: int) -> str:
        """What the settings say of somebody's trust, as text; empty if they do not know them."""
        user = self._settings.get(user_id)
        return "" if user is None else trust(user.role, user.accounts)

    async def _tell(self, rows: Mapping[int, PersonRow]) -> None:
        if self._note is not None:
            await self._note({user.id: trust(user.role, user.accounts) for user in self._joined(rows).values()})

    def _is_admin_by_settings(self, user_id: int) -> bool:
        user = self._settings.get(user_id)
        return user is not None and user.role is Role.ADMIN

    def _use(self, rows: Mapping[int, PersonRow]) -> None:
        self._rows = dict(rows)
        self._people = self._joined(rows)
        for follower in tuple(self._followers):
            follower(self.people)

    def _joined(self, rows: Mapping[int, PersonRow]) -> dict[int, UserSettings]:
        joined = dict(self._settings)
        for row in rows.values():
            if row.removed:
                joined.pop(row.user_id, None)
            else:
                joined[row.user_id] = _person(row, self._settings.get(row.user_id))
        zones = {user_id: zone for user_id, zone in self._zones.items() if user_id in joined}
        moved = {user_id: joined[user_id].model_copy(update={"time_zone": zone}) for user_id, zone in zones.items()}
        return {**joined, **moved}


def trust(role: Role, accounts: Mapping[str, Role | None]) -> str:
    """A role with its exceptions, as stored and compared."""
    return f"{role.label} {json.dumps(roles_as_words(accounts), sort_keys=True)}"


def roles_as_words(accounts: Mapping[str, Role | None]) -> dict[str, str]:
    """Roles by account as they are stored: empty for an account that is not seen."""
    return {account: role.label if role else "" for account, role in accounts.items()}


def shown(role: Role, accounts: Mapping[str, Role | None]) -> str:
    """The same for people: `trader, viewer in fund`."""
    named = [(account, each) for account, each in sorted(accounts.items()) if account != ELSEWHERE]
    others = [f"{each.label if each else 'nothing'} in {account}" for account, each in named]
    if ELSEWHERE in accounts:
        elsewhere = accounts[ELSEWHERE]
        return ", ".join((*others, f"{elsewhere.label if elsewhere else 'nothing'} elsewhere"))
    return ", ".join((role.label, *others))


def actor_of(user: UserSettings) -> Actor:
    """A person as one who acts."""
    return Actor(str(user.id), user.name, user.role, user.accounts)


def _person(row: PersonRow, known: UserSettings | None) -> UserSettings:
    role, accounts = Role(row.role), {name: Role(word) if word else None for name, word in row.accounts.items()}
    if known is not None:
        return known.model_copy(update={"role": role, "accounts": accounts})
    return UserSettings(id=row.user_id, name=row.name, role=role, accounts=accounts, time_zone=row.time_zone)


def _told(row: PersonRow) -> str:
    return "removed" if row.removed else f"made {row.role}"


def _without(rows: Mapping[int, PersonRow], lost: Iterable[PersonRow]) -> dict[int, PersonRow]:
    gone = {row.user_id for row in lost}
    return {user_id: row for user_id, row in rows.items() if user_id not in gone}
