"""How strategies stand, as rows."""

from __future__ import annotations

from typing import Any

from core.store.models import StrategyRow


async def put_strategy(name: str, **columns: Any) -> None:
    """Store how a strategy stands, whether it was known or not."""
    await StrategyRow.bulk_create(
        [StrategyRow(name=name, **columns)], on_conflict=["name"], update_fields=sorted(columns)
    )
