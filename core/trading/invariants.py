"""What must always be true of the books, each with a name and a sentence. Pure: whoever asks brings the facts.

Asserted after every event in the tests; in production by the `books` job, see `core.trading.inspection`, which
halts on a violation. That books and venue agree is the work of reconciliation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from brokers.account import Balance
from brokers.money import ZERO
from core.trading.ledger import EXACT, Balances, Entry, sums_by_unit
from core.trading.portfolio import Portfolio
from core.trading.profit import profit_by_currency

SENTENCES = {
    "BALANCED": "The entries of every posting sum to zero in each unit.",
    "CLOSED": "All accounts together sum to zero in each unit.",
    "POSITIONS": "A position is the sum of its trades, and cash is what was paid in and out.",
    "FILLED": "What an order has filled is the sum of its fills.",
    "PROFIT": "Profit is what equity has gained on what was paid in, in each currency.",
    "FLAT": "What is flat has no cost, and has realised exactly what it received less what it paid.",
    "COST": "The cost of a position has the sign of the position: what is turned round is closed and opened anew.",
    "REPLAY": "The history played again gives the books, byte for byte.",
    "FEES": "Fees are in what they were paid in, or what it was worth, add up to those of the fills; none is a guess.",
    "FREE": "What a venue says we have is what is locked and what is free.",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that does not hold, and where."""

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {SENTENCES[self.name]} Not so: {self.detail}"


def check_posting(ref: str, entries: Iterable[Entry]) -> Iterator[Violation]:
    """BALANCED, for one posting as it is stored."""
    for unit, total in sums_by_unit((entry.unit, entry.amount) for entry in entries).items():
        if total:
            yield Violation("BALANCED", f"{ref} has {total} {unit} left over")


def check_balances(balances: Balances) -> Iterator[Violation]:
    """CLOSED and COST, for all balances of the ledger; and no amount that is not a number."""
    broken = [key for key, amount in balances.items() if not amount.is_finite()]
    if broken:
        yield Violation("CLOSED", f"{broken[0][0]} holds {balances[broken[0]]} {broken[0][1]}")
        return
    for unit, total in sums_by_unit((unit, amount) for (_, unit), amount in balances.items()).items():
        if total:
            yield Violation("CLOSED", f"{total} {unit} too many")
    yield from _check_costs(balances)


def _check_costs(balances: Balances) -> Iterator[Violation]:
    for (path, unit), cost in balances.items():
        if path.startswith("cost/"):
            where = path.removeprefix("cost/")
            held = balances.get((f"position/{where}", where.split("/", 2)[2]), ZERO)
            yield from _check_cost(where, held, cost, unit)
        elif path.startswith("margin/"):
            account, symbol = path.removeprefix("margin/").split("/", 1)
            held = -balances.get((f"venue/{account}", symbol), ZERO)
            yield from _check_cost(f"net {symbol}", held, -cost, unit)


def _check_cost(where: str, held: Decimal, cost: Decimal, unit: str) -> Iterator[Violation]:
    if not held and cost:
        yield Violation("FLAT", f"{where} is flat and has cost {cost} {unit}")
    elif held * cost < 0:
        yield Violation("COST", f"{where} holds {held} for {cost} {unit}")


def check_profit(portfolio: Portfolio) -> Iterator[Violation]:
    """PROFIT, by currency and so without any rate of exchange. Nothing is said while a mark is missing."""
    worth = portfolio.worth()
    if worth is None:
        return
    gained = defaultdict(Decimal, worth)
    path = f"deposits/{portfolio.account}"
    with localcontext(EXACT):
        for (each, unit), amount in portfolio.balances.items():
            if each == path:
                gained[unit] += amount
        for strategy in portfolio.strategies:
            for unit, profit in profit_by_currency(portfolio, strategy).items():
                if profit.net is None:  # strategies that hold against each other need a mark, the account does not
                    return
                gained[unit] -= profit.net
    for unit, difference in gained.items():
        if difference:
            yield Violation("PROFIT", f"equity has gained {difference} {unit} more than all strategies")


def check_same(name: str, ours: Balances, theirs: Balances, what: str) -> Iterator[Violation]:
    """Two accounts of the same thing; the first difference in order of name."""
    for key in sorted({*ours, *theirs}):
        one, other = ours.get(key, ZERO), theirs.get(key, ZERO)
        if one != other:
            yield Violation(name, f"{key[0]} {key[1]}: {one} in the books, {other} {what}")
            return


def check_order(order_id: str, filled: Decimal, fills: Iterable[Decimal]) -> Iterator[Violation]:
    """FILLED, for one order and the quantities of its fills that count."""
    with localcontext(EXACT):
        total = sum(fills, ZERO)
    if total != filled:
        yield Violation("FILLED", f"order {order_id} has {filled} filled, its fills are {total}")


def check_free(balances: Mapping[str, Balance]) -> Iterator[Violation]:
    """FREE, for a venue's word on one account."""
    for currency, balance in balances.items():
        parts = (balance.total, balance.locked, balance.free)
        if not all(part.is_finite() for part in parts) or balance.locked < 0:
            yield Violation("FREE", f"{currency}: {balance.total} in all, {balance.locked} locked, {balance.free} free")
        elif EXACT.add(balance.locked, balance.free) != balance.total:
            yield Violation("FREE", f"{currency}: {balance.total} is not {balance.locked} and {balance.free}")


def check_books(portfolio: Portfolio) -> Iterator[Violation]:
    """All that one portfolio can say of itself."""
    yield from check_balances(portfolio.balances)
    yield from check_profit(portfolio)
