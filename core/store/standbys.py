"""Which strategies trade in the standby of their own account, as rows."""

from __future__ import annotations

from collections.abc import Sequence

from core.store.models import StandbyRow
from core.store.rows import put


async def moved() -> Sequence[StandbyRow]:
    """Every strategy that is away from its own account, by name."""
    return await StandbyRow.all().order_by("strategy")


async def put_moved(row: StandbyRow) -> None:
    """Remember where a strategy trades from now on."""
    await put([row], replacing=("strategy",))


async def drop_moved(strategy: str) -> None:
    """It trades in its own account again."""
    await StandbyRow.filter(strategy=strategy).delete()
