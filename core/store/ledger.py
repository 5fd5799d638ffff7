"""The ledger's rows. `post` is called inside the transaction of what it records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, localcontext

from tortoise.queryset import QuerySet

from core.store.models import LedgerBalance, LedgerEntry, LedgerTransaction
from core.store.rows import put
from core.trading.ledger import EXACT, Posting, carried, owner_of


async def is_posted(ref: str) -> bool:
    """Whether something was recorded already."""
    return await LedgerTransaction.exists(ref=ref)


async def amounts_of(ref: str) -> dict[tuple[str, str], Decimal]:
    """The entries of one posting, summed; empty if it is not there."""
    row = await LedgerTransaction.get_or_none(ref=ref)
    return await _sums(LedgerEntry.filter(transaction_id=row.id)) if row else {}


async def post(
    posting: Posting, balances: Mapping[tuple[str, str], Decimal], at: datetime, wall: datetime, *, corrects: str = ""
) -> None:
    """Add a posting; `balances` are the sums before it. A second one with the same ref raises."""
    row = await LedgerTransaction.create(ref=posting.ref, kind=posting.kind, at=at, recorded_at=wall, corrects=corrects)
    await put(
        LedgerEntry(transaction_id=row.id, account=entry.account, unit=entry.unit, amount=entry.amount)
        for entry in posting.entries
    )
    changed = carried(balances, posting.entries).items()
    rows = [LedgerBalance(account=account, unit=unit, amount=amount) for (account, unit), amount in changed]
    await put(rows, replacing=("account", "unit"))


async def paid_in(account: str, since: datetime) -> list[tuple[datetime, datetime, str, Decimal]]:
    """What owners have paid in (out: below zero) from a moment on: when, when it was written down, unit, amount."""
    kinds = ("deposit", "withdrawal", "adjustment")
    rows = await LedgerTransaction.filter(kind__in=kinds, recorded_at__gte=since).values_list("id", "at", "recorded_at")
    moments = {int(number): (at, recorded_at) for number, at, recorded_at in rows}
    entries = LedgerEntry.filter(transaction_id__in=list(moments), account=f"deposits/{account}")
    found = await entries.values_list("transaction_id", "unit", "amount") if moments else []
    return [(*moments[int(number)], str(unit), -Decimal(amount)) for number, unit, amount in found]


async def load_balances(owner: str = "") -> dict[tuple[str, str], Decimal]:
    """The sum of every ledger account and unit: of one account of ours, or of all."""
    rows = await LedgerBalance.all().values_list("account", "unit", "amount")
    return {
        (str(path), str(unit)): Decimal(amount) for path, unit, amount in rows if not owner or owner_of(path) == owner
    }


async def owners() -> set[str]:
    """Every account of ours that the ledger has anything of: slow, for checks."""
    kept: list[object] = list(await LedgerBalance.all().distinct().values_list("account", flat=True))
    entered: list[object] = list(await LedgerEntry.all().distinct().values_list("account", flat=True))
    return {owner_of(str(path)) for path in (*kept, *entered)}


async def sums_of_entries() -> dict[tuple[str, str], Decimal]:
    """The same, added up from the entries themselves: slow, for checks."""
    return await _sums(LedgerEntry.all())


async def _sums(entries: QuerySet[LedgerEntry]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    with localcontext(EXACT):
        for account, unit, amount in await entries.values_list("account", "unit", "amount"):
            sums[account, unit] = sums.get((account, unit), Decimal(0)) + Decimal(amount)
    return sums
