"""Six-digit codes by time (RFC 6238): a second factor for what is dangerous.

A code counts once, in the step of 30 seconds it belongs to or the next one, by our clock. Wrong ones lock: five within
15 minutes for 15 minutes, each further lock twice as long; twenty within a day until an admin unlocks. Halting asks
for none.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.access.vault import Vault, VaultProblem
from core.clock import Clock, entropy
from core.store.database import transaction
from core.store.models import TotpRow

STEP_SECONDS = 30
MOST_MISSED, MISSED_WITHIN = 5, timedelta(minutes=15)
MOST_A_DAY, DAY = 20, timedelta(hours=24)
LOCK = timedelta(minutes=15)
_SEED_BYTES = 20  # as the RFC recommends for SHA-1, which is all that authenticator apps agree on
_ISSUER = "Quarterdeck"
_CODE = re.compile(r"[0-9]{3} ?[0-9]{3}\Z")


class Verdict(StrEnum):
    """What came of a code."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    USED = "used"
    LOCKED = "locked"
    BLOCKED = "blocked"
    NO_FACTOR = "no_factor"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, how many tries are left, and until when no code is looked at. `locks`: this one has locked."""

    verdict: Verdict
    left: int = 0
    until: datetime | None = None
    locks: bool = False


def is_code(text: str) -> bool:
    """Whether a message looks like a code, so that it must not be kept."""
    return _CODE.fullmatch(text.strip()) is not None


class SecondFactors:
    """Everybody's seeds and locks. Seeds are kept sealed; a seed counts once its first code was confirmed."""

    def __init__(self, clock: Clock, vault: Vault, random: Callable[[int], bytes] = entropy) -> None:
        self._clock = clock
        self._vault = vault
        self._random = random
        self._drafts: dict[int, str] = {}

    # --- enrolment: from the console alone -----------------------------------------------------------

    def enrol(self, user_id: int, name: str) -> str:
        """A new seed as an `otpauth://` address, to be shown once; nothing changes before `confirm`."""
        import pyotp

        seed = base64.b32encode(self._random(_SEED_BYTES)).decode()
        self._drafts[user_id] = seed
        return pyotp.TOTP(seed).provisioning_uri(name=name, issuer_name=_ISSUER)

    async def confirm(self, user_id: int, code: str) -> bool:
        """Put the enrolled seed in force, in place of any before, if `code` shows that the person has it."""
        seed = self._drafts.get(user_id)
        step = _matching(seed, code, self._step()) if seed else None
        if seed is None or step is None:
            return False
        now = self._clock.now()
        row = TotpRow(
            user_id=user_id, sealed=self._vault.seal(seed, _context(user_id)), enrolled_at=now,
            used_step=step, missed=[], missed_today=[],
        )  # fmt: skip
        async with transaction():
            await TotpRow.filter(user_id=user_id).delete()
            await row.save(force_create=True)
        del self._drafts[user_id]
        return True

    async def has(self, user_id: int) -> bool:
        """Whether the person has a second factor."""
        return await TotpRow.exists(user_id=user_id)

    async def forget(self, user_id: int) -> bool:
        """Take a person's second factor away; whether there was one."""
        return bool(await TotpRow.filter(user_id=user_id).delete())

    async def unreadable(self) -> str:
        """Why a seed that is stored cannot be opened; empty if all can."""
        try:
            for row in await TotpRow.all():
                self._vault.open(row.sealed, _context(row.user_id))
        except VaultProblem as problem:
            return str(problem)
        return ""

    # --- use -------------------------------------------------------------------------------------------

    async def locked(self, user_id: int) -> Judged | None:
        """Why no code of this person is looked at now; None if it would be."""
        row = await TotpRow.get_or_none(user_id=user_id)
        return None if row is None else self._locked(row)

    async def unlock(self, user_id: int) -> bool:
        """Look at the person's codes again, with a clean slate; whether there was anything to unlock."""
        row = await TotpRow.get_or_none(user_id=user_id)
        if row is None or not (row.blocked or row.locked_until or row.missed_today):
            return False
        row.missed, row.missed_today, row.locks, row.locked_until, row.blocked = [], [], 0, None, False
        await row.save()
        return True

    async def judge(self, user_id: int, code: str, accepted: Callable[[], Awaitable[None]]) -> Judged:
        """Look at a code. What it sets off is taken in `accepted`, in the same transaction: both happen, or none.

        Of many with the same code at once exactly one is accepted.
        """
        async with transaction():
            row = await TotpRow.get_or_none(user_id=user_id)
            if row is None:
                return Judged(Verdict.NO_FACTOR)
            if found := self._locked(row):
                return found
            step = _matching(self._vault.open(row.sealed, _context(user_id)), code, self._step())
            if step is None:
                return await self._missed(row)
            if not await self._take(row, step):
                return Judged(Verdict.USED, self._left(row))
            await accepted()
        return Judged(Verdict.ACCEPTED, MOST_MISSED)

    async def _take(self, row: TotpRow, step: int) -> bool:
        """Use a step up, once: the database decides."""
        clean = {"used_step": step, "missed": [], "locks": 0, "locked_until": None}
        return bool(await TotpRow.filter(user_id=row.user_id, used_step__lt=step).update(**clean))

    async def _missed(self, row: TotpRow) -> Judged:
        """Count a wrong code, and lock when there are too many."""
        now = self._clock.now()
        row.missed = [*_since(row.missed, now - MISSED_WITHIN), now.isoformat()]
        row.missed_today = [*_since(row.missed_today, now - DAY), now.isoformat()]
        row.blocked = len(row.missed_today) >= MOST_A_DAY
        locks = row.blocked or len(row.missed) >= MOST_MISSED
        left = self._left(row)
        if locks:
            row.locked_until = now + LOCK * 2**row.locks
            row.locks, row.missed = row.locks + 1, []
        await row.save()
        return Judged(Verdict.WRONG, left, None if row.blocked else row.locked_until, locks)

    def _locked(self, row: TotpRow) -> Judged | None:
        if row.blocked:
            return Judged(Verdict.BLOCKED)
        if row.locked_until is not None and self._clock.now() < row.locked_until:
            return Judged(Verdict.LOCKED, 0, row.locked_until)
        return None

    def _left(self, row: TotpRow) -> int:
        now = self._clock.now()
        soon = MOST_MISSED - len(_since(row.missed, now - MISSED_WITHIN))
        return max(0, min(soon, MOST_A_DAY - len(_since(row.missed_today, now - DAY))))

    def _step(self) -> int:
        return int(self._clock.now().timestamp()) // STEP_SECONDS


def _context(user_id: int) -> str:
    return f"totp:{user_id}"


def _since(moments: list[str], start: datetime) -> list[str]:
    return [each for each in moments if datetime.fromisoformat(each) > start]


def _matching(seed: str, code: str, now: int) -> int | None:
    """The step, this or the one before, that a code belongs to. Takes as long whether it matches or not."""
    import pyotp

    given = "".join(code.split()).encode("utf-8", "replace")
    made = pyotp.TOTP(seed)
    found = None
    for step in (now - 1, now):
        if hmac.compare_digest(made.generate_otp(step).encode(), given):
            found = step
    return found
