"""Limits that people have set, as rows."""

from __future__ import annotations

from datetime import datetime

from core.store.models import LimitRow
from core.store.rows import put


async def limit_rows() -> list[LimitRow]:
    """Every limit that stands in for one of the settings."""
    return await LimitRow.all().order_by("account", "name")


async def put_limit(account: str, name: str, value: str, replaces: str, by: str, at: datetime) -> None:
    """Remember a limit, and what the settings said instead."""
    row = LimitRow(account=account, name=name, value=value, replaces=replaces, by=by, at=at)
    await put([row], replacing=("account", "name"))


async def drop_limit(account: str, name: str) -> None:
    """What the settings say counts again."""
    await LimitRow.filter(account=account, name=name).delete()
