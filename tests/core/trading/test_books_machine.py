"""Anything that can happen to the books, in any order: all invariants after each step, and a model beside them."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokers.account import FlowKind
from core.analytics.round_trips import Execution, fifo_result
from core.store.models import AllocationRow, LedgerBalance, LedgerEntry, LedgerTransaction
from core.trading.ledger import COST_STEP, FillFacts, deposit, fill_posting
from core.trading.portfolio import Portfolio
from tests.core.trading.counting_house import ALL, START, CountingHouse, dec

SYMBOLS = st.sampled_from(["ACME", "BTC/USDT", "FDAX", "BTC-PERP"])
WHO = st.sampled_from(["alpha", "beta"])
UNITS = st.integers(-12, 12).filter(bool)
PRICES = st.decimals("0.5", "300", places=2)
FEES = st.decimals("-1", "5", places=4)
PAID_IN = st.sampled_from(["", "BNB", "EUR"])


@dataclass
class Known:
    """A trade as it counts now, with its time and place."""

    at: float
    place: int
    facts: FillFacts
    has_fee: bool


class BooksMachine(RuleBasedStateMachine):
    """The books against a list of trades."""

    runner: asyncio.Runner
    house: CountingHouse

    def __init__(self) -> None:
        super().__init__()
        self.trades: dict[str, Known] = {}
        self.flows: list[tuple[Any, ...]] = []
        self.number = 0
        self.now = 0.0
        self.house = SHARED.house()

    def do(self, work: Any) -> Any:
        return SHARED.run(work)

    def next(self) -> str:
        self.number += 1
        return f"t{self.number:04d}"

    @initialize()
    def begin(self) -> None:
        self.do(self._clean())

    async def _clean(self) -> None:
        for table in (AllocationRow, LedgerTransaction, LedgerEntry, LedgerBalance):
            await table.all().delete()
        await self.house.restart()
        self.house.books._latest.clear()
        self.house.portfolio.marks.clear()
        self.house.clock.set(START)
        async with self.house.books.lock, self.house.books.page() as page:
            await page.post(deposit("main", "USD", dec(1_000), "opening:main:USD"), START)

    def _trade(self, parts: dict[str, int], price: Decimal, symbol: str, fee: Decimal, paid_in: str, at: float) -> None:
        ref = self.next()
        self.do(self.house.trade(ref, 0, price, symbol, parts=parts, fee=fee, paid_in=paid_in, at=at))
        self.trades[ref] = Known(at, self.number, self.house.facts[ref], bool(fee))

    @rule(who=WHO, units=UNITS, price=PRICES, symbol=SYMBOLS, fee=FEES, paid_in=PAID_IN, pieces=st.integers(1, 3))
    def trade(self, who: str, units: int, price: Decimal, symbol: str, fee: Decimal, paid_in: str, pieces: int) -> None:
        """In one fill, or in pieces."""
        self.now += 1
        for n in range(pieces):
            if piece := units // pieces + (n < units % pieces):
                self._trade({who: piece}, price, symbol, fee, paid_in, self.now)

    @rule(alpha=UNITS, beta=UNITS, price=PRICES, symbol=SYMBOLS)
    def shared(self, alpha: int, beta: int, price: Decimal, symbol: str) -> None:
        """One fill for both; opposite and equal parts are a trade between the two."""
        self.now += 1
        self._trade({"alpha": alpha, "beta": beta}, price, symbol, dec(0), "", self.now)

    @precondition(lambda self: self.now > 1)
    @rule(who=WHO, units=UNITS, price=PRICES, symbol=SYMBOLS, back=st.floats(0.01, 0.99))
    def late(self, who: str, units: int, price: Decimal, symbol: str, back: float) -> None:
        self._trade({who: units}, price, symbol, dec(0), "", round(self.now * back, 1))

    @precondition(lambda self: self.trades)
    @rule(data=st.data(), units=UNITS, price=PRICES, fee=FEES)
    def correct(self, data: st.DataObject, units: int, price: Decimal, fee: Decimal) -> None:
        old = data.draw(st.sampled_from(sorted(self.trades)))
        was, ref = self.trades.pop(old), self.next()
        self.do(self.house.correct(old, ref, units, price, fee=fee))
        self.trades[ref] = Known(was.at, was.place, self.house.facts[ref], has_fee=True)

    @precondition(lambda self: self.trades)
    @rule(data=st.data())
    def bust(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(sorted(self.trades)))
        self.do(self.house.bust(old))
        del self.trades[old]

    @precondition(lambda self: any(not known.has_fee for known in self.trades.values()))
    @rule(data=st.data(), fee=FEES, paid_in=PAID_IN)
    def fee_is_told(self, data: st.DataObject, fee: Decimal, paid_in: str) -> None:
        ref = data.draw(st.sampled_from(sorted(ref for ref, known in self.trades.items() if not known.has_fee)))
        self.do(self.house.tell_fee(ref, fee, paid_in))
        self.trades[ref].facts, self.trades[ref].has_fee = self.house.facts[ref], True

    @rule(kind=st.sampled_from(FlowKind), amount=FEES, symbol=st.sampled_from(["", "ACME", "BTC-PERP"]))
    def flow(self, kind: FlowKind, amount: Decimal, symbol: str) -> None:
        one = (self.next(), amount, kind, "USD", self.now, symbol)
        for again in (False, True):  # a poll tells it twice
            told = self.house.flow(*one[:4], at=one[4], symbol=symbol)
            assert self.do(told) is not again
        self.flows.append(one)

    @rule()
    def restart(self) -> None:
        before = self.do(self.house.hash())
        self.do(self.house.restart())
        assert self.do(self.house.hash()) == before

    # --- after each step ---------------------------------------------------------------------------

    @invariant()
    def every_invariant_holds(self) -> None:
        for symbol in ALL:
            self.house.portfolio.marks[symbol] = dec("17.5")
        self.do(self.house.check())

    @invariant()
    def the_books_are_those_of_what_counts(self) -> None:
        """As if nothing had ever been wrong, late or corrected."""
        model = Portfolio("main", "USD", ALL)
        for known in sorted(self.trades.values(), key=lambda each: (each.at, each.place)):
            model.apply(fill_posting(known.facts, model.balances).entries)
        books = self.house.portfolio
        for (path, unit), amount in model.balances.items():
            if path.split("/")[0] in ("position", "cost", "realised", "margin", "venue"):
                assert books.balances.get((path, unit), 0) == amount, path
        paid = sum((amount for _, amount, *_ in self.flows), dec(0))
        for currency in ("USD", "EUR", "USDT", "BNB"):
            added = dec(1_000) + paid if currency == "USD" else dec(0)
            cash = model.balances.get(("cash/main", currency), dec(0))
            assert books.balances.get(("cash/main", currency), dec(0)) == cash + added

    @invariant()
    def first_in_first_out_gains_as_much_as_average_cost(self) -> None:
        fifo: dict[tuple[str, str], list[Execution]] = defaultdict(list)
        for known in sorted(self.trades.values(), key=lambda each: (each.at, each.place)):
            for execution in Execution.of_facts(known.facts, START):
                fifo[execution.strategy, execution.symbol].append(execution)
        for (who, symbol), executions in fifo.items():
            lot = self.house.portfolio.lot(who, symbol)
            result = fifo_result(executions)
            assert result.quantity == lot.quantity
            assert result.realised - result.cost == lot.realised - lot.cost
            if not lot.quantity:
                assert (result.realised, result.cost) == (lot.realised, lot.cost)
            elif len(executions) == 1:
                assert abs(result.cost - lot.cost) <= COST_STEP


class _Shared:
    """One loop and one migrated database for all examples: opening one takes longer than an example."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._house: CountingHouse | None = None

    def run(self, work: Any) -> Any:
        assert self._runner is not None
        return self._runner.run(work)

    def house(self) -> CountingHouse:
        assert self._house is not None
        return self._house

    def open(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._house = self.run(CountingHouse(folder).open())

    def close(self) -> None:
        self.run(self.house().close())
        assert self._runner is not None
        self._runner.close()


SHARED = _Shared()


def test_books_survive_anything() -> None:
    with tempfile.TemporaryDirectory() as folder:
        SHARED.open(Path(folder))
        try:
            case = BooksMachine.TestCase()
            case.settings = settings(
                max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
            )
            case.runTest()
        finally:
            SHARED.close()
