"""Orders, their history and their fills, as rows. Called inside a transaction by the order manager."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Fill
from core.store.models import AllocationRow, Cursor, FillRow, OrderEvent, OrderRow, OrderStrategyRow
from core.store.rows import change, write
from core.trading.belief import Belief
from core.trading.ledger import FillFacts
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState

# How many ids a query names at once; SQLite takes some thousands.
_AT_ONCE = 500
# What is longer is not ours, and has no place in a column of our ids: venues' own apps use up to 36 characters.
_LONGEST_ID = 32


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened (`market` time) and when it was written down (`wall` time)."""

    market: datetime
    wall: datetime


async def insert_order(order: LiveOrder, account: str, stamp: Stamp) -> None:
    """A new order, with the steps of its life so far. An id that was used before raises."""
    request, allocations = order.request, order.allocations
    row = {
        "client_order_id": order.id,
        "account": account,
        "symbol": order.symbol,
        "side": request.side.value,
        "quantity": request.quantity,
        "filled": ZERO,
        "type": request.type.value,
        "limit_price": request.limit_price,
        "stop_price": request.stop_price,
        "time_in_force": request.time_in_force.value,
        "reduce_only": request.reduce_only,
        "origin": order.origin,
        "allocations": _as_text(allocations),
        "strategies": _listed(allocations),
        "state": order.state.value,
        "is_open": order.state.is_open,
        "reason": order.reason,
        "at": stamp.market,
        "recorded_at": stamp.wall,
        "post_only": request.post_only,
        "trail": request.trail,
        "trail_percent": request.trail_percent,
        "expires_at": request.expires_at,
        "oco_group": request.oco_group,
        "role": order.role,
        "give_up_at": order.give_up_at,
    }
    links = [{"client_order_id": order.id, "strategy": name, "at": stamp.market} for name in sorted(allocations)]
    await write(OrderRow, [row])
    await write(OrderStrategyRow, links)
    await add_event(order.id, OrderState.INTENDED, order.state, order.reason, stamp)


async def ordered_since(account: str, strategy: str, at: datetime, never: Collection[OrderState]) -> bool:
    """Whether anything was ordered for a strategy in an account since `at` (wall time), but what ended as `never`."""
    rows = OrderRow.filter(account=account, recorded_at__gte=at, state__not_in=[each.value for each in never])
    return any(strategy in row.allocations for row in await rows)


async def add_event(order: str, before: OrderState, after: OrderState, note: str, stamp: Stamp) -> None:
    """One more step in an order's history."""
    step = {
        "client_order_id": order,
        "before": before.value,
        "after": after.value,
        "note": note,
        "at": stamp.market,
        "recorded_at": stamp.wall,
    }
    await write(OrderEvent, [step])


async def update_order(order: LiveOrder, belief: Belief, note: str) -> None:
    """The order's newest state, and its terms if they are new."""
    changes: dict[str, object] = {
        "state": belief.state.value,
        "is_open": belief.state.is_open,
        "filled": belief.filled,
        "note": note,
        "venue_order_id": belief.venue_order_id,
        "wanted": belief.wanted.as_text() if belief.wanted else "",
        "watch_until": belief.watch_until,
    }
    if belief.request is not order.request:
        changes["quantity"] = belief.request.quantity
        changes["limit_price"] = belief.request.limit_price
        changes["stop_price"] = belief.request.stop_price
        changes["allocations"] = _as_text(belief.allocations)
    await change(OrderRow, "client_order_id", order.id, changes)


async def instance_name(fresh: str) -> str:
    """The name of this installation in its order ids, for ever: `fresh` the first time."""
    row, _ = await Cursor.get_or_create(name="instance", defaults={"value": fresh})
    return row.value


async def get_order(order: str) -> OrderRow | None:
    """One order, or None."""
    return await OrderRow.get_or_none(client_order_id=order) if _may_be_ours(order) else None


async def open_orders(account: str) -> list[OrderRow]:
    """Every order that may still fill, oldest first."""
    return await OrderRow.filter(account=account, is_open=True).order_by("recorded_at")


async def watched_orders(account: str) -> list[OrderRow]:
    """Every order that is presumed not placed and still looked for."""
    return await OrderRow.filter(account=account, watch_until__isnull=False).order_by("recorded_at")


