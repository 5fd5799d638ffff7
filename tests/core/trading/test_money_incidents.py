"""Wrong money in other systems, each with its figures: what our books say of the same trades.

Of freqtrade #7178 and #7287 only the complaint is known (wrong profit after several entries and exits).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.account import FlowKind
from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.order import Side
from core.analytics.round_trips import Execution, round_trips
from core.trading.fees import known_fee
from core.trading.invariants import check_balances, check_books
from core.trading.ledger import Entry
from risk.limits import RiskLimits
from risk.verdict import Denied
from risk.view import TradingState
from tests.core.trading.counting_house import ALL, START, CountingHouse
from tests.core.trading.stage import WIDE, Stage

D = Decimal
LINEAR = Instrument("XRP-PERP", "USDT", AssetClass.FUTURE, settlement=Settlement.MARGINED, lot=D("0.1"))


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingHouse]:
    monkeypatch.setitem(ALL, LINEAR.symbol, LINEAR)
    house = CountingHouse(tmp_path)
    await house.open(USD=100_000, USDT=10_000, BNB=10, BTC=1)
    yield house
    try:
        await house.check()
    finally:
        await house.close()


async def test_funding_is_counted_once_after_partial_exits_freqtrade_13102_incident_13(house: CountingHouse) -> None:
    """A short of 749.6 at 1.3914, funding of -10.53, three exits: the second gains, and the funding is paid once."""
    await house.trade("in", "-749.6", "1.3914", LINEAR.symbol)
    await house.flow("f", "-10.53", FlowKind.FUNDING, "USDT", symbol=LINEAR.symbol)
    gained = []
    for n, (units, price) in enumerate([("374.8", "1.36155"), ("187.4", "1.35491"), ("187.4", "1.36790")]):
        before = house.lot(LINEAR.symbol)[2]
        await house.trade(f"out{n}", units, price, LINEAR.symbol)
        assert not await house.flow("f", "-10.53", FlowKind.FUNDING, "USDT", symbol=LINEAR.symbol)
        gained.append(house.lot(LINEAR.symbol)[2] - before)
    assert gained == [D("11.18778"), D("6.838226"), D("4.4039")]
    assert house.balance("funding/main/alpha/XRP-PERP", "USDT") == D("10.53")
    assert house.balance("cash/main", "USDT") == 10_000 + sum(gained) - D("10.53")


async def test_several_entries_and_exits_freqtrade_7178_7287(house: CountingHouse) -> None:
    """Average cost after each step by hand."""
    await house.trade("1", 10, 100, fee=1)
    await house.trade("2", 30, 80, fee=3)
    assert house.lot() == (40, 85, 0)
    await house.trade("3", -20, 95, fee=2)
    assert house.lot() == (20, 85, 200)
    await house.trade("4", 20, 95, fee=2)
    assert house.lot() == (40, 90, 200)
    await house.trade("5", -40, 91, fee=4)
    assert house.lot() == (0, 0, 240)
    assert house.portfolio.cash == 100_000 + 240 - 12


async def test_fees_in_bnb_do_not_make_a_gain_a_loss_freqtrade_5415(house: CountingHouse) -> None:
    """The sale gains 7; 0.0004 BNB is 0.0004 BNB, not 0.0004 of the coin and not a rate of the price."""
    house.portfolio.rates.fix({"BNB": D(300)})
    await house.trade("1", 2, 100, fee="0.0004", paid_in="BNB")
    await house.trade("2", -2, "103.5", fee="0.0004", paid_in="BNB")
    assert house.lot() == (0, 0, 7)
    assert house.balance("cash/main", "BNB") == D("9.9992")
    assert house.balance("fees/main/alpha/ACME", "USD") == 0


async def test_each_fee_is_that_of_its_own_trade_freqtrade_176(house: CountingHouse) -> None:
    """0.25 % of what was paid and 0.25 % of what was received, not twice the one of the close."""
    await house.trade("1", 1, "0.00258580", "BTC/USDT", fee=D("0.00258580") * D("0.0025"))
    await house.trade("2", -1, "0.00279266", "BTC/USDT", fee=D("0.00279266") * D("0.0025"))
    net = house.balance("cash/main", "USDT") - 10_000
    assert net == D("0.0027856783500") - D("0.00259226450")


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_flip_gains_only_on_what_was_held_nautilus_1083_963_incident_33(
    house: CountingHouse, sign: int
) -> None:
    """From -1 to +0.5: the profit is that of 1, not of 1.5, and the new average is the price of the flip."""
    await house.trade("1", -1 * sign, 100, "BTC-PERP")
    await house.trade("2", D("1.5") * sign, 90, "BTC-PERP")
    assert house.lot("BTC-PERP") == (D("0.5") * sign, 90, sign * D("0.010"))


async def test_many_fills_of_one_order_realise_nothing_while_adding_nautilus_1769(house: CountingHouse) -> None:
    """An order that fills in parts, across zero: only the part that closes realises, at its own price."""
    await house.trade("0", -3, 100)
    for n, (units, price) in enumerate([(1, 101), (4, 102), (5, 103)]):
        await house.trade(f"part{n}", units, price)
    assert house.lot() == (7, (2 * 102 + 5 * 103) / D(7), -1 - 2 * 2)
    assert house.portfolio.cash == 100_000 + 300 - 101 - 408 - 515


async def test_a_commission_is_taken_once_nautilus_725_incident_33(house: CountingHouse) -> None:
    """Told with the fill, and again by a replay of the same word: the second is refused by its reference."""
    await house.trade("1", 1, 100, fee=5)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await house.trade("1", 1, 100, fee=5)
    assert house.portfolio.cash == 100_000 - 105
    assert house.balance("fees/main/alpha/ACME", "USD") == 5


async def test_profit_and_balance_agree_nautilus_2856(house: CountingHouse) -> None:
    """Bought at 17.37, sold at 17.42: the round trip, the lot and the cash say the same."""
    await house.trade("1", 100, "17.37", fee="0.5")
    await house.trade("2", -100, "17.42", fee="0.5")
    (trip,) = round_trips([each for ref in "12" for each in Execution.of_facts(house.facts[ref], START)])
    assert trip.pnl == house.portfolio.cash - 100_000 == house.lot()[2] - 1 == 4


async def test_a_market_order_is_booked_at_what_it_was_filled_at_octobot_363(stage: Stage) -> None:
    """A market order has no price of its own; its fill has one, and the profit is right."""
    await stage.submit(10)
    await stage.tick(100)
    await stage.submit(-10)
    await stage.tick(110)
    fills = await stage.fills()
    assert all(fill.price > 90 for fill in fills)
    bought, sold = (sum(f.price * f.quantity for f in fills if f.side == side.value) for side in Side)
    assert stage.desk.portfolio.lot("alpha", "ACME").realised == sold - bought


async def test_the_portfolio_never_goes_negative_without_credit_octobot_144(build: Any) -> None:
    """Without leverage and shorts neither money nor units below zero can come out of orders."""
    stage = await build(shorting=False, leverage=1, initial_cash="1000")
    await stage.start()
    await stage.tick(100)
    for quantity in (8, 8, -5, 20, -9):
        verdict = stage.desk.gate.review(stage.intent(quantity), stage.desk.view())
        if not isinstance(verdict, Denied):
            await stage.desk.orders.submit(verdict)
        await stage.tick(100)
        assert stage.desk.portfolio.cash >= 0
        assert stage.held("alpha") >= 0


async def test_no_price_is_no_loss_and_no_false_kill_incident_22(stage: Stage) -> None:
    """A position without a mark makes equity unknown, not small: baselines stay, and what is unknown is None."""
    await stage.submit(10)
    await stage.tick(100)
    before = stage.desk.baselines
    stage.desk.portfolio.marks.clear()
    assert stage.desk.portfolio.equity is None
    await stage.desk.roll_day()
    assert stage.desk.baselines == before
    stage.desk.portfolio.marks["ACME"] = D(100)


@pytest.mark.parametrize("multiplier", [1, 10, 1000])
async def test_value_is_units_times_price_times_contract_size_everywhere_incident_39(
    house: CountingHouse, multiplier: int
) -> None:
    """Risk's notional, the ledger's cost and equity's change use one multiplier (ccxt #16370): they cannot disagree."""
    sized = Instrument("SIZED", "USD", AssetClass.FUTURE, multiplier=D(multiplier), settlement=Settlement.MARGINED)
    ALL[sized.symbol] = sized
    try:
        await house.trade("1", 3, 50, sized.symbol)
        house.portfolio.marks[sized.symbol] = D(51)
        cost = house.balance("cost/main/alpha/SIZED", "USD")
        assert cost == sized.notional(D(3), D(50)) == 150 * multiplier
        assert house.portfolio.worth()["USD"] - 100_000 == 3 * multiplier
        await house.check()
    finally:
        await house.trade("2", -3, 50, sized.symbol)


