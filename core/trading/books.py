"""The books of one account: the only writer of its ledger, one page at a time.

A posting depends on the balances before it, so whoever posts holds the lock from reading to believing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from core.clock import Clock
from core.store import ledger as ledger_store
from core.store.database import transaction
from core.trading.ledger import Entry, FillFacts, Posting, carried, fill_posting
from core.trading.portfolio import Portfolio


class Page:
    """Postings of one transaction. They count for each other at once, and for everyone after the commit."""

    def __init__(self, portfolio: Portfolio, clock: Clock) -> None:
        self._balances = dict(portfolio.balances)
        self._clock = clock
        self.entries: list[Entry] = []

    async def post_trade(self, facts: FillFacts, at: datetime) -> None:
        """Add a fill, or a trade between strategies."""
        await self.post(fill_posting(facts, self._balances), at)

    async def post(self, posting: Posting, at: datetime) -> None:
        """Add a posting that happened `at`. A second one with the same ref raises."""
        await ledger_store.post(posting, self._balances, at, self._clock.now())
        self._balances.update(carried(self._balances, posting.entries))
        self.entries += posting.entries


class Books:
    """The ledger of one account on disk and, after each commit, in memory."""

    def __init__(self, portfolio: Portfolio, clock: Clock) -> None:
        self.portfolio = portfolio
        self.lock = asyncio.Lock()
        self._clock = clock

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """One transaction: all that is written inside is committed and believed together, or not at all.

        Hold `lock` around it.
        """
        assert self.lock.locked(), "the books are written under their lock"
        page = Page(self.portfolio, self._clock)
        async with transaction():
            yield page
        self.portfolio.apply(page.entries)