async def newest_orders(account: str, most: int) -> list[OrderRow]:
    """The newest `most` orders, newest first."""
    return await OrderRow.filter(account=account).order_by("-at").limit(most)


async def newest_filled(account: str, most: int) -> list[str]:
    """The ids of the orders of the newest fills, newest first."""
    rows = await FillRow.filter(account=account).order_by("-id").limit(most).values_list("client_order_id", flat=True)
    return [str(each) for each in dict.fromkeys(rows) if each]


async def orders_at_venue(account: str, venue_ids: Iterable[str]) -> dict[str, OrderRow]:
    """Our orders by the venue's ids of them."""
    rows = await OrderRow.filter(account=account, venue_order_id__in=[each for each in venue_ids if each])
    return {row.venue_order_id: row for row in rows}


async def known_ids(account: str, ids: Iterable[str]) -> frozenset[str]:
    """Those of `ids` that are orders of ours, closed ones included."""
    found: set[str] = set()
    wanted = sorted({each for each in ids if _may_be_ours(each)})
    for start in range(0, len(wanted), _AT_ONCE):
        query = OrderRow.filter(account=account, client_order_id__in=wanted[start : start + _AT_ONCE])
        found.update(str(each) for each in await query.values_list("client_order_id", flat=True))
    return frozenset(found)


async def events_of(order: str) -> list[OrderEvent]:
    """The history of an order, oldest first."""
    return await OrderEvent.filter(client_order_id=order).order_by("id")


async def fills_of(account: str, orders: Iterable[str]) -> list[FillRow]:
    """The fills that are recorded for orders, oldest first, corrected ones too."""
    rows: list[FillRow] = []
    wanted = list(orders)
    for start in range(0, len(wanted), _AT_ONCE):
        query = FillRow.filter(client_order_id__in=wanted[start : start + _AT_ONCE], account=account)
        rows += await query.order_by("id")
    return rows


async def orders_without_fees(account: str) -> list[str]:
    """The ids of the orders that have a fill whose fee is not known yet; an empty one for fills that are not ours."""
    rows = FillRow.filter(account=account, fee__isnull=True).order_by("id")
    return list(dict.fromkeys([row.client_order_id for row in await rows if row.status == "booked"]))


async def put_fee(account: str, stored_as: str, fill: Fill, facts: FillFacts) -> None:
    """The fee of a recorded fill, told later, and how it is shared."""
    row = FillRow.filter(account=account, symbol=fill.symbol, fill_id=stored_as)
    await row.update(fee=fill.fee, fee_currency=fill.fee_currency)
    for part in facts.allocations:
        share = AllocationRow.filter(fill_ref=facts.ref, strategy=part.strategy)
        await share.update(fee=part.fee, fee_currency=facts.fee_currency, fee_paid=part.fee_paid)


async def void_fill(account: str, symbol: str, stored_as: str, replaced_by: str = "") -> None:
    """A fill does not count any more: busted, or another takes its place. Its row stays; the books see to its parts."""
    status = "replaced" if replaced_by else "busted"
    row = FillRow.filter(account=account, symbol=symbol, fill_id=stored_as)
    await row.update(status=status, replaced_by=replaced_by)


async def stored_fills(account: str, fills: Collection[Fill]) -> dict[tuple[str, str], FillRow]:
    """The rows of these fills, by (symbol, the venue's id), in one query for all that fit into one."""
    symbols, wanted = sorted({fill.symbol for fill in fills}), sorted({fill.fill_id for fill in fills})
    rows: dict[tuple[str, str], FillRow] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        for row in await FillRow.filter(account=account, symbol__in=symbols, fill_id__in=some):
            rows[row.symbol, row.fill_id] = row
    return rows


async def fills_at_venue(account: str, symbol: str, strategy: str, venue_orders: Iterable[str]) -> list[FillRow]:
    """The fills that count, of these orders of the venue, that are `strategy`'s alone, oldest first."""
    rows = FillRow.filter(account=account, symbol=symbol, strategies=_listed([strategy]), status="booked")
    return await rows.filter(venue_order_id__in=sorted(venue_orders)).order_by("id")


