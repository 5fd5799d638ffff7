"""What a lot has cost by all its trades, in their order: played again from the last moment at which it was flat.

So a correction costs as much work as the lot has had trades since then, however long the history is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal, localcontext
from itertools import groupby

from brokers.money import ZERO
from core.store import allocations
from core.store import ledger as ledger_store
from core.store.models import AllocationRow
from core.trading.ledger import EXACT, Balances, FillFacts, cost_change, opening_ref
from core.trading.restatement import NET, Change

Trade = tuple[Decimal, Decimal]  # signed units, money of one unit


class HistoryIncompleteError(Exception):
    """The stored trades of a lot do not add up to what it holds: a bug, and it must stop everything."""


def cost_of(trades: Iterable[Trade], held: Decimal = ZERO, cost: Decimal = ZERO) -> Decimal:
    """The cost of what is held after `trades` in order, beginning with `held` units for `cost`."""
    with localcontext(EXACT):
        for quantity, unit_price in trades:
            cost += cost_change(held, cost, quantity, unit_price)
            held += quantity
    return cost


async def costs_after(change: Change, balances: Balances, since: datetime) -> Mapping[str, Decimal]:
    """The right cost of each of the change's lots, where the changed trade is one of time `since`."""
    search = _Search(change, balances, await allocations.since(change.facts.account, change.facts.symbol, since))
    async with aclosing(allocations.moments_before(change.facts.account, change.facts.symbol, since)) as moments:
        while search.open_lots and (moment := await anext(moments, None)) is not None:
            search.go_back(moment)
    if search.open_lots:
        await search.begin_at_opening()
    return search.costs


class _Search:
    """Goes back in time, lot by lot, until each was flat."""

    def __init__(self, change: Change, balances: Balances, rows: list[AllocationRow]) -> None:
        self._change = change
        self._facts = change.facts
        self._rows = rows
        self.costs: dict[str, Decimal] = {}
        self.open_lots = {lot: self._held_before(lot, balances) for lot in change.lots}
        self._settle()

    def _held_before(self, lot: str, balances: Balances) -> Decimal:
        """The balances hold the old trade and not the new one; the rows are the other way round."""
        facts = self._facts
        path = f"position/{facts.account}/{lot}/{facts.symbol}" if lot else f"venue/{facts.account}"
        held = balances.get((path, facts.symbol), ZERO) * (1 if lot else -1)
        with localcontext(EXACT):
            return held + self._change.moved(lot)[0] - _units(lot, self._rows)

    def go_back(self, moment: list[AllocationRow]) -> None:
        """Take in the trades of an earlier moment."""
        self._rows[:0] = moment
        with localcontext(EXACT):
            for lot in self.open_lots:
                self.open_lots[lot] -= _units(lot, moment)
        self._settle()

    def _settle(self) -> None:
        """The cost of lots that were flat before the first of the rows."""
        for lot in [lot for lot, held in self.open_lots.items() if not held]:
            self.costs[lot] = cost_of(self._trades(lot))
            del self.open_lots[lot]

    async def begin_at_opening(self) -> None:
        """What was never flat began with a position that was there before us."""
        facts = self._facts
        opening = await ledger_store.amounts_of(opening_ref(facts.account, facts.symbol))
        for lot, held in self.open_lots.items():
            where = f"{facts.account}/{lot}/{facts.symbol}"
            units = opening.get((f"position/{where}" if lot else f"venue/{facts.account}", facts.symbol), ZERO)
            cost = opening.get((f"cost/{where}" if lot else f"margin/{facts.account}/{facts.symbol}", facts.currency))
            sign = 1 if lot else -1
            if cost is None or units * sign != held:
                raise HistoryIncompleteError(f"{lot or 'net'} {facts.symbol}: {held} units before the first trade")
            self.costs[lot] = cost_of(self._trades(lot), held, cost * sign)

    def _trades(self, lot: str) -> list[Trade]:
        mine = [row for row in self._rows if lot in (NET, row.strategy)]
        return net_trades(mine, self._facts) if lot == NET else [_trade(row, self._facts) for row in mine]


def net_trades(rows: Iterable[AllocationRow], facts: FillFacts) -> list[Trade]:
    """Each fill as the venue has it; what strategies trade with each other is nothing there."""
    fills = [list(fill) for _, fill in groupby(rows, key=lambda row: row.fill_ref)]
    found = [(_units(NET, fill), _trade(fill[0], facts)[1]) for fill in fills]
    return [(units, unit_price) for units, unit_price in found if units]


def _trade(row: AllocationRow, facts: FillFacts) -> Trade:
    multiplier = facts.multiplier if row.multiplier is None else row.multiplier
    return row.quantity, EXACT.multiply(row.price, multiplier)


def _units(lot: str, rows: Iterable[AllocationRow]) -> Decimal:
    with localcontext(EXACT):
        return sum((row.quantity for row in rows if lot in (NET, row.strategy)), ZERO)
