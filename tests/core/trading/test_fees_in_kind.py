"""Fees that are paid out of a holding: the books have what the venue has, in every order of events."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.instrument import AssetClass, Instrument
from brokers.order import ClientOrderId, Fill, Liquidity, Side
from core.analytics.round_trips import Execution, round_trips
from core.clock import ManualClock
from core.reporting import trades_csv
from core.store.database import Database
from core.store.models import (
    AllocationRow,
    FillRow,
    GoalRow,
    LedgerBalance,
    LedgerEntry,
    LedgerTransaction,
)
from core.store.orders import Stamp
from core.trading.books import Books, Page
from core.trading.fill_books import FillBooks
from core.trading.fill_news import Correction, KnownFill
from core.trading.in_kind import payers
from core.trading.inspection import verify
from core.trading.invariants import check_books
from core.trading.ledger import EXTERNAL, deposit
from core.trading.live_order import MANUAL
from core.trading.portfolio import Portfolio
from tests.databases import database_url

START = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
BTC = Instrument("BTC/USDT", "USDT", AssetClass.CRYPTO, lot=Decimal("0.00001"), base="BTC")
BNB = Instrument("BNB/USDT", "USDT", AssetClass.CRYPTO, lot=Decimal("0.001"), base="BNB")
ALL = {each.symbol: each for each in (BTC, BNB)}
CASH = {"USDT": "1000000", "EUR": "1000"}

T = TypeVar("T")


def dec(value: object) -> Decimal:
    return Decimal(str(value))


class Quiet:
    """Takes alerts."""

    async def add(self, _alert: object) -> None:
        """Nobody hears of it."""


class Shop:
    """Books beside what the venue has: every currency for itself, as a spot account is."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(database_url(folder / "q.sqlite3"), require_durable=False)
        self.clock = ManualClock(START)
        self.portfolio = Portfolio("main", "USDT", ALL)
        self.books = Books(self.portfolio, self.clock)
        self.fills = FillBooks("main", Quiet())  # type: ignore[arg-type]
        self.venue: dict[str, Decimal] = defaultdict(Decimal)
        self.known: dict[str, tuple[Fill, KnownFill]] = {}
        self.number = 0

    async def open(self) -> Shop:
        await self.database.open()
        await self.begin()
        return self

    async def begin(self) -> None:
        for table in (AllocationRow, FillRow, GoalRow, LedgerTransaction, LedgerEntry, LedgerBalance):
            await table.all().delete()
        self.portfolio.load({})
        self.portfolio.marks.update({"BTC/USDT": dec(50_000), "BNB/USDT": dec(600)})
        self.books._latest.clear()
        self.venue.clear()
        self.known.clear()
        for currency, amount in CASH.items():
            await self.page(
                lambda page, currency=currency, amount=amount: page.post(  # type: ignore[misc]
                    deposit("main", currency, dec(amount), f"opening:main:{currency}"), START
                )
            )
            self.venue[currency] += dec(amount)

    async def page(self, write: Callable[[Page], Awaitable[T]]) -> T:
        async with self.books.lock, self.books.page() as page:
            return await write(page)

    def executed(self, symbol: str, quantity: object, price: object, fee: object, paid_in: str, **more: Any) -> Fill:
        units = dec(quantity)
        return Fill(
            more.get("fill_id", f"f{self.number}"),
            ClientOrderId(""),
            symbol,
            Side.of(units),
            abs(units),
            dec(price),
            None if fee is None else dec(fee),
            paid_in,
            Liquidity.TAKER,
            more.get("at", START + timedelta(seconds=self.number)),
        )

    def happened(self, fill: Fill, sign: int = 1) -> None:
        """What a trade does at the venue."""
        instrument = ALL[fill.symbol]
        self.venue[instrument.base] += sign * fill.signed_quantity
        self.venue[instrument.currency] -= sign * fill.signed_quantity * fill.price
        if fill.fee is not None:
            self.venue[fill.fee_currency] -= sign * fill.fee

    async def trade(
        self,
        symbol: str,
        quantity: object,
        price: object,
        fee: object = 0,
        paid_in: str = "USDT",
        parts: Mapping[str, object] | None = None,
        at: datetime | None = None,
    ) -> str:
        self.number += 1
        fill = self.executed(symbol, quantity, price, fee, paid_in, **({"at": at} if at else {}))
        shares = {name: dec(part) for name, part in (parts or {"alpha": quantity}).items()}
        stamp = Stamp(fill.at, fill.at)
        await self.page(lambda page: self.fills.add(page, ALL[symbol], fill, shares, stamp))
        self.happened(fill)
        self.known[fill.fill_id] = (fill, KnownFill.of(fill, fill.fill_id))
        return fill.fill_id

    async def tell_fee(self, name: str, fee: object, paid_in: str) -> None:
        old, known = self.known[name]
        told = self.executed(old.symbol, old.signed_quantity, old.price, fee, paid_in, fill_id=name, at=old.at)
        await self.page(lambda page: self.fills.pay(page, ALL[old.symbol], told, known))
        self.venue[paid_in] -= dec(fee)
        self.known[name] = (told, KnownFill.of(told, known.stored_as))

    async def correct(self, name: str, quantity: object, price: object, fee: object, paid_in: str) -> None:
        self.number += 1
        old, known = self.known.pop(name)
        units = abs(dec(quantity)) * old.side.sign
        new = self.executed(old.symbol, units, price, fee, paid_in, at=old.at)
        change = Correction(name, new, new.fill_id)
        stamp = Stamp(new.at, new.at)
        await self.page(lambda page: self.fills.correct(page, ALL[old.symbol], known, change, stamp, "an order"))
        self.happened(old, -1)
        self.happened(new)
        self.known[new.fill_id] = (new, KnownFill.of(new, new.fill_id))

    async def bust(self, name: str) -> None:
        old, known = self.known.pop(name)
        await self.page(lambda page: self.fills.bust(page, old.symbol, known, self.clock.now(), "an order"))
        self.happened(old, -1)

    # --- looking -----------------------------------------------------------------------------------

    def lot(self, symbol: str = "BTC/USDT", who: str = "alpha") -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """(units, cost, realised, fees)."""
        lot = self.portfolio.lot(who, symbol)
        return lot.quantity, lot.cost, lot.realised, lot.fees

    async def check(self) -> None:
        """Books and venue agree, every invariant holds, and the history gives the same."""
        for symbol, instrument in ALL.items():
            assert self.portfolio.quantity(symbol) == self.venue[instrument.base], symbol
        cash = self.portfolio.cash_by_currency
        for currency in {*self.venue, *cash} - {each.base for each in ALL.values()}:
            assert cash.get(currency, 0) == self.venue[currency], currency
        assert not any(each.base in cash and cash[each.base] for each in ALL.values())
        assert not list(check_books(self.portfolio))
        found = await verify("main", "USDT", ALL)
        assert found.is_true, found.violations


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop(tmp_path).open()
    yield made
    await made.database.close()