async def test_losses_are_measured_over_restarts_incident_45(build: Any) -> None:
    """The day's loss of before a restart still counts after it."""
    limits = WIDE.model_copy(update={"daily_loss_halt_percent": D(3), "daily_loss_reduce_percent": D(2)})
    assert isinstance(limits, RiskLimits)
    stage = await build(limits=limits, initial_cash="10000")
    await stage.start()
    await stage.tick(100)
    await stage.submit(90)
    await stage.tick(100)
    start = stage.desk.baselines.day_start_equity
    await stage.crash_and_restart()
    await stage.tick(94)
    assert stage.desk.baselines.day_start_equity == start
    await stage.desk.sweep()
    assert stage.switch.state_for("main") is TradingState.HALTED


@pytest.mark.parametrize("poison", ["NaN", "Infinity", "-Infinity", "sNaN"])
async def test_no_number_that_is_none_gets_in_incident_46(house: CountingHouse, poison: str) -> None:
    """A price, a fee, a flow or a rate that is not a number is refused, and the books are as before."""
    before = dict(house.portfolio.balances)
    for wrong in (
        house.trade("1", 1, poison),
        house.trade("2", 1, 100, fee=poison),
        house.flow("f", poison, FlowKind.OTHER),
    ):
        with pytest.raises((ValueError, ArithmeticError)):
            await wrong
    with pytest.raises(ValueError, match="finite"):
        house.portfolio.rates.fix({"EUR": D(poison)})
    assert house.portfolio.balances == before
    house.portfolio.marks["EUR/USD"] = D(poison)
    assert house.portfolio.rates.rate("EUR") is None


