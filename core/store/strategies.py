"""How strategies stand, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.store.models import StrategyRow
from core.store.rows import write


async def put_strategies(rows: Iterable[Mapping[str, Any]]) -> None:
    """Store how strategies stand, by name, whether they were known or not; each has the same columns."""
    await write(StrategyRow, rows, replacing=("name",))
