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

Cost is average cost; a flip is a close and an open at the same price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from brokers.money import ZERO

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


def deposit(account: str, currency: str, amount: Decimal, ref: str) -> Posting:
    """Money paid in (or out, if negative)."""
    return Posting(
        ref,
        "deposit",
        (Entry(f"cash/{account}", currency, amount), Entry(f"deposits/{account}", currency, -amount)),
    )


def fill_posting(fill: FillFacts, balances: Balances) -> Posting:
    """The posting of one fill for all strategies that share it; strategies may trade with each other in it."""
    entries: list[Entry] = []
    for part in fill.allocations:
        entries.extend(_trade_entries(fill, part, balances))
        if part.fee != 0:
            entries.append(Entry(f"cash/{fill.account}", fill.fee_currency, -part.fee))
            entries.append(Entry(f"fees/{fill.account}/{part.strategy}/{fill.symbol}", fill.fee_currency, part.fee))
    return Posting(fill.ref, "fill", tuple(entry for entry in entries if entry.amount != 0))


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
    return -(cost * closed / abs(held)).quantize(COST_STEP, rounding=ROUND_HALF_EVEN)


def share(
    total: Decimal, parts: Mapping[str, Decimal], lot: Decimal, fraction: tuple[Decimal, Decimal]
) -> dict[str, Decimal]:
    """The cumulative signed part of each strategy when `fraction` = (filled, ordered) of an order has filled.

    `parts` are the strategies' signed parts of the whole order and sum to `total` signed. Parts are rounded
    to whole lots, the largest part takes the remainder, so that they always sum to the signed filled quantity;
    when all is filled each has exactly its part.
    """
    filled, ordered = fraction
    sign = 1 if total > 0 else -1
    if filled >= ordered:
        return _with_excess(dict(parts), sign * (filled - ordered))
    shares = {
        name: (part * filled / ordered / lot).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * lot
        for name, part in parts.items()
    }
    return _with_excess(shares, sign * filled - sum(shares.values(), ZERO), parts)


def _with_excess(
    shares: dict[str, Decimal], excess: Decimal, parts: Mapping[str, Decimal] | None = None
) -> dict[str, Decimal]:
    """Give what rounding left over (or what the venue overfilled) to the largest part in name order."""
    if excess != 0:
        weights = parts or shares
        largest = max(sorted(weights), key=lambda name: abs(weights[name]))
        shares[largest] += excess
    return shares


def fee_shares(fee: Decimal, parts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """`fee` divided in proportion to the size of each part, exactly: the last in name order takes the rest."""
    total = sum((abs(part) for part in parts.values()), ZERO)
    shares: dict[str, Decimal] = {}
    left = fee
    names = sorted(parts)
    for name in names[:-1]:
        shares[name] = (fee * abs(parts[name]) / total).quantize(COST_STEP) if total else ZERO
        left -= shares[name]
    shares[names[-1]] = left
    return shares
