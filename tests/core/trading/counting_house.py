"""The books alone on a real database: short words for trades, corrections, flows and restarts, and all checks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from brokers.account import CashFlow, FlowKind
from brokers.instrument import AssetClass, Instrument, Settlement
from core.clock import ManualClock
from core.store import allocations
from core.store.database import Database
from core.store.history import extent, postings
from core.store.ledger import load_balances, sums_of_entries
from core.trading.allocation import fee_shares
from core.trading.books import Books
from core.trading.history import order_lines, replayed, solid_balances, state_hash
from core.trading.invariants import Violation, check_books, check_posting, check_same
from core.trading.ledger import Allocation, FillFacts, deposit, fee_posting
from core.trading.portfolio import Portfolio
from tests.databases import database_url

START = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
STOCK = Instrument("ACME", "USD")
COIN = Instrument("BTC/USDT", "USDT", AssetClass.CRYPTO, lot=Decimal("0.00000001"))
PERP = Instrument("BTC-PERP", "USDT", AssetClass.FUTURE, multiplier=Decimal("0.001"), settlement=Settlement.MARGINED)
FUTURE = Instrument("FDAX", "EUR", AssetClass.FUTURE, multiplier=Decimal(25), settlement=Settlement.MARGINED)
OPTION = Instrument("ACME-C100", "USD", AssetClass.OPTION, multiplier=Decimal(100))
EURO = Instrument("EUR/USD", "USD", AssetClass.FX, tick=Decimal("0.00001"))
ALL = {each.symbol: each for each in (STOCK, COIN, PERP, FUTURE, OPTION, EURO)}


def dec(value: object) -> Decimal:
    return Decimal(str(value))


class CountingHouse:
    """One account in USD. `at` counts seconds from the start."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(database_url(folder / "q.sqlite3"), require_durable=False)
        self.clock = ManualClock(START)
        self.facts: dict[str, FillFacts] = {}
        self._build()

    def _build(self) -> None:
        self.portfolio = Portfolio("main", "USD", ALL)
        self.books = Books(self.portfolio, self.clock)

    async def open(self, **deposits: object) -> CountingHouse:
        await self.database.open()
        async with self.books.lock, self.books.page() as page:
            for currency, amount in (deposits or {"USD": 100_000}).items():
                await page.post(deposit("main", currency, dec(amount), f"opening:main:{currency}"), START)
        return self

    async def close(self) -> None:
        await self.database.close()

    async def restart(self) -> None:
        """Memory is lost; the disk stays."""
        marks = dict(self.portfolio.marks)
        self._build()
        self.portfolio.load(await load_balances())
        self.portfolio.marks.update(marks)

    def fill(
        self, ref: str, parts: Mapping[str, object], price: object, symbol: str, fee: object = 0, paid_in: str = ""
    ) -> FillFacts:
        instrument = ALL[symbol]
        shares = {name: dec(part) for name, part in parts.items()}
        fees = fee_shares(dec(fee), shares)
        return FillFacts(
            ref,
            "main",
            symbol,
            dec(price),
            instrument.multiplier,
            instrument.currency,
            paid_in or instrument.currency,
            tuple(Allocation(name, shares[name], fees[name]) for name in sorted(shares)),
            instrument.settlement,
        )

    async def trade(self, ref: str, quantity: object, price: object, symbol: str = "ACME", **more: object) -> None:
        """`quantity` of strategy `who`, or `parts` by strategy, at second `at`."""
        parts = more.pop("parts", None) or {str(more.pop("who", "alpha")): quantity}
        at = self.time(more.pop("at", None))
        facts = self.fill(ref, parts, price, symbol, **more)  # type: ignore[arg-type]
        self.facts[ref] = facts
        async with self.books.lock, self.books.page() as page:
            await page.post_trade(facts, at)

    async def correct(self, old: str, ref: str, quantity: object, price: object, **more: object) -> None:
        """The venue says that `old` was another trade."""
        was = self.facts.pop(old)
        parts = more.pop("parts", None) or {was.allocations[0].strategy: quantity}
        facts = self.fill(ref, parts, price, was.symbol, **more)  # type: ignore[arg-type]
        self.facts[ref] = facts
        async with self.books.lock, self.books.page() as page:
            await page.replace_trade(old, facts, self.clock.now())

    async def bust(self, old: str) -> None:
        del self.facts[old]
        async with self.books.lock, self.books.page() as page:
            await page.replace_trade(old, None, self.clock.now())

    async def tell_fee(self, ref: str, fee: object, paid_in: str = "") -> None:
        """The fee of a fill that had none."""
        was = self.facts[ref]
        parts = {part.strategy: part.quantity for part in was.allocations}
        facts = self.facts[ref] = self.fill(ref, parts, was.price, was.symbol, fee, paid_in)
        async with self.books.lock, self.books.page() as page:
            for part in facts.allocations:
                row = allocations.AllocationRow.filter(fill_ref=ref, strategy=part.strategy)
                await row.update(fee=part.fee, fee_currency=facts.fee_currency)
            await page.post(fee_posting(facts), self.clock.now())

    async def flow(self, number: object, amount: object, kind: FlowKind, currency: str = "USD", **more: object) -> bool:
        at = self.time(more.pop("at", None))
        flow = CashFlow(str(number), kind, currency, dec(amount), at, str(more.get("symbol", "")))
        async with self.books.lock, self.books.page() as page:
            return await page.post_flow(flow, at)

    def time(self, second: object) -> datetime:
        if second is None:
            self.clock.advance(1)
            return self.clock.now()
        return START + timedelta(seconds=float(str(second)))

    def mark(self, **marks: object) -> None:
        names = {symbol.replace("/", "_").replace("-", "_"): symbol for symbol in ALL}
        self.portfolio.marks.update({names[name]: dec(mark) for name, mark in marks.items()})

    def balance(self, path: str, unit: str) -> Decimal:
        return self.portfolio.balances.get((path, unit), Decimal(0))

    def lot(self, symbol: str = "ACME", who: str = "alpha") -> tuple[Decimal, Decimal, Decimal]:
        """(units, average price, realised)."""
        lot = self.portfolio.lot(who, symbol)
        return lot.quantity, lot.average_price, lot.realised

    async def violations(self) -> list[Violation]:
        """Every invariant that the books alone can break."""
        found = list(check_books(self.portfolio))
        async for posting in postings():
            found += check_posting(posting.ref, posting.entries)
        ours, stored = solid_balances(self.portfolio.balances), solid_balances(await load_balances())
        found += check_same("REPLAY", ours, stored, "on the disk")
        found += check_same("REPLAY", ours, solid_balances(await sums_of_entries()), "by the entries")
        found += check_same("REPLAY", ours, await replayed("main", ALL, "USD", await extent()), "by the history")
        return found

    async def check(self) -> None:
        assert not (found := await self.violations()), "\n".join(map(str, found))

    async def hash(self) -> str:
        return await state_hash(self.portfolio.balances, order_lines("main", from_history=False))
