"""How strategies stand, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.store.models import StrategyRow


async def put_strategies(rows: Iterable[Mapping[str, Any]]) -> None:
    """Store how strategies stand, by name, whether they were known or not; each has the same columns."""
    made = [StrategyRow(**row) for row in rows]
    if made:
        columns = sorted(set(StrategyRow._meta.db_fields) - {"name"})  # noqa: SLF001 (the ORM's own list)
        await StrategyRow.bulk_create(made, on_conflict=["name"], update_fields=columns)
