"""Which accounts with real money a person has let trade, as rows."""

from __future__ import annotations

from datetime import datetime

from core.store.models import LiveRow
from core.store.rows import put


async def confirmed() -> dict[str, str]:
    """The broker that was confirmed for each account, as it called itself."""
    return {row.account: row.identity for row in await LiveRow.all()}


async def put_confirmed(account: str, identity: str, by: str, at: datetime) -> None:
    """Remember that a person has let an account trade on this broker; what was confirmed before counts no more."""
    await put([LiveRow(account=account, identity=identity, by=by, at=at)], replacing=("account",))
