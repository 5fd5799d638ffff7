"""Trades that are corrected, declared void, or told too late: what the books must change to be as if never wrong.

Entries are never changed: the posting is the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from brokers.instrument import Settlement
from brokers.money import ZERO
from core.trading.ledger import (
    EXACT,
    Balances,
    Entry,
    FillFacts,
    Posting,
    fee_entries,
    solid,
)

# The account's net position beside the lots of its strategies, whose names are never empty.
NET = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One fill that takes the place of another in the books; either may be nothing."""

    old: FillFacts | None
    new: FillFacts | None

    @property
    def facts(self) -> FillFacts:
        """The one that is there: both are of the same instrument and account."""
        found = self.new or self.old
        assert found is not None, "a change from nothing to nothing"
        return found

    @property
    def strategies(self) -> Sequence[str]:
        """Whose lots it changes."""
        return sorted({part.strategy for each in (self.old, self.new) if each for part in each.allocations})

    @property
    def lots(self) -> Sequence[str]:
        """What has a cost that it changes: the strategies' lots, and for MARGINED instruments the net position."""
        margined = self.facts.settlement is Settlement.MARGINED
        return (*self.strategies, NET) if margined else self.strategies

    def moved(self, strategy: str = NET) -> tuple[Decimal, Decimal]:
        """By how much (units, money paid for them) it differs: for one strategy, or in all."""
        units = money = ZERO
        with localcontext(EXACT):
            for facts, sign in ((self.old, -1), (self.new, 1)):
                for part in facts.allocations if facts else ():
                    if facts and strategy in (NET, part.strategy):
                        units += sign * part.quantity
                        money += sign * part.quantity * facts.unit_price
        return units, money


def restatement(ref: str, kind: str, change: Change, balances: Balances, costs: Mapping[str, Decimal]) -> Posting:
    """The difference that `change` makes. `costs` are the right costs of every lot in `change.lots` after it."""
    entries: list[Entry] = []
    for strategy in change.strategies:
        entries.extend(_lot_entries(change, strategy, balances, costs[strategy]))
    entries.extend(_venue_entries(change, balances, costs.get(NET)))
    entries.extend(_fee_differences(change))
    return Posting(ref, kind, solid(entries))


def _lot_entries(change: Change, strategy: str, balances: Balances, cost: Decimal) -> Iterable[Entry]:
    facts = change.facts
    where = f"{facts.account}/{strategy}/{facts.symbol}"
    units, money = change.moved(strategy)
    with localcontext(EXACT):
        rise = cost - balances.get((f"cost/{where}", facts.currency), ZERO)
        yield Entry(f"position/{where}", facts.symbol, units)
        yield Entry(f"cost/{where}", facts.currency, rise)
        yield Entry(f"realised/{where}", facts.currency, money - rise)


def _venue_entries(change: Change, balances: Balances, net_cost: Decimal | None) -> Iterable[Entry]:
    facts = change.facts
    margin = f"margin/{facts.account}/{facts.symbol}"
    units, money = change.moved()
    with localcontext(EXACT):
        rise = ZERO if net_cost is None else net_cost + balances.get((margin, facts.currency), ZERO)
        yield Entry(f"venue/{facts.account}", facts.symbol, -units)
        yield Entry(margin, facts.currency, -rise)
        yield Entry(f"cash/{facts.account}", facts.currency, rise - money)


def _fee_differences(change: Change) -> Iterable[Entry]:
    for facts, sign in ((change.old, -1), (change.new, 1)):
        for part in facts.allocations if facts else ():
            assert facts is not None
            yield from fee_entries(facts, replace(part, fee=sign * part.fee))
