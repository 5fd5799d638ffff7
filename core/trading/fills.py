"""One fill: whose it is, and what is told about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Fill
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.allocation import fee_shares
from core.trading.ledger import Allocation, FillFacts
from core.trading.live_order import LiveOrder
from risk.intent import OrderIntent


def fill_ref(account: str, fill: Fill) -> str:
    """What the ledger knows the fill by: a venue's fill id is unique within account and instrument."""
    return f"fill:{account}:{fill.symbol}:{fill.fill_id}"


def facts_of(order: LiveOrder, fill: Fill, filled_before: Decimal, account: str) -> FillFacts:
    """The fill with each strategy's part. An unknown fee is pending: it is posted when it is told."""
    earlier, later = order.shares(filled_before), order.shares(filled_before + fill.quantity)
    changes = {name: later[name] - earlier[name] for name in order.parts}
    return _facts(order, fill, {name: change for name, change in changes.items() if change}, account)


def fee_facts(order: LiveOrder, fill: Fill, parts: Mapping[str, Decimal], account: str) -> FillFacts:
    """A fill that is recorded, in `parts`, and whose fee is told only now."""
    return _facts(order, fill, parts, account)


def _facts(order: LiveOrder, fill: Fill, parts: Mapping[str, Decimal], account: str) -> FillFacts:
    instrument = order.request.instrument
    fees = fee_shares(fill.fee or ZERO, parts)
    return FillFacts(
        ref=fill_ref(account, fill),
        account=account,
        symbol=instrument.symbol,
        price=fill.price,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        fee_currency=fill.fee_currency,
        allocations=tuple(Allocation(name, parts[name], fees[name]) for name in sorted(parts)),
    )


def cross_facts(intent: OrderIntent, price: Decimal, ref: str) -> FillFacts:
    """A trade between strategies of one account: nothing is sent and nothing is paid to a venue."""
    instrument = intent.instrument
    return FillFacts(
        ref=f"cross:{intent.account}:{ref}",
        account=intent.account,
        symbol=instrument.symbol,
        price=price,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        fee_currency=instrument.currency,
        allocations=tuple(Allocation(name, part, ZERO) for name, part in sorted(intent.allocations.items())),
    )


def alert_of_fill(fill: Fill, facts: FillFacts) -> Alert:
    """The push for a fill; several that wait together become one message."""
    verb = "Bought" if fill.side.sign > 0 else "Sold"
    text = f"{verb} {fill.quantity.normalize():,f} {fill.symbol} at {fill.price.normalize():,f}"
    names = ", ".join(part.strategy for part in facts.allocations)
    return Alert("fill", Severity.INFO, text, names)


def surprises(order: LiveOrder, filled: Decimal) -> Iterator[Alert]:
    """What a person must know when `filled` units are more than anyone expected. The venue is right all the same."""
    what = f"{order.request.side} {order.request.quantity.normalize():f} {order.symbol}"
    if not order.state.is_open:
        title = f"Filled after the end: {what}"
        yield Alert("late-fill", Severity.CRITICAL, title, f"The order was {order.state}. The fill is in the books.")
    if filled > order.request.quantity:
        body = f"{filled.normalize():f} filled. The excess is in the books."
        yield Alert("overfill", Severity.CRITICAL, f"Overfilled: {what}", body)
