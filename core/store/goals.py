"""What strategies are to hold, kept so that a restart goes on with the same wishes. One row a strategy and symbol."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.money import ZERO
from core.store.models import GoalRow
from core.store.rows import write


async def load_goals(account: str) -> list[GoalRow]:
    """The stored goals of an account."""
    return await GoalRow.filter(account=account).order_by("id")


async def put_goals(account: str, goals: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Store these goals, by strategy and symbol; the others stay as they are."""
    rows = ({"account": account, "strategy": name, "symbol": symbol, **goal} for (name, symbol), goal in goals.items())
    await write(GoalRow, rows, replacing=("account", "strategy", "symbol"))


async def drop_goals(account: str, strategy: str) -> None:
    """A strategy is to hold nothing there any more: it trades somewhere else."""
    await GoalRow.filter(account=account, strategy=strategy).delete()


def without(goal: Decimal, spent: Decimal) -> Decimal:
    """What is left of a goal when `spent` units of the holding paid a fee: they are not bought back."""
    left = goal - spent
    return left if goal * left > 0 else ZERO


async def shift_goals(account: str, spent: Mapping[tuple[str, str], Decimal]) -> None:
    """The stored goals without what fees have taken out of holdings, in the transaction that books it."""
    for (strategy, symbol), units in spent.items():
        row = await GoalRow.filter(account=account, strategy=strategy, symbol=symbol).first()
        if row is not None and units:
            await GoalRow.filter(id=row.id).update(quantity=without(row.quantity, units))