# --- golden ----------------------------------------------------------------------------------------


async def test_a_buy_pays_its_fee_out_of_what_it_bought(shop: Shop) -> None:
    """1 BTC at 50,000 with a fee of 0.001 BTC: 0.999 BTC are held, 50,000 are gone, 50 of them is the fee."""
    await shop.trade("BTC/USDT", 1, 50_000, "0.001", "BTC")
    assert shop.lot() == (dec("0.999"), dec(49_950), 0, 50)
    assert shop.portfolio.cash == 950_000
    assert shop.portfolio.worth() == {"USDT": 999_950, "EUR": 1000}
    await shop.check()


async def test_the_whole_round_is_what_came_in_less_what_went_out(shop: Shop) -> None:
    """Bought at 100, the rest sold at 110: profit and fees add up to the cash that moved."""
    await shop.trade("BTC/USDT", 2, 100, "0.002", "BTC")
    await shop.trade("BTC/USDT", "-1.998", 110, "0.21978", "USDT")
    units, cost, realised, fees = shop.lot()
    assert (units, cost) == (0, 0)
    assert realised - fees == dec("1.998") * 110 - dec("0.21978") - 200
    assert (realised, fees) == (dec("19.98"), dec("0.2") + dec("0.21978"))
    await shop.check()


async def test_a_sale_pays_its_fee_out_of_what_is_left(shop: Shop) -> None:
    """BNB/USDT sold, the fee in BNB: more leaves the holding than was sold."""
    await shop.trade("BNB/USDT", 3, 600)
    await shop.trade("BNB/USDT", -1, 660, "0.00075", "BNB")
    units, cost, realised, fees = shop.lot("BNB/USDT")
    assert units == dec("1.99925")
    assert cost == dec("1.99925") * 600
    assert (realised, fees) == (dec("1.00075") * 60, dec("0.495"))
    await shop.check()


