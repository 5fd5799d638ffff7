"""Any difference, booked in any way: the books are the venue's to the last digit, and nobody's profit has changed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.account import AccountInfo, Balance, Position
from core.store.models import AllocationRow, LedgerBalance, LedgerEntry, LedgerTransaction
from core.trading.adjusting import Adjustments, Overtaken, Yes
from core.trading.adjustment import Found, Treatment, Wish, Worth, left_of, plan_of, taken
from core.trading.ledger import EXTERNAL, deposit
from core.trading.profit import profit_by_currency
from core.trading.reconcile import Drift, Ours, find_drift
from tests.core.trading.counting_house import ALL, START, CountingHouse, dec

SYMBOLS = ("ACME", "BTC/USDT", "FDAX", "BTC-PERP")
UNITS = st.decimals("-20", "20", places=3)
PRICES = st.decimals("0.5", "300", places=2)
CASH = st.decimals("-5000", "5000", places=8)
TRADES = st.lists(
    st.tuples(st.sampled_from(["alpha", "beta", "manual", EXTERNAL]), st.sampled_from(SYMBOLS), UNITS, PRICES),
    max_size=8,
)
THERE = st.dictionaries(st.sampled_from(SYMBOLS), st.tuples(UNITS, PRICES), max_size=4)
MONEY = st.dictionaries(st.sampled_from(["USD", "EUR", "USDT", "BNB"]), CASH, max_size=4)


class Counter:
    """The books of one house, and how its differences are booked."""

    def __init__(self, house: CountingHouse) -> None:
        self.house = house
        self.capital: list[Mapping[str, Decimal]] = []
        self.told = 0

    @property
    def adjustments(self) -> Adjustments:
        around: Any = SimpleNamespace(account="main", open_orders=())
        watch: Any = SimpleNamespace(store_capital=self._store, believe=lambda _: None)
        nothing: Any = SimpleNamespace()
        alerts: Any = SimpleNamespace(add=self.tell)
        clock = self.house.clock
        return Adjustments(
            nothing, around, self.house.books, watch=watch, recovery=nothing, drift=nothing, switch=nothing, alerts=alerts, clock=clock,
            trading_clock=clock,
        )  # fmt: skip

    async def _store(self, paid_in: Mapping[str, Decimal]) -> None:
        self.capital.append(paid_in)

    async def tell(self, _plan: object) -> None:
        self.told += 1

    def ours(self) -> Ours:
        return Ours(self.house.portfolio.held(), self.house.portfolio.cash_by_currency)

    def found(self, venue: AccountInfo) -> Found:
        marks = self.house.portfolio.marks
        drifts = tuple(find_drift(self.ours(), venue))
        entries = {symbol: each.average_price for symbol, each in venue.positions.items()}
        worths = {each.what: Worth(marks[each.what], entries.get(each.what)) for each in drifts if not each.is_cash}
        return Found(drifts, worths)

    def profits(self) -> dict[tuple[str, str], Decimal]:
        portfolio = self.house.portfolio
        every = {(name, unit): each.net for name in portfolio.strategies
                 for unit, each in profit_by_currency(portfolio, name).items()}  # fmt: skip
        return {key: net for key, net in every.items() if net}

    async def clean(self, trades: list[Any], marks: Mapping[str, Decimal]) -> None:
        for table in (AllocationRow, LedgerTransaction, LedgerEntry, LedgerBalance):
            await table.all().delete()
        house = self.house
        await house.restart()
        house.books._latest.clear()
        house.clock.set(START)
        house.facts.clear()
        self.capital.clear()
        async with house.books.lock, house.books.page() as page:
            await page.post(deposit("main", "USD", dec(1_000), "opening:main:USD"), START)
        for number, (who, symbol, units, price) in enumerate(trades):
            if units:
                await house.trade(f"t{number}", units, price, symbol, who=who)
        house.portfolio.marks.update(dict.fromkeys(ALL, dec("17.5")) | dict(marks))


def venue_of(held: Mapping[str, tuple[Decimal, Decimal]], money: Mapping[str, Decimal]) -> AccountInfo:
    positions = {symbol: Position(symbol, units, price) for symbol, (units, price) in held.items() if units}
    return AccountInfo("main", START, {unit: Balance(unit, each) for unit, each in money.items()}, positions)


async def books_any_difference(counter: Counter, venue: AccountInfo, wish: Wish) -> None:
    house = counter.house
    found = counter.found(venue)
    if not found.drifts:
        return
    adjustments, before = counter.adjustments, counter.profits()
    worth, paid = house.portfolio.worth(), dict(house.portfolio.balances)
    plan = plan_of(house.portfolio, found, wish, "x")
    change = plan.change(left_of(plan, house.portfolio))
    *_, token = adjustments.plan(found, Wish(Treatment.CAPITAL, wish.first))
    if wish.treatment is Treatment.RESULT:
        house.portfolio.rates.fix({unit: dec(1) for unit in ("EUR", "USDT", "BNB")})
        *_, token = adjustments.plan(found, wish)
    house.clock.advance(1)
    await adjustments.book(found, wish, Yes(token, "Ada", "a test"), counter.tell)

    assert find_drift(counter.ours(), venue) == []
    await house.check()
    gained = {key: net for key, net in counter.profits().items() if net != before.get(key, 0)}
    now = house.portfolio.worth()
    assert worth is not None
    assert now is not None
    for unit in {*worth, *now, *change}:
        assert now.get(unit, 0) - worth.get(unit, 0) == change.get(unit, 0)
        deposits = house.balance("deposits/main", unit) - paid.get(("deposits/main", unit), Decimal(0))
        assert -deposits == (change.get(unit, 0) if wish.treatment is Treatment.CAPITAL else 0)
    if wish.treatment is Treatment.CAPITAL:
        assert gained == {}
        assert counter.capital == [change]
    else:
        assert {name for name, _ in gained} <= {EXTERNAL}
        assert counter.capital == [{}]
    with pytest.raises(Overtaken):
        await adjustments.book(found, wish, Yes(token, "Ada", "a test"), counter.tell)
    await _told_late(house, {each.what for each in found.positions})
    digest = await house.hash()
    await house.restart()
    assert await house.hash() == digest


async def _told_late(house: CountingHouse, symbols: set[str]) -> None:
    """A trade of before the adjustment is told at last, and another is void: history can still be played again."""
    for number, symbol in enumerate(sorted(symbols)):
        await house.trade(f"late{number}", 3, "17.25", symbol, at=0.5)
    for ref in sorted(house.facts):
        if house.facts[ref].symbol in symbols and ref.startswith("t"):
            await house.bust(ref)
            break
    await house.check()


def test_any_difference_can_be_booked() -> None:
    """Longs, shorts, flips, futures, several strategies and currencies, as capital and as a result."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        counter = Counter(runner.run(CountingHouse(Path(folder)).open()))

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            trades=TRADES,
            held=THERE,
            money=MONEY,
            marks=st.dictionaries(st.sampled_from(SYMBOLS), PRICES),
            treatment=st.sampled_from(Treatment),
            first=st.sampled_from(["", "alpha", "beta"]),
        )
        def check(trades: Any, held: Any, money: Any, marks: Any, treatment: Treatment, first: str) -> None:
            async def run() -> None:
                await counter.clean(trades, marks)
                await books_any_difference(counter, venue_of(held, money), Wish(treatment, first))

            runner.run(run())

        try:
            check()
        finally:
            runner.run(counter.house.close())


