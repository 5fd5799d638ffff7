"""Protective exits, as rows: one for each open position of a strategy, and what its orders have done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.store.models import FillRow, OrderRow, ProtectionRow

_KEY = ("account", "strategy", "symbol")


async def load_protections(account: str) -> list[ProtectionRow]:
    """The stored protections of an account."""
    return await ProtectionRow.filter(account=account).order_by("id")


async def put_protection(account: str, strategy: str, symbol: str, **columns: Any) -> None:
    """Store a protection, whether it was known or not."""
    row = ProtectionRow(account=account, strategy=strategy, symbol=symbol, **columns)
    await ProtectionRow.bulk_create([row], on_conflict=_KEY, update_fields=sorted(columns))


async def drop_protection(account: str, strategy: str, symbol: str) -> None:
    """The position is flat: forget its protection."""
    await ProtectionRow.filter(account=account, strategy=strategy, symbol=symbol).delete()


async def exits_of(account: str, episode: str, since: datetime) -> list[tuple[OrderRow, Sequence[FillRow]]]:
    """The protective orders of one position that have filled, oldest first, each with its fills."""
    query = OrderRow.filter(account=account, origin="protection", at__gte=since, role__endswith=f":{episode}")
    rows = [row for row in await query.order_by("recorded_at") if row.filled > 0]
    return [(row, await _fills(account, row.client_order_id)) for row in rows]


async def _fills(account: str, order: str) -> list[FillRow]:
    return await FillRow.filter(account=account, client_order_id=order, status="booked").order_by("id")
