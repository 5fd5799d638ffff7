"""What strategies are to hold, kept so that a restart goes on with the same wishes. One row an account."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from core.store.models import Cursor


async def load_goals(account: str) -> list[Any]:
    """The stored goals, as they were given; nothing before the first."""
    row = await Cursor.get_or_none(name=f"goals:{account}")
    return list(json.loads(row.value)) if row is not None else []


async def put_goals(account: str, goals: Iterable[list[str | float | None]]) -> None:
    """Remember all goals of an account."""
    await Cursor.update_or_create(name=f"goals:{account}", defaults={"value": json.dumps(list(goals))})
