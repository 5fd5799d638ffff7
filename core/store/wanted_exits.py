"""Exits that wait for the entry that they are to protect, as rows. The order is found again by its role."""

from __future__ import annotations

from collections.abc import Mapping

from core.store.models import OrderRow, WantedExitsRow
from core.store.rows import put


async def load_wanted_exits(account: str) -> list[WantedExitsRow]:
    """Every wish of an account that is still open."""
    return await WantedExitsRow.filter(account=account).order_by("role")


async def put_wanted_exits(role: str, account: str, symbol: str, spec: Mapping[str, object]) -> None:
    """Keep a wish, inside the transaction that stores its order."""
    await put([WantedExitsRow(role=role, account=account, symbol=symbol, spec=dict(spec))])


async def drop_wanted_exits(role: str) -> None:
    """The wish is fulfilled, or its order has ended without a fill."""
    await WantedExitsRow.filter(role=role).delete()


async def order_of_role(account: str, role: str) -> OrderRow | None:
    """The order that has this role, open or over."""
    return await OrderRow.get_or_none(account=account, role=role)
