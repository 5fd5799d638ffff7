"""The books of one account: the only writer of its ledger, one page at a time.

A posting depends on the balances before it, so whoever posts holds the lock from reading to believing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.account import CashFlow
from brokers.money import ZERO
from core.clock import Clock
from core.store import allocations
from core.store import ledger as ledger_store
from core.store.database import transaction
from core.store.goals import shift_goals
from core.store.models import AllocationRow
from core.trading.flows import flow_posting, flow_ref
from core.trading.ledger import EXACT, Allocation, Entry, FillFacts, Posting, carried, fill_posting
from core.trading.lot_costs import costs_after
from core.trading.portfolio import Portfolio
from core.trading.restatement import Change, restatement


class UnknownTradeError(Exception):
    """A trade that is to be corrected is not in the books: it was never there, or is corrected already."""


class Page:
    """Postings of one transaction. They count for each other at once, and for everyone after the commit."""

    def __init__(self, portfolio: Portfolio, clock: Clock, latest: dict[str, datetime]) -> None:
        self._portfolio = portfolio
        self._balances = dict(portfolio.balances)
        self._clock = clock
        self._latest = latest
        self.entries: list[Entry] = []
        self.spent: dict[tuple[str, str], Decimal] = {}

    @property
    def portfolio(self) -> Portfolio:
        """The account as it was before this page."""
        return self._portfolio

    def held(self, symbol: str) -> dict[str, Decimal]:
        """What each strategy has of a symbol by now."""
        start = f"position/{self._portfolio.account}/"
        mine = ((path, units) for (path, unit), units in self._balances.items() if unit == symbol)
        return {path.removeprefix(start).split("/")[0]: units for path, units in mine if path.startswith(start)}

    async def post_trade(self, facts: FillFacts, at: datetime) -> None:
        """Add a fill, or a trade between strategies, and store its parts.

        One that is older than what is in the books counts as if it had come in time.
        """
        await allocations.put(facts, at)
        self._spend(facts)
        if await self._is_late(facts.symbol, at):
            await self._restate(facts.ref, "fill", Change(None, facts), at, at)
        else:
            await self.post(fill_posting(facts, self._balances), at)

    async def pay_out_of_holding(self, facts: FillFacts, at: datetime) -> None:
        """The fee of a fill that is in the books without one was paid out of its own holding; `facts` are right."""
        rows = await allocations.parts_of(self._portfolio.account, facts.ref)
        if not rows:
            raise UnknownTradeError(facts.ref)
        old = self._facts(rows)
        await allocations.put(facts, rows[0].at, min(row.place or row.id for row in rows))
        self._spend(old, -1)
        self._spend(facts)
        await self._restate(f"fee:{facts.ref}", "fee", Change(old, facts), at, rows[0].at)

    async def replace_trade(self, old_ref: str, facts: FillFacts | None, at: datetime) -> None:
        """A venue has corrected the trade `old_ref` to `facts`, or declared it void (None), at time `at`.

        Stores the parts of the new one too, in the place of the old. Cost, profit, fees and cash are afterwards as
        if the old one had never been; fees of the old one are taken back. Raises `UnknownTradeError`.
        """
        rows = await allocations.parts_of(self._portfolio.account, old_ref)
        if not rows:
            raise UnknownTradeError(old_ref)
        ref = facts.ref if facts else f"bust:{old_ref}"
        await allocations.replace(old_ref, ref)
        if facts is not None:
            await allocations.put(facts, rows[0].at, min(row.place or row.id for row in rows))
        change = Change(self._facts(rows), facts)
        self._spend(change.old, -1)
        self._spend(facts)
        await self._restate(ref, "correction" if facts else "bust", change, at, rows[0].at, corrects=old_ref)

    def _spend(self, facts: FillFacts | None, sign: int = 1) -> None:
        """Remember what holdings gave for fees: nobody wishes that back."""
        for part in facts.allocations if facts else ():
            if facts and part.spent:
                key = (part.strategy, facts.symbol)
                self.spent[key] = EXACT.add(self.spent.get(key, ZERO), sign * part.spent)

    def let_go(self, facts: FillFacts) -> None:
        """Units that somebody has taken away without an order of ours: they are not bought back either."""
        for part in facts.allocations:
            if part.quantity < 0:
                key = (part.strategy, facts.symbol)
                self.spent[key] = EXACT.subtract(self.spent.get(key, ZERO), part.quantity)

    def lose(self, facts: FillFacts) -> None:
        """Units that holders on either side have no more: they do not trade for them again."""
        for part in facts.allocations:
            key = (part.strategy, facts.symbol)
            self.spent[key] = EXACT.subtract(self.spent.get(key, ZERO), part.quantity)

    async def post_flow(self, flow: CashFlow, at: datetime) -> bool:
        """Add money that came or went without a trade; False if it is in the books already."""
        if await ledger_store.is_posted(flow_ref(self._portfolio.account, flow)):
            return False
        held = await self._held_at(flow.symbol, flow.at) if flow.symbol else {}
        await self.post(flow_posting(self._portfolio.account, flow, held), at)
        return True

    async def post(self, posting: Posting, at: datetime, *, corrects: str = "") -> None:
        """Add a posting that happened `at`. A second one with the same ref raises."""
        await ledger_store.post(posting, self._balances, at, self._clock.now(), corrects=corrects)
        self._balances.update(carried(self._balances, posting.entries))
        self.entries += posting.entries

    # --- trades out of turn ------------------------------------------------------------------------

    async def _is_late(self, symbol: str, at: datetime) -> bool:
        known = self._latest.get(symbol) or await allocations.latest(self._portfolio.account, symbol) or at
        self._latest[symbol] = max(known, at)
        return at < known

    async def _restate(
        self, ref: str, kind: str, change: Change, at: datetime, since: datetime, *, corrects: str = ""
    ) -> None:
        """Post what `change` of a trade at time `since` makes different."""
        costs = await costs_after(change, self._balances, since)
        await self.post(restatement(ref, kind, change, self._balances, costs), at, corrects=corrects)

    def _facts(self, rows: Sequence[AllocationRow]) -> FillFacts:
        """A fill as it was written down."""
        first, instrument = rows[0], self._portfolio.instrument(rows[0].symbol)
        return FillFacts(
            ref=first.fill_ref,
            account=first.account,
            symbol=first.symbol,
            price=first.price,
            multiplier=instrument.multiplier if first.multiplier is None else first.multiplier,
            currency=instrument.currency,
            fee_currency=first.fee_currency or instrument.currency,
            allocations=tuple(
                Allocation(row.strategy, row.quantity, row.fee, row.fee_paid, row.spent or ZERO) for row in rows
            ),
            settlement=instrument.settlement,
        )

    async def _held_at(self, symbol: str, at: datetime) -> dict[str, Decimal]:
        """The signed units that each strategy had just before `at`."""
        held = {strategy: lot.quantity for strategy, lot in self._portfolio.lots(symbol)}
        with localcontext(EXACT):
            for row in await allocations.since(self._portfolio.account, symbol, at):
                held[row.strategy] = held.get(row.strategy, ZERO) - row.quantity
        return held


class Books:
    """The ledger of one account on disk and, after each commit, in memory."""

    def __init__(self, portfolio: Portfolio, clock: Clock) -> None:
        self.portfolio = portfolio
        self.lock = asyncio.Lock()
        self._clock = clock
        self._latest: dict[str, datetime] = {}

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """One transaction: all that is written inside is committed and believed together, or not at all.

        Hold `lock` around it.
        """
        assert self.lock.locked(), "the books are written under their lock"
        page = Page(self.portfolio, self._clock, self._latest)
        async with transaction():
            yield page
            await shift_goals(self.portfolio.account, page.spent)
        self.portfolio.apply(page.entries)
        self.portfolio.spend(page.spent)