@pytest.mark.parametrize(
    ("ours", "theirs", "held", "first", "given", "besides"),
    [
        (5, 3, {"alpha": 5}, "", {"alpha": -2}, 0),
        (5, 3, {"alpha": 3, "external": 1, "manual": 1}, "", {"external": -1, "manual": -1}, 0),
        (9, 4, {"alpha": 4, "beta": 5}, "", {"beta": -5}, 0),
        (9, 2, {"alpha": 4, "beta": 5}, "alpha", {"alpha": -4, "beta": -3}, 0),
        (2, 1, {"alpha": 5, "beta": -3}, "", {"alpha": -1}, 0),
        (-4, -1, {"alpha": -3, "beta": -1}, "", {"alpha": 3}, 0),
        (2, -1, {"alpha": 2}, "", {"alpha": -2}, -1),
        (2, 3, {"alpha": 2}, "", {}, 1),
        (0, 3, {"alpha": 2, "beta": -2}, "", {}, 3),
        (0, -3, {}, "", {}, -3),
        (5, 0, {"alpha": 5}, "beta", {"alpha": -5}, 0),
    ],
)
def test_who_gives_and_who_gets(
    ours: int, theirs: int, held: dict[str, int], first: str, given: dict[str, int], besides: int
) -> None:
    """What is missing comes from those who have it, in a fixed order; what is there besides is nobody's."""
    drift = Drift("ACME", Decimal(ours), Decimal(theirs))
    assert taken(drift, {name: Decimal(units) for name, units in held.items()}, first) == (given, besides)


async def test_a_future_that_came_is_entered_where_the_venue_entered_it(tmp_path: Path) -> None:
    """Its cash moves by the venue's entry price when it is closed: then nothing may differ again."""
    house = await CountingHouse(tmp_path).open(USDT=1_000)
    try:
        counter = Counter(house)
        await house.trade("t1", 2, 100, "BTC-PERP")
        house.mark(BTC_PERP=130)
        venue = venue_of({"BTC-PERP": (dec(5), dec(118))}, {"USDT": dec(1_000)})
        found = counter.found(venue)
        *_, token = counter.adjustments.plan(found, Wish())
        await counter.adjustments.book(found, Wish(), Yes(token, "Ada", "a test"), counter.tell)
        assert -house.balance("margin/main/BTC-PERP", "USDT") == 5 * 118 * dec("0.001")
        lot = house.portfolio.lot(EXTERNAL, "BTC-PERP")
        assert (lot.quantity, lot.average_price) == (3, 130)
        await house.trade("t2", 0, 140, "BTC-PERP", parts={"alpha": -2, EXTERNAL: -3})
        assert house.portfolio.cash_by_currency["USDT"] == 1_000 + 5 * (140 - 118) * dec("0.001")
        await house.check()
    finally:
        await house.close()
