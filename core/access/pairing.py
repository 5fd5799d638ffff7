"""Codes that let a stranger in, once: 128 random bits, so that guessing one is hopeless whatever a stranger does.

A code is tapped as a link or scanned, seldom typed, so that its length costs nobody anything; a short one would need
lock-outs, and a stranger could then lock out the person who was invited. The limits on attempts below keep a flood from
the database and the audit trail; they are not what protects the code. Only its SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.access.roles import Role
from core.access.users import roles_as_words
from core.clock import CROCKFORD, Clock, crockford, entropy
from core.store.models import InvitationRow

GOOD_FOR = timedelta(minutes=10)
_PREFIX = "join-"
_LENGTH = 26  # 26 letters of five bits hold 128 bits
_TYPED = re.compile(r"(?:/start(?:@\w+)?\s+)?(join-[\sA-Za-z0-9-]{26,40})\s*\Z", re.IGNORECASE)
_MEANT = str.maketrans("OIL", "011", "- \t\n")


def new_code(random: Callable[[int], bytes] = entropy) -> str:
    """A code that nobody can guess, fit for a link to a bot."""
    return _PREFIX + crockford(int.from_bytes(random(16)), _LENGTH)


def read_code(text: str) -> str:
    """The code in `/start CODE`, or typed alone; forgiving of case, hyphens and look-alikes. Empty if it is none."""
    found = _TYPED.fullmatch(text.strip())
    letters = found[1][len(_PREFIX) :].upper().translate(_MEANT) if found else ""
    return _PREFIX + letters if len(letters) == _LENGTH and set(letters) <= set(CROCKFORD) else ""


def link(bot: str, code: str) -> str:
    """An address that opens the chat with the bot and offers to send the code."""
    return f"https://t.me/{bot}?start={code}"


@dataclass(frozen=True, slots=True)
class Invited:
    """What a code stands for."""

    name: str
    role: Role
    accounts: Mapping[str, Role | None]
    by: str


class Invitations:
    """The codes that are open. All its methods join the caller's transaction."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes] = entropy) -> None:
        self._clock = clock
        self._random = random
        self._attempts = Attempts(clock)

    async def add(self, name: str, role: Role, accounts: Mapping[str, Role | None], by: str) -> tuple[str, datetime]:
        """A new code and until when it is good; an older one for the same name is void."""
        now, code = self._clock.now(), new_code(self._random)
        await InvitationRow.filter(name=name, used_at=None).delete()
        await InvitationRow.create(
            digest=_digest(code),
            name=name,
            role=role.label,
            accounts=roles_as_words(accounts),
            invited_by=by,
            invited_at=now,
            expires_at=now + GOOD_FOR,
        )
        return code, now + GOOD_FOR

    async def take(self, code: str, user_id: int) -> Invited | None:
        """Use a code up. None if it is wrong, used, too old, or if there were too many attempts."""
        now, digest = self._clock.now(), _digest(code)
        if not self._attempts.allow(user_id):
            return None
        open_ones = InvitationRow.filter(digest=digest, used_at=None, expires_at__gt=now)
        if not await open_ones.update(used_at=now, used_by=user_id):
            return None
        row = await InvitationRow.get(digest=digest)
        accounts = {account: Role(word) if word else None for account, word in row.accounts.items()}
        return Invited(row.name, Role(row.role), accounts, row.invited_by)

    async def withdraw(self, by: str) -> int:
        """Void what somebody has invited and nobody used: they are no longer trusted with it."""
        return await InvitationRow.filter(invited_by=by, used_at=None).delete()


class Attempts:
    """How often codes may be tried: five times in ten minutes by one stranger, sixty times a minute by all."""

    OF_ONE, ONE_SECONDS = 5, 600
    OF_ALL, ALL_SECONDS = 60, 60

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tried: deque[tuple[datetime, int]] = deque()

    def allow(self, user_id: int) -> bool:
        """Whether one more attempt is looked at; it counts if it is."""
        now = self._clock.now()
        while self._tried and (now - self._tried[0][0]).total_seconds() >= self.ONE_SECONDS:
            self._tried.popleft()
        lately = sum((now - at).total_seconds() < self.ALL_SECONDS for at, _ in self._tried)
        if lately >= self.OF_ALL or sum(who == user_id for _, who in self._tried) >= self.OF_ONE:
            return False
        self._tried.append((now, user_id))
        return True


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
