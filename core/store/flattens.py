"""Flattens as they were confirmed, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.store.models import FlattenRow, OrderRow
from core.store.orders import events_of


async def add_flatten(scope: str, by: str, at: datetime, positions: list[dict[str, object]]) -> int:
    """Remember what a person has confirmed, before anything of it is ordered; its number."""
    row = await FlattenRow.create(scope=scope, by=by, at=at, positions=positions, state="running")
    return int(row.id)


async def running_flattens() -> Sequence[FlattenRow]:
    """Those that were not over when the program stopped."""
    return await FlattenRow.filter(state="running").order_by("id")


async def end_flatten(number: int, positions: list[dict[str, object]], at: datetime) -> None:
    """It is over; joins the caller's transaction."""
    await FlattenRow.filter(id=number).update(positions=positions, state="done", ended_at=at)


async def last_words(account: str, symbol: str, since: datetime) -> str:
    """What became of the newest order of a flatten, if it did not fill."""
    rows = OrderRow.filter(account=account, symbol=symbol, origin="flatten", recorded_at__gte=since)
    row = await rows.order_by("-recorded_at").first()
    if row is None:
        return ""
    steps = await events_of(row.client_order_id)
    return f"{row.state}: {steps[-1].note if steps else row.reason}"
