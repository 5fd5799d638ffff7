"""One fill: whose it is, and what is told about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Fill
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.allocation import fee_shares
from core.trading.fill_news import Correction, KnownFill
from core.trading.ledger import Allocation, FillFacts
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from risk.intent import scaled


def fill_ref(account: str, symbol: str, stored_as: str) -> str:
    """What the ledger knows the fill by: a venue's fill id is unique within account and instrument."""
    return f"fill:{account}:{symbol}:{stored_as}"


def parts_of(order: LiveOrder, fill: Fill, filled_before: Decimal) -> dict[str, Decimal]:
    """Each strategy's part of a new fill."""
    earlier, later = order.shares(filled_before), order.shares(filled_before + fill.quantity)
    changes = {name: later[name] - earlier[name] for name in order.parts}
    return {name: change for name, change in changes.items() if change}


def fee_facts(instrument: Instrument, fill: Fill, parts: Mapping[str, Decimal], account: str, ref: str) -> FillFacts:
    """A fill that is recorded, in `parts`, and whose fee is told only now."""
    return facts_in(instrument, fill, parts, account, ref)


def corrected_facts(
    instrument: Instrument, fill: Fill, parts: Mapping[str, Decimal], account: str, ref: str
) -> FillFacts:
    """A fill that takes the place of one that was shared in `parts`: everyone keeps his share."""
    old = sum(parts.values(), ZERO)
    kept = parts if old == fill.signed_quantity else scaled(parts, old, fill.signed_quantity, instrument)
    return facts_in(instrument, fill, {name: part for name, part in kept.items() if part}, account, ref)


def facts_in(instrument: Instrument, fill: Fill, parts: Mapping[str, Decimal], account: str, ref: str) -> FillFacts:
    """The facts of a fill that is shared in `parts`."""
    fees = fee_shares(fill.fee or ZERO, parts)
    return FillFacts(
        ref=ref,
        account=account,
        symbol=instrument.symbol,
        price=fill.price,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        fee_currency=fill.fee_currency,
        allocations=tuple(Allocation(name, parts[name], fees[name]) for name in sorted(parts)),
        settlement=instrument.settlement,
    )


def inside_facts(
    account: str, instrument: Instrument, parts: Mapping[str, Decimal], price: Decimal, ref: str
) -> FillFacts:
    """A trade inside an account: nothing is sent and nothing is paid to a venue."""
    return FillFacts(
        ref=ref,
        account=account,
        symbol=instrument.symbol,
        price=price,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        fee_currency=instrument.currency,
        allocations=tuple(Allocation(name, part, ZERO) for name, part in sorted(parts.items())),
        settlement=instrument.settlement,
    )


def alert_of_fill(fill: Fill, facts: FillFacts) -> Alert:
    """The push for a fill; several that wait together become one message."""
    verb = "Bought" if fill.side.sign > 0 else "Sold"
    text = f"{verb} {fill.quantity.normalize():,f} {fill.symbol} at {fill.price.normalize():,f}"
    names = ", ".join(part.strategy for part in facts.allocations)
    alone = facts.allocations[0].strategy if len(facts.allocations) == 1 else ""
    return Alert("fill", Severity.INFO, text, names, strategy=alone)


def alert_of_correction(what: str, old: KnownFill, correction: Correction) -> Alert:
    """The venue has corrected a fill; if it did not say so, somebody must look."""
    fill = correction.fill
    severity = Severity.CRITICAL if correction.is_silent else Severity.WARNING
    body = f"{_figures(old.quantity, old.price)} became {_figures(fill.quantity, fill.price)}. The books are corrected."
    if correction.is_silent:
        body += " The venue sent it under the same id: compare with its statement."
    return Alert("correction", severity, f"Fill corrected by the venue: {what}", body)


def alert_of_bust(what: str, old: KnownFill) -> Alert:
    """A trade that never was: position and cash have changed."""
    body = f"{_figures(old.quantity, old.price)} is void and out of the books. The position has changed: look at it."
    return Alert("correction", Severity.CRITICAL, f"Fill declared void by the venue: {what}", body)


def alert_of_held(what: str, fill: Fill) -> Alert:
    """A correction that may take the place of a booked fill, and nobody can say of which."""
    body = (
        f"The venue says that {_figures(fill.quantity, fill.price)} ({fill.fill_id}) takes the place of "
        f"{fill.corrects}, which we never heard of. It is not in the books, or it might count twice. We ask again when "
        "we reconcile; until then compare with the venue's statement."
    )
    return Alert("correction", Severity.CRITICAL, f"A correction is held back: {what}", body)


def _figures(quantity: Decimal, price: Decimal) -> str:
    return f"{quantity.normalize():,f} at {price.normalize():,f}"


def surprises(order: LiveOrder, filled: Decimal) -> Iterator[Alert]:
    """What a person must know when `filled` units are more than anyone expected. The venue is right all the same."""
    if not order.state.is_open and order.state is not OrderState.NOT_PLACED:
        title = f"Filled after the end: {order.what}"
        yield Alert("late-fill", Severity.CRITICAL, title, f"The order was {order.state}. The fill is in the books.")
    if filled > order.request.quantity:
        body = f"{filled.normalize():f} filled. The excess is in the books. {order.symbol} may only be reduced now."
        yield Alert("overfill", Severity.CRITICAL, f"Overfilled: {order.what}", body)


def alert_of_answer(order: LiveOrder, state: OrderState) -> Alert | None:
    """The venue has told at last what became of an order: whoever heard of the doubt hears of its end."""
    if state is order.state:
        return None
    if order.state is OrderState.UNCERTAIN:
        return Alert("doubt", Severity.WARNING, f"No longer in doubt: {order.what}", f"The venue has it: {state}.")
    if order.state is OrderState.NOT_PLACED:
        body = f"We had given it up. The venue has it: {state}. It counts again."
        return Alert("doubt", Severity.CRITICAL, f"It was placed after all: {order.what}", body)
    return None