async def test_who_sells_all_has_its_fee_paid_by_the_rest_of_the_holding(shop: Shop) -> None:
    """At the venue there is one holding: the fee comes out of the manual one, and alpha pays what it was worth."""
    await shop.trade("BNB/USDT", 2, 600, parts={MANUAL: 2})
    await shop.trade("BNB/USDT", 1, 600)
    await shop.trade("BNB/USDT", -1, 700, "0.00075", "BNB")
    assert shop.lot("BNB/USDT") == (0, 0, 100, dec("0.525"))
    assert shop.lot("BNB/USDT", MANUAL) == (dec("1.99925"), dec("1199.55"), dec("0.075"), 0)
    await shop.check()


async def test_a_fee_in_a_coin_that_is_held_leaves_that_holding(shop: Shop) -> None:
    """BTC bought, the fee in BNB, and BNB is a position: it is sold at its mark, and the buyer pays what it brought."""
    await shop.trade("BNB/USDT", 2, 500, parts={MANUAL: 2})
    await shop.trade("BTC/USDT", 1, 50_000, "0.0625", "BNB")
    assert shop.lot() == (1, 50_000, 0, dec("37.5"))
    assert shop.lot("BNB/USDT", MANUAL) == (dec("1.9375"), dec("968.75"), dec("6.25"), 0)
    await shop.check()


async def test_a_fee_in_a_currency_that_is_no_position_is_money(shop: Shop) -> None:
    """EUR here: as it always was."""
    await shop.trade("BTC/USDT", 1, 50_000, 45, "EUR")
    assert shop.lot() == (1, 50_000, 0, 0)
    assert shop.portfolio.cash_by_currency["EUR"] == 955
    await shop.check()


async def test_strategies_share_the_fee_by_their_parts(shop: Shop) -> None:
    """One order for two."""
    await shop.trade("BTC/USDT", 3, 10_000, "0.003", "BTC", parts={"alpha": 1, "beta": 2})
    assert shop.lot() == (dec("0.999"), 9_990, 0, 10)
    assert shop.lot(who="beta") == (dec("1.998"), 19_980, 0, 20)
    await shop.check()


@pytest.mark.parametrize("paid_in", ["BTC", "BNB", "USDT", "EUR"])
async def test_a_fee_that_is_told_late_is_the_same_as_one_in_time(shop: Shop, paid_in: str) -> None:
    """Whatever was traded in between."""
    shop.portfolio.marks["BNB/USDT"] = dec(600)
    await shop.trade("BNB/USDT", 1, 500, parts={MANUAL: 1})
    late = await shop.trade("BTC/USDT", 1, 100, None, "")
    await shop.trade("BTC/USDT", "-0.5", 120)
    await shop.tell_fee(late, "0.001", paid_in)
    await shop.check()
    told_late = {key: amount for key, amount in shop.portfolio.balances.items() if amount}
    await shop.begin()
    await shop.trade("BNB/USDT", 1, 500, parts={MANUAL: 1})
    await shop.trade("BTC/USDT", 1, 100, "0.001", paid_in)
    await shop.trade("BTC/USDT", "-0.5", 120)
    assert {key: amount for key, amount in shop.portfolio.balances.items() if amount} == told_late


@pytest.mark.parametrize("paid_in", ["BTC", "BNB"])
async def test_a_correction_and_a_bust_take_the_fee_back(shop: Shop, paid_in: str) -> None:
    """Into the holding that it came from."""
    await shop.trade("BNB/USDT", 1, 600, parts={MANUAL: 1})
    before = {key: amount for key, amount in shop.portfolio.balances.items() if amount}
    await shop.trade("BTC/USDT", 1, 100, "0.001", paid_in)
    name = max(shop.known, key=lambda each: int(each[1:]))
    await shop.correct(name, 2, 90, "0.004", paid_in)
    await shop.check()
    assert shop.portfolio.quantity("BTC/USDT") == (dec("1.996") if paid_in == "BTC" else 2)
    await shop.bust(max(shop.known, key=lambda each: int(each[1:])))
    await shop.check()
    assert {key: amount for key, amount in shop.portfolio.balances.items() if amount} == before


async def test_what_fees_took_is_not_bought_back(shop: Shop) -> None:
    """The stored goal gives way in the commit of the fill; one that is to be flat stays flat."""
    await GoalRow.create(
        account="main", strategy="alpha", symbol="BTC/USDT", quantity=dec(1), exposure=1.0, reason="", barred=None
    )
    await shop.trade("BTC/USDT", 1, 50_000, "0.001", "BTC")
    assert (await GoalRow.get()).quantity == dec("0.999")
    await GoalRow.all().update(quantity=dec(0))
    await shop.trade("BTC/USDT", "-0.5", 50_000, "0.001", "BTC")
    assert (await GoalRow.get()).quantity == 0


