"""Cash that differs because the venue rounds what we keep exactly: booked as what it is, never left to grow unseen.

A venue says to what it rounds its balances (`AccountInfo.steps`); where it does not, they are exact. Each trade may
round once. What all of it has come to in a currency is one balance of the ledger, and is bounded: rounding goes both
ways, so what adds up is something else, and is drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from brokers.account import AccountInfo
from brokers.money import ZERO
from core.clock import Clock
from core.store.history import extent
from core.trading.books import Books
from core.trading.ledger import EXACT, EXTERNAL, Entry, Posting
from core.trading.reconcile import Drift

# How many roundings one comparison may find, and how many steps all of them may come to.
_MOST_AT_ONCE = 100
_MOST_IN_ALL = 1000


class Rounding:
    """The differences of one account that are the venue's rounding."""

    def __init__(self, books: Books, clock: Clock) -> None:
        self._books = books
        self._clock = clock
        self._seen: int | None = None

    async def settle(self, drifts: Sequence[Drift], info: AccountInfo) -> list[Drift]:
        """Book what is rounding; what is left is drift."""
        left = []
        newest = (await extent()).transaction if drifts or self._seen is None else self._seen
        trades = _MOST_AT_ONCE if self._seen is None else newest - self._seen + 1
        for drift in drifts:
            step = info.steps.get(drift.what) if drift.is_cash else None
            if step is None or not self._is_rounding(drift, step, min(trades, _MOST_AT_ONCE)):
                left.append(drift)
            else:
                await self._book(drift, newest)
        self._seen = newest
        return left

    def _is_rounding(self, drift: Drift, step: Decimal, trades: int) -> bool:
        difference = EXACT.subtract(drift.theirs, drift.ours)
        account = self._books.portfolio.account
        so_far = -self._books.portfolio.balances.get((_path(account), drift.what), ZERO)
        return abs(difference) <= step * trades and abs(EXACT.add(so_far, difference)) <= step * _MOST_IN_ALL

    async def _book(self, drift: Drift, number: int) -> None:
        account, difference = self._books.portfolio.account, EXACT.subtract(drift.theirs, drift.ours)
        entries = (
            Entry(f"cash/{account}", drift.what, difference),
            Entry(_path(account), drift.what, -difference),
        )
        posting = Posting(f"rounding:{account}:{drift.what}:{number}", "rounding", entries)
        async with self._books.lock, self._books.page() as page:
            await page.post(posting, self._clock.now())


def _path(account: str) -> str:
    return f"other/{account}/{EXTERNAL}/rounding"
