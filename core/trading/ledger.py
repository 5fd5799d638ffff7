"""The double-entry ledger: every posting sums to zero in each unit, exactly.

Accounts are paths. A positive amount is what is there (a debit):

=====================================  ========  ==========================================================
`cash/ACCOUNT`                         currency  money at the venue
`cost/ACCOUNT/STRATEGY/SYMBOL`         currency  what the open position cost
`realised/ACCOUNT/STRATEGY/SYMBOL`     currency  minus the profit taken (income is a credit)
`fees/ACCOUNT/STRATEGY/SYMBOL`         currency  fees paid
`deposits/ACCOUNT`                     currency  minus what was paid in
`position/ACCOUNT/STRATEGY/SYMBOL`     symbol    units held, signed
`venue/ACCOUNT`                        symbol    minus the units held: the counter-account
=====================================  ========  ==========================================================

Cost is average cost; a flip is a close and an open at the same price. Sums and products are made in a context
that raises rather than round: what cannot be kept exactly must not be kept at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

from brokers.instrument import Instrument
from brokers.money import ZERO

# Money is added and multiplied here: a result that would need rounding raises. Sixty digits, as at the venue.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, FloatOperation])
# Proportions are made here, and rounded to a step at once.
ROUNDING = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation])

# Cost that leaves a position in part is rounded to this; the rest stays, so nothing is lost.
COST_STEP = Decimal("1e-10")

Balances = Mapping[tuple[str, str], Decimal]


class Unbalanced(Exception):
    """A posting does not sum to zero: a bug, and it must stop everything."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`amount` of `unit` into `account`."""

    account: str
    unit: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Posting:
    """A balanced set of entries. `ref` says what it records, once and for ever."""

    ref: str
    kind: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        with localcontext(EXACT):
            for entry in self.entries:
                sums[entry.unit] += entry.amount
        if wrong := {unit: total for unit, total in sums.items() if total != 0}:
            raise Unbalanced(f"{self.ref}: {wrong}")


@dataclass(frozen=True, slots=True)
class Allocation:
    """The signed part of a fill that belongs to one strategy, and its share of the fee."""

    strategy: str
    quantity: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class FillFacts:
    """What the ledger needs to know of a fill: price and `multiplier` make money in `currency`."""

    ref: str
    account: str
    symbol: str
    price: Decimal
    multiplier: Decimal
    currency: str
    fee_currency: str
    allocations: tuple[Allocation, ...]


def carried(balances: Balances, entries: Iterable[Entry]) -> dict[tuple[str, str], Decimal]:
    """The new balance of every account and unit that `entries` touch."""
    changed: dict[tuple[str, str], Decimal] = {}
    with localcontext(EXACT):
        for entry in entries:
            key = (entry.account, entry.unit)
            changed[key] = changed.get(key, balances.get(key, ZERO)) + entry.amount
    return changed


def deposit(account: str, currency: str, amount: Decimal, ref: str) -> Posting:
    """Money paid in (or out, if negative)."""
    return Posting(
        ref,
        "deposit",
        (Entry(f"cash/{account}", currency, amount), Entry(f"deposits/{account}", currency, -amount)),
    )


def adoption(account: str, strategy: str, instrument: Instrument, quantity: Decimal, price: Decimal) -> Posting:
    """A position that was there before we were: paid in at its average `price` and held for `strategy`."""
    with localcontext(EXACT):
        cost = quantity * price * instrument.multiplier
    symbol, currency = instrument.symbol, instrument.currency
    entries = (
        Entry(f"position/{account}/{strategy}/{symbol}", symbol, quantity),
        Entry(f"venue/{account}", symbol, -quantity),
        Entry(f"cost/{account}/{strategy}/{symbol}", currency, cost),
        Entry(f"deposits/{account}", currency, -cost),
    )
    return Posting(f"opening:{account}:position:{symbol}", "deposit", entries)


def fill_posting(fill: FillFacts, balances: Balances) -> Posting:
    """The posting of one fill for all strategies that share it; strategies may trade with each other in it."""
    entries: list[Entry] = []
    with localcontext(EXACT):
        for part in fill.allocations:
            entries.extend(_trade_entries(fill, part, balances))
            entries.extend(_fee_entries(fill, part))
    return Posting(fill.ref, "fill", tuple(entry for entry in entries if entry.amount != 0))


def fee_posting(fill: FillFacts) -> Posting:
    """The fee of a fill that is in the ledger without one, told later."""
    entries = [entry for part in fill.allocations for entry in _fee_entries(fill, part)]
    return Posting(f"fee:{fill.ref}", "fee", tuple(entry for entry in entries if entry.amount != 0))


def _fee_entries(fill: FillFacts, part: Allocation) -> Iterable[Entry]:
    yield Entry(f"cash/{fill.account}", fill.fee_currency, -part.fee)
    yield Entry(f"fees/{fill.account}/{part.strategy}/{fill.symbol}", fill.fee_currency, part.fee)


def _trade_entries(fill: FillFacts, part: Allocation, balances: Balances) -> Iterable[Entry]:
    where = f"{fill.account}/{part.strategy}/{fill.symbol}"
    held = balances.get((f"position/{where}", fill.symbol), ZERO)
    cost = balances.get((f"cost/{where}", fill.currency), ZERO)
    paid = part.quantity * fill.price * fill.multiplier
    cost_change = _cost_change(held, cost, part.quantity, fill.price * fill.multiplier)
    yield Entry(f"position/{where}", fill.symbol, part.quantity)
    yield Entry(f"venue/{fill.account}", fill.symbol, -part.quantity)
    yield Entry(f"cash/{fill.account}", fill.currency, -paid)
    yield Entry(f"cost/{where}", fill.currency, cost_change)
    yield Entry(f"realised/{where}", fill.currency, paid - cost_change)


def _cost_change(held: Decimal, cost: Decimal, traded: Decimal, unit_price: Decimal) -> Decimal:
    """How the cost of the open position changes when `traded` units are added to `held`."""
    if held == 0 or (held > 0) == (traded > 0):
        return traded * unit_price
    closed = min(abs(traded), abs(held))
    if closed == abs(held):
        opened = traded + held
        return -cost + opened * unit_price
    with localcontext(ROUNDING):
        return -(cost * closed / abs(held)).quantize(COST_STEP, rounding=ROUND_HALF_EVEN)