async def fill_family(account: str, symbol: str, names: Iterable[str]) -> list[FillRow]:
    """The rows of the venue's fill ids in a symbol, and of what was recorded in their place, oldest first."""
    rows: dict[int, FillRow] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        mine = FillRow.filter(account=account, symbol=symbol)
        found = [*await mine.filter(fill_id__in=some)]
        again = [row.replaced_by for row in found if row.replaced_by]
        found += await mine.filter(fill_id__in=again) if again else []
        rows |= {row.id: row for row in found}
    return [rows[key] for key in sorted(rows)]


async def insert_fill(
    account: str, fill: Fill, facts: FillFacts, stamp: Stamp, *, stored_as: str = "", corrects: str = ""
) -> None:
    """One execution. Its parts are stored with its posting."""
    row = {
        "account": account,
        "fill_id": stored_as or fill.fill_id,
        "corrects": corrects,
        "venue_order_id": fill.venue_order_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fill.fee,
        "fee_currency": fill.fee_currency,
        "currency": facts.currency,
        "liquidity": fill.liquidity.value,
        "strategies": _listed(part.strategy for part in facts.allocations),
        "at": fill.at,
        "recorded_at": stamp.wall,
    }
    await write(FillRow, [row])


async def page_of_orders(
    page: int,
    size: int,
    *,
    open_only: bool,
    strategy: str,
    state: OrderState | None = None,
    accounts: Collection[str] | None = None,
) -> tuple[list[OrderRow], int]:
    """One page, newest first, and how many there are in all; of those in `state`, of those `accounts`, if given."""
    if strategy and not open_only and accounts is None:
        return await _page_of_strategy(page, size, strategy)
    query = OrderRow.all() if accounts is None else OrderRow.filter(account__in=sorted(accounts))
    if open_only:
        query = query.filter(is_open=True)
    if state is not None:
        query = query.filter(state=state.value)
    if strategy:
        query = query.filter(strategies__contains=f"|{strategy}|")
    rows = await query.order_by("-at", "-recorded_at").offset((page - 1) * size).limit(size)
    return rows, await query.count()


async def _page_of_strategy(page: int, size: int, strategy: str) -> tuple[list[OrderRow], int]:
    """By the links: with a million orders, reading the text of each takes too long."""
    links = OrderStrategyRow.filter(strategy=strategy)
    ids = (
        await links.order_by("-at", "-id")
        .offset((page - 1) * size)
        .limit(size)
        .values_list("client_order_id", flat=True)
    )
    rows = {row.client_order_id: row for row in await OrderRow.filter(client_order_id__in=list(ids))}
    return [rows[str(each)] for each in ids], await links.count()


async def page_of_fills(
    page: int, size: int, symbol: str, accounts: Collection[str] | None = None
) -> tuple[list[FillRow], int]:
    """One page of what counts, newest first, and how many there are in all, the few that were corrected included."""
    query = FillRow.filter(symbol=symbol) if symbol else FillRow.all()
    if accounts is not None:
        query = query.filter(account__in=sorted(accounts))
    rows = await query.filter(status="booked").order_by("-at", "-id").offset((page - 1) * size).limit(size)
    return rows, await query.count()


async def allocations_of(
    strategy: str = "", since: datetime | None = None, *, account: str, most: int
) -> list[AllocationRow]:
    """The newest `most` parts of fills in an account, oldest first: of one strategy or of all, from `since` on."""
    query = AllocationRow.filter(replaced_by="", account=account)
    if strategy:
        query = query.filter(strategy=strategy)
    if since is not None:
        query = query.filter(at__gte=since)
    return (await query.order_by("-id").limit(most))[::-1]


async def count_since(since: datetime | None, account: str) -> tuple[int, int]:
    """(orders, fills) of an account from `since` on, or in all."""
    orders, fills = OrderRow.filter(account=account), FillRow.filter(account=account)
    if since is None:
        return await orders.count(), await fills.count()
    return await orders.filter(at__gte=since).count(), await fills.filter(at__gte=since).count()


def _may_be_ours(order: str) -> bool:
    return 0 < len(order) <= _LONGEST_ID


def _as_text(parts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: format(part, "f") for name, part in parts.items()}


def _listed(names: Iterable[str]) -> str:
    return "|" + "|".join(sorted(names)) + "|"


def listed(text: str) -> tuple[str, ...]:
    """The names in a stored list."""
    return tuple(name for name in text.split("|") if name)
