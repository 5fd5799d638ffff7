"""Profit and loss by strategy, from the ledger's balances and the marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from brokers.money import ZERO
from core.trading.ledger import EXACT
from core.trading.portfolio import Portfolio


@dataclass(frozen=True, slots=True)
class Profit:
    """In one currency. `income` is funding, interest, dividends and the like: below zero where we paid.

    A figure is None while a mark or a rate of exchange that it needs is unknown.
    """

    realised: Decimal | None = ZERO
    unrealised: Decimal | None = ZERO
    fees: Decimal | None = ZERO
    income: Decimal | None = ZERO

    @property
    def net(self) -> Decimal | None:
        """Realised plus unrealised plus income minus fees."""
        if self.realised is None or self.unrealised is None or self.fees is None or self.income is None:
            return None
        with localcontext(EXACT):
            return self.realised + self.unrealised + self.income - self.fees

    def __add__(self, other: Profit) -> Profit:
        return Profit(
            _sum(self.realised, other.realised),
            _sum(self.unrealised, other.unrealised),
            _sum(self.fees, other.fees),
            _sum(self.income, other.income),
        )


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else EXACT.add(one, other)


def profits(portfolio: Portfolio) -> dict[str, Profit]:
    """The profit of everyone who ever traded, in the account's currency at today's rates."""
    return {strategy: profit_of(portfolio, strategy) for strategy in portfolio.strategies}


def profit_of(portfolio: Portfolio, strategy: str) -> Profit:
    """The profit of one strategy; nothing if it never traded."""
    by_currency = profit_by_currency(portfolio, strategy)
    return sum((converted(portfolio, currency, each) for currency, each in by_currency.items()), Profit())


def profit_by_currency(portfolio: Portfolio, strategy: str) -> Mapping[str, Profit]:
    """The same before conversion: exact, and by currency equal to what equity has gained in it."""
    found: dict[str, Profit] = defaultdict(Profit)
    for kind, currency, amount in portfolio.results(strategy):
        found[currency] += result(kind, amount)
    for symbol in portfolio.symbols_of(strategy):
        lot = portfolio.lot(strategy, symbol)
        found[lot.instrument.currency] += Profit(unrealised=lot.unrealised(portfolio.marks.get(symbol)))
    return found


def result(kind: str, amount: Decimal) -> Profit:
    """What the balance of a ledger account of this kind says: income is a credit there, fees are a debit."""
    if kind == "fees":
        return Profit(fees=amount)
    return Profit(realised=-amount) if kind == "realised" else Profit(income=-amount)


def converted(portfolio: Portfolio, currency: str, profit: Profit) -> Profit:
    """The same in the account's currency at today's rate; None where that is unknown."""

    def convert(amount: Decimal | None) -> Decimal | None:
        return None if amount is None else portfolio.rates.convert({currency: amount})

    return Profit(*map(convert, (profit.realised, profit.unrealised, profit.fees, profit.income)))
