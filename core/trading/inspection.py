"""Looks whether the books are still true: each minute at what is new, once a day at everything.

What is new is added to sums of our own, and these must be the ledger's balances on the disk and in memory. The
daily look reads all of history, a batch at a time, while trading goes on: it looks at what was there when it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.instrument import Instrument
from core.store import history as rows
from core.store.history import Extent, OrderHistory
from core.store.ledger import load_balances
from core.trading.books import Books
from core.trading.history import order_lines, replayed, solid_balances, state_hash
from core.trading.invariants import Violation, check_balances, check_books, check_order, check_posting, check_same
from core.trading.ledger import Balances, Entry, carried, owner_of

# A look that a correction came in between is worth nothing: so often it is begun again.
_TRIES = 3


class Inspection:
    """The looks at the books of one account while the program runs."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._account = books.portfolio.account
        self._sums: dict[tuple[str, str], Decimal] | None = None
        self._transaction = 0
        self._fill = 0

    async def look(self) -> list[Violation]:
        """Whatever is wrong with what was written since the last look. The first begins with what is there."""
        found: list[Violation] = []
        if self._sums is not None:
            found += await self._catch_up()  # most of it while trading goes on, the rest while it waits
        async with self._books.lock:
            if self._sums is None:
                await self._begin()
            found += await self._catch_up()
            found += await self._compare()
            found += await self._new_fills()
        return found

    async def _begin(self) -> None:
        until = await rows.extent()
        self._sums, self._transaction, self._fill = dict(self._books.portfolio.balances), until.transaction, until.fill

    async def _catch_up(self) -> list[Violation]:
        assert self._sums is not None
        found: list[Violation] = []
        async for posting in rows.postings(after=self._transaction):
            entries = _of(self._account, posting.entries)
            found += check_posting(posting.ref, entries)
            self._sums.update(carried(self._sums, entries))
            self._transaction = posting.id
        return found

    async def _compare(self) -> list[Violation]:
        assert self._sums is not None
        ours = self._books.portfolio.balances
        return [
            *check_same("REPLAY", ours, self._sums, "by the postings"),
            *check_same("REPLAY", ours, await load_balances(self._account), "on the disk"),
            *check_books(self._books.portfolio),
        ]

    async def _new_fills(self) -> list[Violation]:
        found: list[Violation] = []
        while True:
            ids, last = await rows.orders_filled_after(self._account, self._fill)
            if last == self._fill:
                return found
            for order in await rows.these_orders(ids):
                found += check_order(order.id, order.filled, [order.sum_of_fills])
            self._fill = last

    async def look_at_all(self) -> list[Violation]:
        """Whatever is wrong with all of history."""
        portfolio = self._books.portfolio
        for _ in range(_TRIES):
            async with self._books.lock:
                until, balances = await rows.extent(), dict(portfolio.balances)
            history = await replayed(portfolio.account, portfolio.instruments, portfolio.currency, until)
            found = await verify_ledger(portfolio.account, balances, history, until)
            found += await self._doubted(await verify_orders(portfolio.account))
            if not found or not await rows.changes_after(until.transaction):
                return found
        return []

    async def _doubted(self, orders: list[OrderHistory]) -> list[Violation]:
        """An order may have changed while it was read: what looks wrong is looked at again, while nothing moves."""
        if not orders:
            return []
        async with self._books.lock:
            again = await rows.these_orders([order.id for order in orders])
            return [violation for order in again for violation in check_history(order)]


@dataclass(frozen=True, slots=True)
class Verification:
    """All of history looked at while nothing trades; `books` and `history` are hashes of the same state."""

    violations: tuple[Violation, ...]
    books: str
    history: str
    extent: Extent

    @property
    def is_true(self) -> bool:
        """Whether the books are what the history says, to the byte."""
        return not self.violations and self.books == self.history


async def verify(account: str, currency: str, instruments: Mapping[str, Instrument]) -> Verification:
    """Compute all of an account again from the database alone; the first violation names the first difference.

    For an open database and a program that does not trade: `quarterdeck verify`.
    """
    until, balances = await rows.extent(), await load_balances(account)
    history = await replayed(account, instruments, currency, until)
    found = await verify_ledger(account, balances, history, until)
    for order in await verify_orders(account):
        found += check_history(order)
    return Verification(
        tuple(found),
        await state_hash(balances, order_lines(account, from_history=False)),
        await state_hash(history, order_lines(account, from_history=True)),
        until,
    )


async def verify_ledger(account: str, balances: Balances, history: Balances, until: Extent) -> list[Violation]:
    """What in an account's ledger, to `until`, is not as `balances`, the trades or the replayed `history` say."""
    found = list(check_balances(balances))
    sums: dict[tuple[str, str], Decimal] = {}
    async for posting in rows.postings(until=until.transaction):
        entries = _of(account, posting.entries)
        found += check_posting(posting.ref, entries)
        _add(sums, entries)
    found += check_same("REPLAY", balances, sums, "by the postings")
    found += _by_kind(balances, history)
    async for fill in rows.fills_and_parts(account, 0, until.fill):
        if fill.quantity != fill.parts:
            found.append(Violation("POSITIONS", f"fill {fill.fill_id} is {fill.quantity}, its parts are {fill.parts}"))
        if fill.fee != fill.fees:
            found.append(Violation("FEES", f"the fee of fill {fill.fill_id} is {fill.fee}, its parts are {fill.fees}"))
        if fill.owed:
            found.append(Violation("FEES", f"{fill.owed} of the fee of fill {fill.fill_id} left no holding"))
    return found


def _of(account: str, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Those of one account: every account is a ledger of its own, and each must balance."""
    return tuple(entry for entry in entries if owner_of(entry.account) == account)


def _add(sums: dict[tuple[str, str], Decimal], entries: tuple[Entry, ...]) -> None:
    sums.update(carried(sums, entries))


def _by_kind(balances: Balances, history: Balances) -> list[Violation]:
    """The first difference of each kind: positions and cash, fees, and what follows from them."""
    kinds = {"POSITIONS": ("position/", "venue/", "cash/"), "FEES": ("fees/",), "REPLAY": ("",)}
    for name, prefixes in kinds.items():
        ours, theirs = ({key: each[key] for key in each if key[0].startswith(prefixes)} for each in (balances, history))
        if found := list(check_same(name, solid_balances(ours), theirs, "by the history")):
            return found
    return []


async def verify_orders(account: str) -> list[OrderHistory]:
    """The orders of an account that are not as their events and fills say."""
    return [order async for order in rows.orders(account) if list(check_history(order))]


def check_history(order: OrderHistory) -> list[Violation]:
    """FILLED and REPLAY, for one order."""
    found = list(check_order(order.id, order.filled, [order.sum_of_fills]))
    if order.state != order.last_event:
        found.append(Violation("REPLAY", f"order {order.id} is {order.state}, its events end at {order.last_event}"))
    return found
