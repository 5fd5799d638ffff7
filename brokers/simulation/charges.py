"""Money that time takes or gives: funding of perpetuals, and interest on what is borrowed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from brokers.account import FlowKind
from brokers.money import ZERO
from brokers.simulation.fees import FEE_STEP
from brokers.simulation.state import Draft
from brokers.simulation.terms import Terms

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR = 365


def accrue(draft: Draft, terms: Terms, at: datetime) -> None:
    """Charge what fell due between the last ticks and `at`, before anything of `at` happens.

    A time of payment lies between two ticks exactly once, whatever is filled, repeated or restarted around it, so that
    nothing is ever charged twice.
    """
    tick = draft.tick
    assert tick is not None
    funding = terms.funding.get(tick.symbol)
    last = draft.state.ticks.get(tick.symbol)
    if funding is not None and last is not None:
        for due in _times(last.at, at, funding.interval):
            _fund(draft, tick.symbol, last.last, funding.rate, due)
    clock = None if terms.interest.is_free else draft.state.clock
    if clock is not None:
        for due in _times(clock, at, _DAY):
            _interest(draft, terms, due)


def _times(after: datetime, until: datetime, interval: timedelta) -> Iterator[datetime]:
    """Whole multiples of `interval` since midnight UTC of 1 January 1970 in (after, until]."""
    number = (after - _EPOCH) // interval + 1
    while _EPOCH + number * interval <= until:
        yield _EPOCH + number * interval
        number += 1


def _fund(draft: Draft, symbol: str, mark: Decimal, rate: Decimal, due: datetime) -> None:
    """Longs pay a positive rate on what the position was worth at the last price before `due`."""
    holding = draft.all_holdings().get(symbol)
    if holding is None or holding.quantity == 0:
        return
    amount = _in_cents(-holding.quantity * mark * holding.instrument.multiplier * rate)
    if amount:
        draft.flow(FlowKind.FUNDING, holding.instrument.currency, amount, due, symbol=symbol)


def _interest(draft: Draft, terms: Terms, due: datetime) -> None:
    for currency, cash in sorted(draft.cash.items()):
        if cash < 0 and (amount := _in_cents(cash * terms.interest.cash / _YEAR)):
            draft.flow(FlowKind.INTEREST, currency, amount, due)
    for symbol, holding in sorted(draft.all_holdings().items()):
        value = holding.quantity * _mark(draft, symbol, holding.average_price) * holding.instrument.multiplier
        if holding.quantity < 0 and (amount := _in_cents(value * terms.interest.short / _YEAR)):
            draft.flow(FlowKind.INTEREST, holding.instrument.currency, amount, due, symbol=symbol)


def _mark(draft: Draft, symbol: str, otherwise: Decimal) -> Decimal:
    """The last price before this tick."""
    tick = draft.state.ticks.get(symbol)
    return otherwise if tick is None else tick.last


def _in_cents(amount: Decimal) -> Decimal:
    """To 8 decimals, against the account."""
    return amount.quantize(FEE_STEP, rounding=ROUND_FLOOR) if amount else ZERO
