"""Profit of a period comes from the postings of the period, by strategy and asset, in the account's currency."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.account import FlowKind
from brokers.order import Side
from core.analytics.round_trips import Execution, fifo_result, round_trips
from core.store.control import add_equity
from core.store.rates import put_rates, rates_at
from core.trading.periods import profits_since, taken_since
from core.trading.portfolio import Portfolio
from core.trading.profit import Profit, profits
from tests.core.trading.counting_house import ALL, START, CountingHouse

D = Decimal
NOON = START + timedelta(seconds=100)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[CountingHouse]:
    """Two trades before noon and two after; euros are worth 1.1 dollars."""
    house = CountingHouse(tmp_path)
    await house.open(USD=100_000, EUR=10_000)
    house.portfolio.rates.fix({"EUR": D("1.1")})
    await house.trade("1", 10, 100, at=1, fee=1)
    await house.trade("2", -5, 110, at=2, fee=1)
    house.mark(ACME=112)
    nets = {name: each.net for name, each in profits(house.portfolio).items()}
    await add_equity({name: net for name, net in nets.items() if net is not None}, NOON)
    await house.trade("3", -2, 120, at=103, fee=2)
    await house.trade("4", 1, 15_000, "FDAX", who="beta", at=104, fee=10)
    await house.trade("5", -1, 15_004, "FDAX", who="beta", at=105)
    await house.flow("d", 7, FlowKind.DIVIDEND, symbol="ACME", at=106)
    house.mark(ACME=121)
    yield house
    try:
        await house.check()
    finally:
        await house.close()


async def test_a_period_counts_only_its_own_postings(house: CountingHouse) -> None:
    taken = await taken_since(house.portfolio, NOON)
    assert taken == {
        ("alpha", "ACME"): Profit(realised=D(40), fees=D(2), income=D(7)),
        ("beta", "FDAX"): Profit(realised=D(110), fees=D(11)),
    }


async def test_the_change_of_what_is_open_completes_the_period(house: CountingHouse) -> None:
    """Alpha had 5 units 12 above cost at noon, and has 3 that are 21 above it: 63 - 60."""
    found = await profits_since(house.portfolio, NOON)
    assert found["alpha"] == Profit(D(40), D(3), D(2), D(7))
    assert found["beta"] == Profit(D(110), D(0), D(11))
    whole = profits(house.portfolio)
    assert await profits_since(house.portfolio, START - timedelta(days=1)) == whole


async def test_a_period_without_a_rate_is_unknown(house: CountingHouse) -> None:
    house.portfolio.rates.fix({})
    found = await profits_since(house.portfolio, NOON)
    assert (found["beta"].realised, found["beta"].net) == (None, None)
    assert found["alpha"].net == 48
    house.portfolio.rates.fix({"EUR": D("1.1")})


async def test_the_rates_of_an_equity_are_found_again(house: CountingHouse) -> None:
    house.mark(EUR_USD="1.08")
    for _ in range(2):
        await put_rates(house.portfolio.rates_used(), NOON)
    (rate,) = (await rates_at(NOON)).values()
    assert (rate.base, rate.quote, rate.rate, rate.source) == ("EUR", "USD", D("1.08"), "EUR/USD")


def test_a_pair_that_is_turned_over_has_one_rounded_rate() -> None:
    """With euros as the account's currency, dollars are worth 1 / 1.08, rounded once."""
    book = Portfolio("main", "EUR", ALL)
    book.marks["EUR/USD"] = D("1.08")
    rate = book.rates.rate("USD")
    assert rate is not None
    assert rate.rate == D("0.92592592592592592593")
    assert book.rates.rate("USDT") is None
    assert book.rates.convert({"USD": D(108), "USDT": D(0)}) == D(108) * rate.rate


@given(
    st.lists(
        st.tuples(st.integers(-20, 20).filter(bool), st.decimals("1", "500", places=2), st.decimals(0, 3, places=2)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([1, 25, 100, D("0.001")]),
)
def test_round_trips_add_up_to_the_cash_when_flat(trades: list[tuple[int, Decimal, Decimal]], size: Decimal) -> None:
    """With any multiplier, flips and partial closes: first in, first out gains what was received less what was paid."""
    left = -sum(units for units, _, _ in trades)
    done = [*trades, *([(left, D(50), D(1))] if left else [])]
    made = [
        Execution("s", "X", f"o{n}", Side.of(D(units)), D(abs(units)), price, fee, START, D(size))
        for n, (units, price, fee) in enumerate(done)
    ]
    money = -sum((D(units) * price * D(size) for units, price, _ in done), D(0))
    paid = sum((fee for _, _, fee in done), D(0))
    result = fifo_result(made)
    assert (result.quantity, result.cost, result.realised) == (0, 0, money)
    assert sum((trip.pnl for trip in round_trips(made)), D(0)) == money - paid
