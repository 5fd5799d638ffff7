"""How one fill is shared among the strategies of its order, and what is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Fill
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.ledger import Allocation, FillFacts, fee_shares, share
from core.trading.live_order import LiveOrder

# Who a fill belongs to when no strategy asked for it.
MANUAL = "manual"


def facts_of(order: LiveOrder, fill: Fill, filled_before: Decimal, account: str) -> FillFacts:
    """The fill with each strategy's part. An unknown fee counts as pending: it is posted when it is told."""
    instrument = order.request.instrument
    parts = _parts_of(order, fill, filled_before)
    fees = fee_shares(fill.fee or ZERO, parts)
    return FillFacts(
        ref=f"fill:{account}:{instrument.symbol}:{fill.fill_id}",
        account=account,
        symbol=instrument.symbol,
        price=fill.price,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        fee_currency=fill.fee_currency,
        allocations=tuple(Allocation(name, parts[name], fees[name]) for name in sorted(parts)),
    )


def _parts_of(order: LiveOrder, fill: Fill, before: Decimal) -> dict[str, Decimal]:
    """What this fill adds to each strategy's cumulative part."""
    wanted: Mapping[str, Decimal] = order.allocations or {MANUAL: order.request.side.sign * order.request.quantity}
    total = order.request.side.sign * order.request.quantity
    lot, ordered = order.request.instrument.lot, order.request.quantity
    earlier = share(total, wanted, lot, (before, ordered))
    later = share(total, wanted, lot, (before + fill.quantity, ordered))
    changes = {name: later[name] - earlier[name] for name in wanted}
    return {name: change for name, change in changes.items() if change} or {MANUAL: fill.signed_quantity}


def alert_of_fill(fill: Fill, facts: FillFacts) -> Alert:
    """The push for a fill; several that wait together become one message."""
    verb = "Bought" if fill.side.sign > 0 else "Sold"
    text = f"{verb} {fill.quantity.normalize():f} {fill.symbol} at {fill.price.normalize():f}"
    names = ", ".join(part.strategy for part in facts.allocations)
    return Alert("fill", Severity.INFO, text, f"{text} · {names}")
