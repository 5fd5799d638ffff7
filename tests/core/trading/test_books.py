"""The books on a real database: corrections, busts, late words, flows, futures, and several currencies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest

from brokers.account import FlowKind
from core.trading.books import UnknownTradeError
from tests.core.trading.counting_house import CountingHouse

D = Decimal


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[CountingHouse]:
    house = CountingHouse(tmp_path)
    await house.open(USD=100_000, EUR=50_000, USDT=1_000_000, BNB=10)
    yield house
    await house.close()


async def test_a_corrected_fill_leaves_the_books_as_if_it_had_been_right(house: CountingHouse) -> None:
    await house.trade("1", 10, 100, fee=1)
    await house.trade("2", 10, 120, fee=1)
    await house.trade("3", -5, 150, fee=1)
    assert house.lot() == (15, 110, 200)
    await house.correct("1", "1b", 20, 99, fee=2)
    await house.check()
    units, average, realised = house.lot()
    assert (units, average) == (25, 106)
    assert realised == 5 * (150 - 106)
    assert house.portfolio.cash == 100_000 - 20 * 99 - 10 * 120 + 5 * 150 - 4


async def test_a_bust_takes_position_profit_and_fee_back(house: CountingHouse) -> None:
    before = dict(house.portfolio.balances)
    await house.trade("1", 10, 100, fee=1)
    await house.trade("2", -10, 130, fee=1)
    await house.bust("2")
    assert house.lot() == (10, 100, 0)
    await house.bust("1")
    await house.check()
    assert {key: amount for key, amount in house.portfolio.balances.items() if amount} == before


async def test_a_correction_of_a_correction_replaces_that(house: CountingHouse) -> None:
    await house.trade("1", 10, 100)
    await house.correct("1", "1b", 10, 101)
    await house.correct("1b", "1c", -3, 102)
    assert house.lot() == (-3, 102, 0)
    await house.check()
    with pytest.raises(UnknownTradeError):
        async with house.books.lock, house.books.page() as page:
            await page.replace_trade("1", None, house.clock.now())


async def test_a_correction_keeps_its_place_among_trades_of_the_same_moment(house: CountingHouse) -> None:
    await house.trade("1", 10, 100, at=1)
    await house.trade("2", -10, 110, at=1)
    await house.trade("3", 10, 120, at=1)
    await house.correct("1", "1b", 10, 90)
    assert house.lot() == (10, 120, 200)
    await house.check()


@pytest.mark.parametrize("symbol", ["ACME", "FDAX"])
@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_fills_that_come_late_count_in_their_time(
    house: CountingHouse, order: tuple[int, ...], symbol: str
) -> None:
    trades = [(10, 100), (-4, 130), (6, 90), (-15, 95)]
    for n in order:
        await house.trade(f"f{n}", *trades[n], symbol, at=n)
    await house.check()
    average = (D(6 * 100 + 6 * 90)) / 12
    multiplier = 25 if symbol == "FDAX" else 1
    assert house.lot(symbol) == (-3, 95, (4 * 30 + 12 * (95 - average)) * multiplier)
    if symbol == "FDAX":
        assert house.balance("cash/main", "EUR") == 50_000 + house.lot(symbol)[2]


async def test_a_future_moves_cash_only_by_what_it_realises(house: CountingHouse) -> None:
    await house.trade("1", 2, 15_000, "FDAX", fee=4)
    assert house.balance("cash/main", "EUR") == 50_000 - 4
    house.mark(FDAX=15_100)
    assert house.portfolio.worth()["EUR"] == 50_000 - 4 + 2 * 100 * 25
    await house.trade("2", -3, 15_100, "FDAX", fee=6)
    assert house.balance("cash/main", "EUR") == 50_000 - 10 + 5_000
    assert house.lot("FDAX") == (-1, 15_100, 5_000)
    await house.check()


async def test_strategies_that_hold_futures_against_each_other_have_nothing_at_the_venue(house: CountingHouse) -> None:
    await house.trade("1", 10, 15_000, "FDAX", who="alpha")
    await house.trade("2", -10, 15_100, "FDAX", who="beta")
    assert house.balance("cash/main", "EUR") == 50_000 + 10 * 100 * 25
    assert [house.lot("FDAX", who)[2] for who in ("alpha", "beta")] == [0, 0]
    house.mark(FDAX=15_050)
    await house.check()
    await house.trade("3", 0, 15_060, "FDAX", parts={"alpha": -10, "beta": 10})
    assert house.balance("cash/main", "EUR") == 50_000 + 25_000
    assert [house.lot("FDAX", who)[2] for who in ("alpha", "beta")] == [60 * 250, 40 * 250]
    await house.check()


async def test_a_correction_of_a_future_restates_the_venues_cash(house: CountingHouse) -> None:
    await house.trade("1", 4, 15_000, "FDAX")
    await house.trade("2", -2, 15_100, "FDAX")
    await house.correct("1", "1b", 4, 14_900)
    assert house.balance("cash/main", "EUR") == 50_000 + 2 * 200 * 25
    await house.bust("2")
    assert house.balance("cash/main", "EUR") == 50_000
    await house.check()


async def test_an_option_pays_its_premium_times_the_multiplier(house: CountingHouse) -> None:
    await house.trade("1", 3, "2.5", "ACME-C100")
    assert house.portfolio.cash == 100_000 - 750
    await house.trade("2", -3, 4, "ACME-C100")
    assert (house.portfolio.cash, house.lot("ACME-C100")[2]) == (100_450, 450)
    await house.check()


async def test_a_fee_in_a_third_currency_reduces_that_currency(house: CountingHouse) -> None:
    await house.trade("1", 1, 40_000, "BTC/USDT", fee="0.03", paid_in="BNB")
    assert house.balance("cash/main", "BNB") == D("9.97")
    assert house.balance("cash/main", "USDT") == 960_000
    assert house.lot("BTC/USDT") == (1, 40_000, 0)
    await house.check()


async def test_a_fee_in_the_base_coin_is_paid_from_that_coin_not_from_the_position(house: CountingHouse) -> None:
    await house.trade("1", 1, 40_000, "BTC/USDT", fee="0.001", paid_in="BTC")
    assert house.lot("BTC/USDT")[0] == 1
    assert house.balance("cash/main", "BTC") == D("-0.001")
    await house.check()


async def test_a_late_fee_may_be_in_any_currency_and_is_taken_back_with_its_fill(house: CountingHouse) -> None:
    await house.trade("1", 5, 100, parts={"alpha": 3, "beta": 2})
    await house.tell_fee("1", "0.05", "BNB")
    assert house.balance("fees/main/alpha/ACME", "BNB") == D("0.03")
    await house.check()
    await house.bust("1")
    assert house.balance("cash/main", "BNB") == 10
    await house.check()


async def test_funding_is_shared_by_signed_position_and_counted_once(house: CountingHouse) -> None:
    await house.trade("1", 30, 40_000, "BTC-PERP", who="alpha", at=1)
    await house.trade("2", -10, 40_000, "BTC-PERP", who="beta", at=2)
    await house.trade("3", -30, 40_000, "BTC-PERP", who="alpha", at=9)  # closed when the word of it comes
    assert await house.flow("f1", -6, FlowKind.FUNDING, "USDT", symbol="BTC-PERP", at=8)
    assert not await house.flow("f1", -6, FlowKind.FUNDING, "USDT", symbol="BTC-PERP", at=8)
    assert house.balance("funding/main/alpha/BTC-PERP", "USDT") == 9
    assert house.balance("funding/main/beta/BTC-PERP", "USDT") == -3
    assert house.balance("cash/main", "USDT") == 1_000_000 - 6
    await house.check()


async def test_flows_without_a_position_belong_to_nobody_here(house: CountingHouse) -> None:
    await house.flow("i", 12, FlowKind.INTEREST, "EUR")
    await house.flow("d", 7, FlowKind.DIVIDEND, symbol="ACME")
    await house.flow("f", -2, FlowKind.FEE)
    await house.flow("w", -500, FlowKind.WITHDRAWAL)
    assert house.balance("interest/main/external/", "EUR") == -12
    assert house.balance("fees/main/external/", "USD") == 2
    assert house.balance("deposits/main", "USD") == -99_500
    await house.check()


async def test_equity_needs_every_rate_and_every_mark(house: CountingHouse) -> None:
    house.portfolio.rates.fix({"USDT": D("0.99"), "BNB": D(300)})
    assert house.portfolio.equity is None
    house.mark(EUR_USD="1.08")
    assert house.portfolio.equity == 100_000 + 50_000 * D("1.08") + 990_000 + 3_000
    assert [(rate.base, rate.source) for rate in house.portfolio.rates_used()] == [
        ("BNB", "settings"),
        ("EUR", "EUR/USD"),
        ("USDT", "settings"),
    ]
    await house.trade("1", 1, 15_000, "FDAX")
    assert house.portfolio.equity is None
    house.mark(FDAX=15_010)
    assert house.portfolio.equity == 100_000 + 50_250 * D("1.08") + 990_000 + 3_000


async def test_a_restart_and_a_replay_change_no_byte(house: CountingHouse) -> None:
    await house.trade("1", 10, 100, fee=1)
    await house.trade("2", -3, "101.5", who="beta", fee="0.3", paid_in="BNB")
    await house.trade("3", 2, 15_000, "FDAX")
    await house.correct("1", "1b", 9, 100, fee=1)
    hashes = {await house.hash()}
    for _ in range(10):
        await house.restart()
        await house.check()
        hashes.add(await house.hash())
    assert len(hashes) == 1
