"""Orders, their history and their fills, as rows. Called inside a transaction by the order manager."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.order import Fill, OrderRequest
from core.store.models import AllocationRow, FillRow, OrderEvent, OrderRow
from core.trading.ledger import FillFacts
from core.trading.states import OrderState


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened (`market` time) and when it was written down (`wall` time)."""

    market: datetime
    wall: datetime


async def insert_order(
    request: OrderRequest,
    *,
    account: str,
    origin: str,
    allocations: Mapping[str, Decimal],
    reason: str,
    state: OrderState,
    stamp: Stamp,
) -> None:
    """A new order, with the steps of its life so far."""
    await OrderRow.create(
        client_order_id=request.client_order_id,
        account=account,
        symbol=request.instrument.symbol,
        side=request.side.value,
        quantity=request.quantity,
        filled=Decimal(0),
        type=request.type.value,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        time_in_force=request.time_in_force.value,
        reduce_only=request.reduce_only,
        origin=origin,
        allocations={name: format(part, "f") for name, part in allocations.items()},
        strategies=_listed(allocations),
        state=state.value,
        is_open=state.is_open,
        reason=reason,
        at=stamp.market,
        recorded_at=stamp.wall,
    )
    await add_event(request.client_order_id, OrderState.INTENDED, state, reason, stamp)


async def add_event(order: str, before: OrderState, after: OrderState, note: str, stamp: Stamp) -> None:
    """One more step in an order's history."""
    await OrderEvent.create(
        client_order_id=order,
        before=before.value,
        after=after.value,
        note=note,
        at=stamp.market,
        recorded_at=stamp.wall,
    )


async def update_order(order: str, *, state: OrderState, filled: Decimal, venue_order_id: str, note: str) -> None:
    """The order's newest state."""
    changes = {"state": state.value, "is_open": state.is_open, "filled": filled, "note": note}
    if venue_order_id:
        changes["venue_order_id"] = venue_order_id
    await OrderRow.filter(client_order_id=order).update(**changes)


async def get_order(order: str) -> OrderRow | None:
    """One order, or None."""
    return await OrderRow.get_or_none(client_order_id=order)


async def open_orders(account: str) -> list[OrderRow]:
    """Every order that may still fill, oldest first."""
    return await OrderRow.filter(account=account, is_open=True).order_by("recorded_at")


async def fills_of(account: str, order: str) -> list[FillRow]:
    """The fills that are recorded for an order."""
    return await FillRow.filter(account=account, client_order_id=order).order_by("id")


async def parts_of_fill(ref: str) -> dict[str, Decimal]:
    """The signed units that each strategy got of a fill."""
    return {row.strategy: row.quantity for row in await AllocationRow.filter(fill_ref=ref)}


async def orders_without_fees(account: str) -> list[str]:
    """The ids of the orders that have a fill whose fee is not known yet."""
    rows = FillRow.filter(account=account, fee__isnull=True).order_by("id")
    return list(dict.fromkeys([row.client_order_id for row in await rows]))


async def put_fee(account: str, fill: Fill, facts: FillFacts) -> None:
    """The fee of a recorded fill, told later, and how it is shared."""
    row = FillRow.filter(account=account, symbol=fill.symbol, fill_id=fill.fill_id)
    await row.update(fee=fill.fee, fee_currency=fill.fee_currency)
    for part in facts.allocations:
        await AllocationRow.filter(fill_ref=facts.ref, strategy=part.strategy).update(fee=part.fee)


async def insert_fill(account: str, fill: Fill, facts: FillFacts, stamp: Stamp) -> None:
    """One execution and how it is shared."""
    await FillRow.create(
        account=account,
        fill_id=fill.fill_id,
        client_order_id=fill.client_order_id,
        symbol=fill.symbol,
        side=fill.side.value,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        currency=facts.currency,
        liquidity=fill.liquidity.value,
        strategies=_listed(part.strategy for part in facts.allocations),
        at=fill.at,
        recorded_at=stamp.wall,
    )
    await insert_allocations(facts, fill.at)


async def insert_allocations(facts: FillFacts, at: datetime) -> None:
    """Who got which part of a fill, or of a trade between strategies."""
    await AllocationRow.bulk_create(
        AllocationRow(
            fill_ref=facts.ref,
            account=facts.account,
            strategy=part.strategy,
            symbol=facts.symbol,
            quantity=part.quantity,
            price=facts.price,
            fee=part.fee,
            at=at,
        )
        for part in facts.allocations
    )


async def page_of_orders(page: int, size: int, *, open_only: bool, strategy: str) -> tuple[list[OrderRow], int]:
    """One page, newest first, and how many there are in all."""
    query = OrderRow.all()
    if open_only:
        query = query.filter(is_open=True)
    if strategy:
        query = query.filter(strategies__contains=f"|{strategy}|")
    rows = await query.order_by("-at", "-recorded_at").offset((page - 1) * size).limit(size)
    return rows, await query.count()


async def page_of_fills(page: int, size: int, symbol: str) -> tuple[list[FillRow], int]:
    """One page, newest first, and how many there are in all."""
    query = FillRow.filter(symbol=symbol) if symbol else FillRow.all()
    rows = await query.order_by("-at", "-id").offset((page - 1) * size).limit(size)
    return rows, await query.count()


async def allocations_of(strategy: str = "", since: datetime | None = None, *, most: int) -> list[AllocationRow]:
    """The newest `most` parts of fills, oldest first: of one strategy or of all, from `since` on."""
    query = AllocationRow.filter(strategy=strategy) if strategy else AllocationRow.all()
    if since is not None:
        query = query.filter(at__gte=since)
    return (await query.order_by("-id").limit(most))[::-1]


async def count_since(since: datetime | None) -> tuple[int, int]:
    """(orders, fills) from `since` on, or in all."""
    if since is None:
        return await OrderRow.all().count(), await FillRow.all().count()
    return await OrderRow.filter(at__gte=since).count(), await FillRow.filter(at__gte=since).count()


def _listed(names: Iterable[str]) -> str:
    return "|" + "|".join(sorted(names)) + "|"


def listed(text: str) -> tuple[str, ...]:
    """The names in a stored list."""
    return tuple(name for name in text.split("|") if name)
