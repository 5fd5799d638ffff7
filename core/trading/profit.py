"""Profit and loss by strategy, from the ledger's balances and the marks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.money import ZERO
from core.trading.portfolio import Portfolio


@dataclass(frozen=True, slots=True)
class Profit:
    """In the account's currency. `unrealised` counts a position without a mark as zero."""

    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Realised plus unrealised minus fees."""
        return self.realised + self.unrealised - self.fees

    def __add__(self, other: Profit) -> Profit:
        return Profit(self.realised + other.realised, self.unrealised + other.unrealised, self.fees + other.fees)


def profits(portfolio: Portfolio) -> dict[str, Profit]:
    """The profit of every strategy that ever traded."""
    found: dict[str, Profit] = {}
    for strategy, lot in portfolio.lots():
        mark = portfolio.marks.get(lot.instrument.symbol)
        one = Profit(lot.realised, lot.unrealised(mark) or ZERO, lot.fees)
        found[strategy] = found.get(strategy, Profit()) + one
    return found


def profit_of(portfolio: Portfolio, strategy: str) -> Profit:
    """The profit of one strategy; nothing if it never traded."""
    return profits(portfolio).get(strategy, Profit())
