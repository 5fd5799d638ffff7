"""The whole history as rows, a batch at a time: a million fills need no more memory than one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from tortoise.queryset import QuerySet

from core.store.allocations import in_order
from core.store.models import AllocationRow, FillRow, LedgerEntry, LedgerTransaction, OrderEvent, OrderRow
from core.trading.ledger import EXACT, Entry, sale_ref

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Traded:
    """One strategy's part of a fill; `unit_price` is the money of one unit."""

    ref: str
    strategy: str
    symbol: str
    quantity: Decimal
    unit_price: Decimal
    fee: Decimal
    fee_currency: str


@dataclass(frozen=True, slots=True)
class PostedEntries:
    """A posting as it is stored."""

    id: int
    ref: str
    kind: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the history goes at one moment: the newest ids."""

    transaction: int
    allocation: int
    fill: int


@dataclass(frozen=True, slots=True)
class FillAndParts:
    """A fill that counts, and what its parts add up to.

    `parts` are with what they gave for the fee, `fees` as the venue took them. `owed` is what of a fee that was to be
    paid out of holdings none of them gave.
    """

    symbol: str
    fill_id: str
    quantity: Decimal
    fee: Decimal
    parts: Decimal
    fees: Decimal
    owed: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """An order as it is stored, and what its events and fills say of it."""

    id: str
    state: str
    filled: Decimal
    last_event: str
    sum_of_fills: Decimal


async def extent() -> Extent:
    """How far the history goes now."""
    newest = [await table.all().order_by("-id").first() for table in (LedgerTransaction, AllocationRow, FillRow)]
    return Extent(*(row.id if row else 0 for row in newest))


async def changes_after(transaction: int) -> bool:
    """Whether anything that is older was corrected or paid for since that posting."""
    kinds = ["fee", "correction", "bust"]
    return await LedgerTransaction.filter(id__gt=transaction, kind__in=kinds).exists()


async def postings(after: int = 0, until: int | None = None) -> AsyncIterator[PostedEntries]:
    """Every posting with an id above `after`, in order of id, to `until` inclusive."""
    while True:
        query = LedgerTransaction.filter(id__gt=after)
        if until is not None:
            query = query.filter(id__lte=until)
        heads = await query.order_by("id").limit(_BATCH).values_list("id", "ref", "kind")
        if not heads:
            return
        entries = await _entries_of([int(head[0]) for head in heads])
        for number, ref, kind in heads:
            yield PostedEntries(number, ref, kind, tuple(entries.get(number, ())))
        after = int(heads[-1][0])


async def _entries_of(transactions: list[int]) -> dict[int, list[Entry]]:
    """Ids of one batch lie close together: a range is read faster than a list."""
    found: dict[int, list[Entry]] = defaultdict(list)
    query = LedgerEntry.filter(transaction_id__gte=transactions[0], transaction_id__lte=transactions[-1])
    for number, account, unit, amount in await query.values_list("transaction_id", "account", "unit", "amount"):
        found[number].append(Entry(account, unit, amount))
    return found


async def entries_since(at: datetime) -> AsyncIterator[Entry]:
    """The entries of every posting that happened at `at` or after; found by its time, not by reading all."""
    numbers = sorted(await _numbers(LedgerTransaction.filter(at__gte=at)))
    for first in range(0, len(numbers), _BATCH):
        batch = numbers[first : first + _BATCH]
        entries = await _entries_of(batch)
        for number in batch:
            for entry in entries.get(number, ()):
                yield entry


async def entries_besides(kinds: Collection[str], until: int) -> AsyncIterator[Entry]:
    """The entries of all postings with ids to `until` that are not of these kinds."""
    after = 0
    while True:
        heads = (
            LedgerTransaction.filter(id__gt=after, id__lte=until)
            .exclude(kind__in=list(kinds))
            .order_by("id")
            .limit(_BATCH)
        )
        numbers = await _numbers(heads)
        if not numbers:
            return
        rows = LedgerEntry.filter(transaction_id__in=numbers).order_by("id")
        for account, unit, amount in await rows.values_list("account", "unit", "amount"):
            yield Entry(account, unit, amount)
        after = numbers[-1]


async def _numbers(query: QuerySet[LedgerTransaction]) -> list[int]:
    found: list[Any] = list(await query.values_list("id", flat=True))
    return [int(each) for each in found]


async def symbols(account: str) -> list[str]:
    """Every symbol that was ever traded, by leaps through the index."""
    found: list[str] = []
    query = AllocationRow.filter(account=account)
    while row := await query.filter(symbol__gt=found[-1] if found else "").order_by("symbol").first():
        found.append(row.symbol)
    return found


async def fills_in_order(account: str, symbol: str, multiplier: Decimal, until: int) -> AsyncIterator[list[Traded]]:
    """The parts (with ids to `until`) of each fill that counts, in the order in which they count.

    Trades of before migration 0002 have `multiplier`.
    """
    async for moment in _moments(account, symbol, until):
        fill: list[Traded] = []
        for row in moment:
            part = _traded(row, multiplier)
            if fill and fill[0].ref != part.ref:
                yield fill
                fill = []
            fill.append(part)
        yield fill


async def _moments(account: str, symbol: str, until: int) -> AsyncIterator[list[AllocationRow]]:
    """Trades of the same time, oldest first. The last moment of a batch may be cut: it is read again, whole."""
    trades = AllocationRow.filter(account=account, symbol=symbol, replaced_by="", id__lte=until)
    since: datetime | None = None
    while True:
        query = trades if since is None else trades.filter(at__gt=since)
        rows = await query.order_by("at").limit(_BATCH)
        if not rows:
            return
        since = rows[-1].at
        whole = [row for row in rows if row.at < since] + await trades.filter(at=since)
        moment: list[AllocationRow] = []
        for row in whole:
            if moment and moment[0].at != row.at:
                yield in_order(moment)
                moment = []
            moment.append(row)
        yield in_order(moment)


def _traded(row: AllocationRow, multiplier: Decimal) -> Traded:
    with localcontext(EXACT):
        unit_price = row.price * (multiplier if row.multiplier is None else row.multiplier)
    return Traded(row.fill_ref, row.strategy, row.symbol, row.quantity, unit_price, row.fee, row.fee_currency)


async def fills_and_parts(account: str, after: int, until: int) -> AsyncIterator[FillAndParts]:
    """Every fill that counts, with ids above `after` to `until`, beside the sum of its parts."""
    while True:
        query = FillRow.filter(account=account, id__gt=after, id__lte=until)
        columns = ("id", "symbol", "fill_id", "side", "quantity", "fee", "status")
        batch = await query.order_by("id").limit(_BATCH).values_list(*columns)
        if not batch:
            return
        after = int(batch[-1][0])
        counting = {f"fill:{account}:{row[1]}:{row[2]}": row for row in batch if row[-1] == "booked"}
        parts = await _sums_of_parts(list(counting))
        for ref, (_, symbol, fill_id, side, quantity, fee, _) in counting.items():
            signed = quantity if side == "buy" else -quantity
            yield FillAndParts(symbol, fill_id, signed, fee or Decimal(0), *parts.get(ref, _NOTHING))


_NOTHING = (Decimal(0), Decimal(0), Decimal(0))


async def _sums_of_parts(refs: list[str]) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """By fill: its units, its fees, and how much of those in kind nobody gave."""
    found: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
    sales = {sale_ref(ref): ref for ref in refs}
    query = AllocationRow.filter(fill_ref__in=[*refs, *sales], replaced_by="")
    with localcontext(EXACT):
        for row in await query:
            ref, spent = sales.get(row.fill_ref, row.fill_ref), row.spent or Decimal(0)
            units, fees, owed = found.get(ref, _NOTHING)
            if row.fill_ref == ref:
                units += row.quantity + spent
                fees += row.fee if row.fee_paid is None else row.fee_paid
                owed += row.fee_paid or Decimal(0)
            found[ref] = (units, fees, owed - spent)
    return found


async def orders(account: str) -> AsyncIterator[OrderHistory]:
    """Every order of an account with the last of its events and the sum of its fills that count, in order of id."""
    after = ""
    while True:
        mine = OrderRow.filter(account=account, client_order_id__gt=after)
        query = mine.order_by("client_order_id").limit(_BATCH)
        ids = [str(each) for each in await query.values_list("client_order_id", flat=True)]
        if not ids:
            return
        for order in await these_orders(ids):
            yield order
        after = ids[-1]


async def these_orders(ids: list[str]) -> list[OrderHistory]:
    """The orders with these ids."""
    events, filled = await _last_events(ids), await sums_of_fills(ids)
    rows = OrderRow.filter(client_order_id__in=ids).order_by("client_order_id")
    return [
        OrderHistory(order, state, done, events.get(order, ""), filled.get(order, Decimal(0)))
        for order, state, done in await rows.values_list("client_order_id", "state", "filled")
    ]


async def orders_filled_after(account: str, fill: int) -> tuple[list[str], int]:
    """The orders of an account that have fills with ids above `fill`, at most one batch of fills, and the last id."""
    query = FillRow.filter(account=account, id__gt=fill).order_by("id").limit(_BATCH)
    rows = await query.values_list("id", "client_order_id")
    last = int(rows[-1][0]) if rows else fill
    return sorted({str(order) for _, order in rows if order}), last


async def _last_events(ids: list[str]) -> dict[str, str]:
    query = OrderEvent.filter(client_order_id__in=ids).order_by("id")
    return {order: after for order, after in await query.values_list("client_order_id", "after")}  # noqa: C416


async def sums_of_fills(ids: list[str]) -> dict[str, Decimal]:
    """What the fills that count add up to, by order."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    query: Any = FillRow.filter(client_order_id__in=ids, status="booked")
    with localcontext(EXACT):
        for order, quantity in await query.values_list("client_order_id", "quantity"):
            sums[order] += quantity
    return sums
