"""The parts of fills as rows: the trades of each lot, in order. What was corrected or busted stays, marked.

Trades are in order of time; among those of the same time, in the order in which they were written down.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from itertools import groupby

from core.store.models import AllocationRow
from core.store.rows import put as put_rows
from core.trading.ledger import FillFacts

_BATCH = 200


async def parts_of(account: str, ref: str) -> list[AllocationRow]:
    """The parts of one fill that count; none if it is unknown, corrected or busted."""
    return await AllocationRow.filter(account=account, fill_ref=ref, replaced_by="").order_by("strategy")


async def latest(account: str, symbol: str) -> datetime | None:
    """The time of the newest trade in a symbol."""
    row = await AllocationRow.filter(account=account, symbol=symbol).order_by("-at").first()
    return row.at if row else None


async def since(account: str, symbol: str, at: datetime) -> list[AllocationRow]:
    """Every trade from `at` on that counts, in order."""
    return in_order(await AllocationRow.filter(account=account, symbol=symbol, replaced_by="", at__gte=at))


async def moments_before(account: str, symbol: str, at: datetime) -> AsyncGenerator[list[AllocationRow], None]:
    """The trades of each moment before `at` that count, the newest moment first."""
    trades = AllocationRow.filter(account=account, symbol=symbol, replaced_by="")
    until = at
    while rows := await trades.filter(at__lt=until).order_by("-at").limit(_BATCH):
        until = rows[-1].at
        whole = [row for row in rows if row.at > until] + await trades.filter(at=until)
        for _, moment in groupby(whole, key=lambda row: row.at):
            yield in_order(moment)


def in_order(rows: Iterable[AllocationRow]) -> list[AllocationRow]:
    """Trades as they count, one after another."""
    return sorted(rows, key=lambda row: (row.at, row.place or row.id, row.id))


async def replace(old_ref: str, by: str) -> None:
    """The parts of a fill count no more."""
    await AllocationRow.filter(fill_ref=old_ref, replaced_by="").update(replaced_by=by)


async def put(facts: FillFacts, at: datetime, place: int | None = None) -> None:
    """Who got which part of a fill. Written twice, the second counts."""
    await put_rows(
        [
            AllocationRow(
                fill_ref=facts.ref,
                account=facts.account,
                strategy=part.strategy,
                symbol=facts.symbol,
                quantity=part.quantity,
                price=facts.price,
                fee=part.fee,
                at=at,
                multiplier=facts.multiplier,
                fee_currency=facts.fee_currency,
                place=place,
                replaced_by="",
                fee_paid=part.fee_paid,
                spent=part.spent or None,
            )
            for part in facts.allocations
        ],
        replacing=("fill_ref", "strategy"),
        keeping=("replaced_by",),
    )