@pytest.mark.parametrize("told", [None, D(-1), D("1.7976931348623157E+308"), D("NaN"), D("Infinity")])
def test_what_stands_for_an_unknown_fee_is_no_fee_nautilus_4230(told: Decimal | None) -> None:
    """IB says -1 or the largest double while it does not know; such a fee is pending, not posted."""
    assert known_fee(told) is None


@pytest.mark.parametrize("told", [D(0), D("-0.35"), D("1.25")])
def test_a_fee_or_a_rebate_is_what_it_is(told: Decimal) -> None:
    assert known_fee(told) == told


async def test_broken_books_are_found(house: CountingHouse) -> None:
    """Each invariant that the books alone can break names itself."""
    await house.trade("1", 2, 15_000, "FDAX")
    house.portfolio.marks["FDAX"] = D(15_000)
    portfolio = house.portfolio
    sound = dict(portfolio.balances)

    def broken(path: str, unit: str, change: int) -> set[str]:
        portfolio.load(sound)
        portfolio.apply([Entry(path, unit, D(change))])
        return {each.name for each in check_books(portfolio)}

    assert broken("cash/main", "EUR", 1) == {"CLOSED", "PROFIT"}
    assert broken("cost/main/alpha/FDAX", "EUR", -1_000_000) == {"CLOSED", "COST", "PROFIT"}
    portfolio.load(sound)
    flat = {("cost/main/alpha/FDAX", "EUR"): D(1), ("cash/main", "EUR"): D(-1)}
    assert {each.name for each in check_balances(flat)} == {"FLAT"}
