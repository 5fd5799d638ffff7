"""Gives a person a second factor. Only the console can: a chat that was taken over cannot enrol itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core.access.audit import Audit
from core.access.roles import CONSOLE
from core.access.totp import SecondFactors
from core.access.users import Users
from core.access.vault import Vault
from core.clock import SystemClock
from core.databases import database_of
from core.settings import Settings
from core.store.instance_lock import InstanceLock
from core.store.private import make_private

Tell = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Begun:
    """Whom a new seed is for, and the address that an app reads; it counts once a code has confirmed it."""

    user_id: int
    name: str
    has_one: bool
    address: str = field(repr=False)


class Enrolment:
    """`tell` is called with a sentence once somebody has a new second factor."""

    def __init__(self, users: Users, factors: SecondFactors, audit: Audit, tell: Tell | None = None) -> None:
        self._users = users
        self._factors = factors
        self._audit = audit
        self._tell = tell

    async def begin(self, name: str) -> Begun:
        """A new seed for somebody. Raises `UserError` if there is nobody of that name."""
        user = self._users.named(name)
        has_one = await self._factors.has(user.id)
        return Begun(user.id, user.name, has_one, self._factors.enrol(user.id, user.name))

    async def confirm(self, user_id: int, code: str) -> bool:
        """Put the seed in force if the person has it. Any lock is gone then, too."""
        if not await self._factors.confirm(user_id, code):
            return False
        user = self._users.find(user_id)
        who = f"{user.name} ({user.id})" if user else str(user_id)
        await self._audit.record(CONSOLE, "second factor", f"{who} has a new one")
        if self._tell is not None:
            await self._tell(f"{who} has a new second factor, set up at the console.")
        return True


@asynccontextmanager
async def enrolment_at_rest(settings: Settings) -> AsyncIterator[Enrolment]:
    """Enrolment while the program does not run. Raises `SettingsError` if it does, or if the database is not usable."""
    clock, lock = SystemClock(), InstanceLock(settings.data_dir)
    make_private(settings.data_dir)
    lock.take()
    database = database_of(settings)
    try:
        await database.open()
        users = Users(settings.users)
        await users.load()
        yield Enrolment(users, SecondFactors(clock, Vault(settings.data_dir, settings.vault_key)), Audit(clock))
    finally:
        await database.close()
        lock.release()
