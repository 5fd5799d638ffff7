"""Profit and loss of a period, from the ledger's entries by their time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from core.store.control import last_equity
from core.store.history import entries_since
from core.trading.portfolio import RESULTS, Portfolio
from core.trading.profit import Profit, converted, profit_of, result


async def taken_since(portfolio: Portfolio, since: datetime) -> dict[tuple[str, str], Profit]:
    """What each (strategy, symbol) has realised, paid and received since a moment, without what is still open.

    In the account's currency, at today's rates. What was corrected since counts when it was corrected.
    """
    sums: dict[tuple[str, str, str], Profit] = defaultdict(Profit)
    async for entry in entries_since(since):
        kind, account, *where = entry.account.split("/", 3)
        if kind in RESULTS and account == portfolio.account:
            sums[where[0], where[1], entry.unit] += result(kind, entry.amount)
    found: dict[tuple[str, str], Profit] = defaultdict(Profit)
    for (strategy, symbol, currency), profit in sums.items():
        found[strategy, symbol] += converted(portfolio, currency, profit)
    return dict(found)


async def profits_since(portfolio: Portfolio, since: datetime, elsewhere: Collection[str] = ()) -> Mapping[str, Profit]:
    """The profit of everyone since a moment; `unrealised` is by how much what is open has changed.

    It is found from the net profit that was noted at that moment; who had none noted yet began at nothing. For those
    who trade `elsewhere` by now it is noted there: here they are flat, and have what they took.
    """
    taken: dict[str, Profit] = defaultdict(Profit)
    for (strategy, _), profit in (await taken_since(portfolio, since)).items():
        taken[strategy] += profit
    return {
        name: taken[name] if name in elsewhere else await _with_change(portfolio, name, taken[name], since)
        for name in portfolio.strategies
    }


async def _with_change(portfolio: Portfolio, strategy: str, taken: Profit, since: datetime) -> Profit:
    now, then = profit_of(portfolio, strategy).net, await last_equity(strategy, since)
    if now is None or taken.net is None:
        return replace(taken, unrealised=None)
    return replace(taken, unrealised=now - (then or Decimal(0)) - taken.net)
