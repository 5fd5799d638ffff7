"""The double-entry ledger: every posting sums to zero in each unit, exactly.

Accounts are paths. A positive amount is what is there (a debit):

=====================================  ========  ==========================================================
`cash/ACCOUNT`                         currency  money at the venue
`cost/ACCOUNT/STRATEGY/SYMBOL`         currency  what the open position cost
`realised/ACCOUNT/STRATEGY/SYMBOL`     currency  minus the profit taken (income is a credit)
`fees/ACCOUNT/STRATEGY/SYMBOL`         currency  fees paid, in the currency that they were paid in; those that
                                                 were paid out of a holding, at what that was worth
`funding/ACCOUNT/STRATEGY/SYMBOL`      currency  minus the funding received; also `interest/`, `dividend/`, `other/`
`deposits/ACCOUNT`                     currency  minus what was paid in
`margin/ACCOUNT/SYMBOL`                currency  minus what the net position cost, where trades move no cash
`position/ACCOUNT/STRATEGY/SYMBOL`     symbol    units held, signed
`venue/ACCOUNT`                        symbol    minus the units held: the counter-account
=====================================  ========  ==========================================================

Cost is average cost; a flip is a close and an open at the same price. Where an instrument is MARGINED, cash moves
only by what the account's net position has realised, as at the venue: strategies that hold against each other
have nothing at the venue. Sums and products are made in a context that raises rather than round: what cannot be
kept exactly must not be kept at all.
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

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO

# Money is added and multiplied here: a result that would need rounding raises. Sixty digits, as at the venue.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, FloatOperation])
# Proportions are made here, and rounded to a step at once.
ROUNDING = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation])

# Cost that leaves a position in part is rounded to this; the rest stays, so nothing is lost.
COST_STEP = Decimal("1e-10")

# Whose something is that happened at the venue without us: somebody else's order, a liquidation, interest.
EXTERNAL = "external"

Balances = Mapping[tuple[str, str], Decimal]


def owner_of(path: str) -> str:
    """The account of ours that a ledger account belongs to."""
    return path.partition("/")[2].partition("/")[0] or path


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
        sums = sums_by_unit((entry.unit, entry.amount) for entry in self.entries)
        if wrong := {unit: total for unit, total in sums.items() if total != 0}:
            raise Unbalanced(f"{self.ref}: {wrong}")


@dataclass(frozen=True, slots=True)
class Allocation:
    """The signed part of a fill that belongs to one strategy, and its share of the fee.

    A fee may be paid out of a holding (`core.trading.in_kind`): then `fee` is what it was worth, `fee_paid` the share
    as the venue took it, and `spent` the units that this strategy gave. `quantity` is without them.
    """

    strategy: str
    quantity: Decimal
    fee: Decimal
    fee_paid: Decimal | None = None
    spent: Decimal = ZERO


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
    settlement: Settlement = Settlement.FULL

    @property
    def unit_price(self) -> Decimal:
        """The money of one unit."""
        return EXACT.multiply(self.price, self.multiplier)


def sums_by_unit(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """The sum of amounts by unit, exactly."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    with localcontext(EXACT):
        for unit, amount in amounts:
            sums[unit] += amount
    return sums


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
    margined = instrument.settlement is Settlement.MARGINED
    entries = (
        Entry(f"position/{account}/{strategy}/{symbol}", symbol, quantity),
        Entry(f"venue/{account}", symbol, -quantity),
        Entry(f"cost/{account}/{strategy}/{symbol}", currency, cost),
        Entry(f"margin/{account}/{symbol}" if margined else f"deposits/{account}", currency, -cost),
    )
    return Posting(opening_ref(account, symbol), "deposit", entries)


def opening_ref(account: str, symbol: str) -> str:
    """What the ledger knows an adopted position by."""
    return f"opening:{account}:position:{symbol}"


def sale_ref(fill_ref: str) -> str:
    """What the ledger knows the sale by that pays the fee of a fill out of the holding of another instrument."""
    return f"spent:{fill_ref}"


def fill_posting(fill: FillFacts, balances: Balances) -> Posting:
    """The posting of one fill for all strategies that share it; strategies may trade with each other in it."""
    entries: list[Entry] = []
    for part in fill.allocations:
        entries.extend(_trade_entries(fill, part, balances))
        entries.extend(fee_entries(fill, part))
    entries.extend(_venue_entries(fill, balances))
    return Posting(fill.ref, "fill", solid(entries))


def fee_posting(fill: FillFacts) -> Posting:
    """The fee of a fill that is in the ledger without one, told later."""
    entries = [entry for part in fill.allocations for entry in fee_entries(fill, part)]
    return Posting(f"fee:{fill.ref}", "fee", solid(entries))


def solid(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """`entries` without those of nothing."""
    return tuple(entry for entry in entries if entry.amount != 0)


def fee_entries(fill: FillFacts, part: Allocation) -> Iterable[Entry]:
    """The fee of one part, in its own currency."""
    yield Entry(f"cash/{fill.account}", fill.fee_currency, -part.fee)
    yield Entry(f"fees/{fill.account}/{part.strategy}/{fill.symbol}", fill.fee_currency, part.fee)


def _trade_entries(fill: FillFacts, part: Allocation, balances: Balances) -> Iterable[Entry]:
    """What one strategy holds, what it cost, and what was realised."""
    where = f"{fill.account}/{part.strategy}/{fill.symbol}"
    held = balances.get((f"position/{where}", fill.symbol), ZERO)
    cost = balances.get((f"cost/{where}", fill.currency), ZERO)
    change = cost_change(held, cost, part.quantity, fill.unit_price)
    yield Entry(f"position/{where}", fill.symbol, part.quantity)
    yield Entry(f"cost/{where}", fill.currency, change)
    with localcontext(EXACT):
        yield Entry(f"realised/{where}", fill.currency, part.quantity * fill.unit_price - change)


def _venue_entries(fill: FillFacts, balances: Balances) -> Iterable[Entry]:
    """What the account's net position and cash at the venue do."""
    venue, margin = f"venue/{fill.account}", f"margin/{fill.account}/{fill.symbol}"
    with localcontext(EXACT):
        net = sum((part.quantity for part in fill.allocations), ZERO)
        paid, carried_by_venue = net * fill.unit_price, ZERO
        if fill.settlement is Settlement.MARGINED and net:
            held = -balances.get((venue, fill.symbol), ZERO)
            cost = -balances.get((margin, fill.currency), ZERO)
            carried_by_venue = cost_change(held, cost, net, fill.unit_price)
        yield Entry(venue, fill.symbol, -net)
        yield Entry(margin, fill.currency, -carried_by_venue)
        yield Entry(f"cash/{fill.account}", fill.currency, carried_by_venue - paid)


def cost_change(held: Decimal, cost: Decimal, traded: Decimal, unit_price: Decimal) -> Decimal:
    """How the cost of the open position changes when `traded` units are added to `held`."""
    with localcontext(EXACT):
        if held == 0 or (held > 0) == (traded > 0):
            return traded * unit_price
        closed = min(abs(traded), abs(held))
        if closed == abs(held):
            return (traded + held) * unit_price - cost
    with localcontext(ROUNDING):
        return -(cost * closed / abs(held)).quantize(COST_STEP, rounding=ROUND_HALF_EVEN)
