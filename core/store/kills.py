"""Kills that are not verified yet: what has been halted, and may still have open orders at its venue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.store.models import KillRow
from core.store.rows import put


async def put_kill(account: str, strategy: str, reason: str, at: datetime) -> None:
    """Remember that a sweep is owed; joins the caller's transaction."""
    row = KillRow(key=_key(account, strategy), account=account, strategy=strategy, reason=reason, at=at)
    await put([row], replacing=("key",))


async def drop_kill(account: str, strategy: str) -> None:
    """The venue has said that nothing is open any more, or trading was resumed."""
    await KillRow.filter(key=_key(account, strategy)).delete()


async def kills_of(account: str) -> Sequence[KillRow]:
    """What is owed in one account."""
    return await KillRow.filter(account=account).order_by("at", "key")


def _key(account: str, strategy: str) -> str:
    return f"{account}/{strategy}"
