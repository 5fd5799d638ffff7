"""A guard as a row, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from brokers.instrument import Instrument
from core.store.models import ProtectionRow
from core.store.protections import put_protection
from core.trading.protection.guard import Guard, Holder, Leg
from core.trading.protection.spec import ExitSpec, Source


def episode_of(account: str, strategy: str, symbol: str, opened_at: datetime) -> str:
    """The name of a position from its opening on: the same after a restart."""
    text = f"{account}/{strategy}/{symbol}/{opened_at.isoformat()}"
    return hashlib.blake2s(text.encode(), digest_size=10).hexdigest()


def guard_of(row: ProtectionRow, instrument: Callable[[str], Instrument]) -> Guard:
    """The guard as it was stored."""
    return Guard(
        strategy=row.strategy,
        instrument=instrument(row.symbol),
        spec=None if row.spec is None else ExitSpec.model_validate(row.spec),
        source=Source(row.source),
        quantity=row.quantity,
        entry=row.entry,
        opened_at=row.opened_at,
        episode=row.episode,
        bars=row.bars,
        bar_at=row.bar_at,
        best=row.best,
        atr=row.atr,
        fired=Leg(row.fired) if row.fired else None,
        holder=Holder(row.holder),
    )


async def keep_guard(account: str, guard: Guard) -> None:
    """Store a guard."""
    await put_protection(
        account,
        guard.strategy,
        guard.symbol,
        spec=None if guard.spec is None else guard.spec.stored(),
        source=guard.source.value,
        quantity=guard.quantity,
        entry=guard.entry,
        opened_at=guard.opened_at,
        episode=guard.episode,
        bars=guard.bars,
        bar_at=guard.bar_at,
        best=guard.best,
        atr=guard.atr,
        fired=guard.fired.value if guard.fired else "",
        holder=guard.holder.value,
    )
