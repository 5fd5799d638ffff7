"""What strategies are to hold, kept so that a restart goes on with the same wishes. One row a strategy and symbol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.store.models import GoalRow
from core.store.rows import put


async def load_goals(account: str) -> list[GoalRow]:
    """The stored goals of an account."""
    return await GoalRow.filter(account=account).order_by("id")


async def put_goals(account: str, goals: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Store these goals, by strategy and symbol; the others stay as they are."""
    rows = [GoalRow(account=account, strategy=name, symbol=symbol, **goal) for (name, symbol), goal in goals.items()]
    await put(rows, replacing=("account", "strategy", "symbol"))