async def test_round_trips_and_reports_count_what_was_held(shop: Shop) -> None:
    """What paid a fee was never there to be sold."""
    await shop.trade("BTC/USDT", 1, 100, "0.001", "BTC")
    await shop.trade("BTC/USDT", "-0.999", 200, "0.1998", "USDT")
    rows = await AllocationRow.all().order_by("id")
    trades = [
        Execution(
            row.strategy, row.symbol, row.fill_ref, Side.of(row.quantity), abs(row.quantity), row.price, row.fee, row.at
        )
        for row in rows
    ]
    (trip,) = round_trips(trades)
    assert (trip.quantity, trip.fees, trip.pnl) == (dec("0.999"), dec("0.2998"), dec("99.9") - dec("0.2998"))
    lines = trades_csv(rows).decode().splitlines()
    assert ",buy,0.999,100,0.100,USDT," in lines[1]


# --- who pays --------------------------------------------------------------------------------------

NAMES = st.sampled_from(["alpha", "beta", "gamma", MANUAL, EXTERNAL])
SMALL = st.decimals("0", "5", places=3)


@given(st.dictionaries(NAMES, SMALL, min_size=1), st.dictionaries(NAMES, st.decimals("-5", "5", places=3)))
def test_payers_give_the_fee_exactly(shares: dict[str, Decimal], held: dict[str, Decimal]) -> None:
    """And nobody gives what he has not while another has it, but for who owes it."""
    given_units = payers(shares, held)
    assert sum(given_units.values(), dec(0)) == sum(shares.values(), dec(0))
    for name, units in given_units.items():
        if name not in shares:
            assert units <= held[name]


# --- anything --------------------------------------------------------------------------------------

_AMOUNTS = st.decimals("0.001", "2", places=5)
_PRICES = st.decimals("0.5", "300", places=2)
_FEES = st.decimals("-0.001", "0.01", places=8)
_SIGNS = st.sampled_from([1, 1, -1])
_UNITS = st.sampled_from(["BTC", "BNB", "USDT", "EUR"])
_SYMBOLS = st.sampled_from(sorted(ALL))
_STEP = st.one_of(
    st.tuples(st.just("trade"), _SYMBOLS, _AMOUNTS, _SIGNS, _PRICES, _FEES, _UNITS, st.sampled_from(["a", "b", "ab"])),
    st.tuples(st.just("late"), _SYMBOLS, _AMOUNTS, _SIGNS, _PRICES, _FEES, _UNITS, st.integers(0, 50)),
    st.tuples(st.just("correct"), st.integers(0, 50), _AMOUNTS, _PRICES, _FEES, _UNITS),
    st.tuples(st.just("bust"), st.integers(0, 50)),
    st.tuples(st.just("mark"), _SYMBOLS, _PRICES),
)


async def _play(shop: Shop, steps: list[tuple[Any, ...]]) -> None:
    await shop.begin()
    for kind, *rest in steps:
        names = sorted(shop.known, key=lambda each: int(each[1:]))
        if kind == "trade":
            symbol, amount, sign, price, fee, unit, who = rest
            parts = {"ab": {"alpha": sign * amount * 2, "beta": -sign * amount}}.get(who, {who: sign * amount})
            await shop.trade(symbol, sum(parts.values()), price, fee, unit, parts)
        elif kind == "late":
            symbol, amount, sign, price, fee, unit, back = rest
            at = START + timedelta(seconds=max(shop.number - back, 0))
            name = await shop.trade(symbol, sign * amount, price, None, "", at=at)
            await shop.tell_fee(name, fee, unit)
        elif kind == "mark":
            shop.portfolio.marks[rest[0]] = rest[1]
        elif names and kind == "correct":
            await shop.correct(names[rest[0] % len(names)], *rest[1:])
        elif names and kind == "bust":
            await shop.bust(names[rest[0] % len(names)])
    await shop.check()


def test_the_books_have_what_the_venue_has_whatever_happens() -> None:
    """Fees in the base, the quote, a coin that is held and a third currency; late, corrected and busted."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        shop = runner.run(Shop(Path(folder)).open())

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(_STEP, min_size=1, max_size=10))
        def play(steps: list[tuple[Any, ...]]) -> None:
            runner.run(_play(shop, steps))

        try:
            play()
        finally:
            runner.run(shop.database.close())
