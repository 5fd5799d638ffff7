"""Golden cases, worked by hand: fees, margin, liquidation, funding, interest, currencies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.account import FlowKind
from brokers.errors import Rejected
from brokers.instrument import Instrument, Settlement
from brokers.order import VenueOrderState
from brokers.simulation.fees import Fees, FeeTier, PayIn
from brokers.simulation.journal import Journal
from brokers.simulation.margin import Bracket, Margin, MarginRule
from brokers.simulation.state import Holding, NoticeKind
from brokers.simulation.terms import Funding, Interest, OtherCash
from tests.brokers.rig import DAY, FOREIGN, START, STOCK, Rig

D = Decimal
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PERPETUAL = replace(STOCK, lot=D("0.001"), tick=D("0.1"), settlement=Settlement.MARGINED)


def perpetual_rig(**terms: object) -> Rig:
    """A venue where ACME is a perpetual future."""
    rig = Rig(**{"shorting": True, **terms})
    rig.venue._instruments = {"ACME": PERPETUAL, "BNB": Instrument("BNB", "USD")}
    return rig


def trade(rig: Rig, quantity: object, price: object, **more: object) -> None:
    """A market order filled at exactly `price`."""
    rig.tick(price, price, price)
    rig.place(quantity, **more)
    rig.tick(price, price, price)


# --- fees --------------------------------------------------------------------------------------------


def test_the_tier_of_the_last_30_days_sets_the_rates_and_falls_back_when_they_are_over() -> None:
    """10 bp, from 50 000 traded 5 bp: 60 000 cost 60, the next 10 000 cost 5, 30 days after the last trade 10 again."""
    rig = Rig(fees=Fees(taker=D("0.001"), tiers=(FeeTier(D(50_000), D(0), D("0.0005")),)))
    trade(rig, 600, 100)
    trade(rig, -100, 100)
    rig.tick(100, 100, 100, after=29 * DAY)
    trade(rig, -100, 100)
    rig.tick(100, 100, 100, after=31 * DAY)
    trade(rig, -100, 100)
    assert [each.fill.fee for each in rig.journal.executions()] == [60, 5, 5, 10]


def test_fees_per_share_have_a_minimum_and_a_maximum() -> None:
    """Interactive Brokers' fixed US schedule: 0.005 a share, at least 1.00, at most 1 % of the value."""
    rig = Rig(fees=Fees(per_unit=D("0.005"), minimum=D(1), maximum=D("0.01")))
    for quantity, price in ((100, 100), (1000, 50), (1000, "0.25")):
        trade(rig, quantity, price)
    assert [each.fill.fee for each in rig.journal.executions()] == [1, 5, D("2.50")]


def test_a_fee_with_bounds_is_the_same_however_the_order_fills() -> None:
    rig = Rig(fees=Fees(per_unit=D("0.005"), minimum=D(1), maximum=D("0.01")))
    rig.tick(100, 100)
    rig.place(500)
    fees = [rig.tick(100, 100, volume=1000)[0].fills[0].fee for _ in range(5)]
    assert fees == [D(1), D(0), D("0.5"), D("0.5"), D("0.5")]
    assert sum(fees) == D("2.5")


def test_fees_in_the_venues_own_currency_leave_the_units_alone_and_fall_back_when_it_is_used_up() -> None:
    """freqtrade #5415: 10 000 at 10 bp less 25 % are 7.50, at 300 each 0.025 BNB; 0.03 BNB pay one order, not two."""
    pay_in = PayIn("BNB", "BNB", D("0.25"))
    rig = perpetual_rig(
        fees=Fees(taker=D("0.001"), pay_in=pay_in), other_cash={"BNB": OtherCash(D("0.03"), symbol="BNB")}
    )
    rig.venue._instruments = {"ACME": STOCK, "BNB": Instrument("BNB", "USD")}
    rig.tick(300, 300, 300, symbol="BNB")
    trade(rig, 100, 100)
    trade(rig, 100, 100)
    first, second = (each.fill for each in rig.journal.executions())
    assert (first.fee, first.fee_currency) == (D("0.025"), "BNB")
    assert (second.fee, second.fee_currency) == (10, "USD")
    assert rig.venue.state.cash == {"USD": D(100_000 - 20_000 - 10), "BNB": D("0.005")}
    assert rig.position() == 200


# --- margined instruments ----------------------------------------------------------------------------


def test_a_margined_trade_moves_only_profit_and_fees() -> None:
    rig = perpetual_rig(fees=Fees(taker=D("0.0005")))
    trade(rig, 10, 100)
    assert rig.cash == 100_000 - D("0.5")
    trade(rig, -4, 110)
    assert rig.cash == 100_000 - D("0.5") + 40 - D("0.22")
    info = rig.venue.account("x", rig.now)
    assert info.equity == rig.cash + 6 * 10


def test_a_flip_closes_the_old_position_and_opens_the_new_one_at_the_fills_price() -> None:
    """nautilus #1083, #963: the profit is that of the 10 closed, and the new entry is the fill's price alone."""
    rig = perpetual_rig()
    trade(rig, 10, 100)
    trade(rig, -25, 120)
    held = rig.venue.state.holdings["ACME"]
    assert (rig.cash, held.quantity, held.average_price) == (100_200, -15, 120)
    trade(rig, 15, 110)
    assert (rig.cash, rig.venue.state.holdings) == (100_350, {})


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_closing_in_parts_brings_exactly_what_closing_at_once_does(parts: int) -> None:
    """Three units at 100, 100 and 101 have no finite average; nothing may be lost by rounding it."""
    rig = perpetual_rig(max_participation=D(1))
    for price in (100, 100, 101):
        trade(rig, 7, price)
    for _ in range(parts):
        trade(rig, D(-21) / parts, 103)
    assert rig.cash == 100_000 + 21 * 103 - 7 * 301


def test_a_margined_short_profits_from_a_fall() -> None:
    rig = perpetual_rig()
    trade(rig, -10, 100)
    trade(rig, 10, 90)
    assert rig.cash == 100_100


def test_margined_positions_and_orders_lock_their_initial_margin() -> None:
    rig = perpetual_rig(leverage=D(10))
    trade(rig, 100, 100)
    assert rig.free == 99_000
    rig.place(-300, limit="100.00")
    assert rig.free == 99_000 - 3_000


# --- margin and liquidation --------------------------------------------------------------------------


def test_brackets_are_the_exchanges_maintenance_amounts() -> None:
    """Binance writes 300 000 in its third bracket as 300 000 x 1 % - 1 300 = 1 700, the sum of its three parts."""
    brackets = (Bracket(D(0), D("0.004")), Bracket(D(50_000), D("0.005")), Bracket(D(250_000), D("0.01")))
    margin = Margin(MarginRule(brackets=brackets))
    for notional, rate, amount in (
        (40_000, "0.004", 0),
        (50_000, "0.004", 0),
        (200_000, "0.005", 50),
        (300_000, "0.01", 1300),
    ):
        assert margin.maintenance("X", D(notional), D(10)) == D(notional) * D(rate) - amount


def test_without_a_rule_half_of_the_initial_margin_keeps_a_position() -> None:
    """FINRA rule 4210 with the Federal Reserve's Regulation T: 50 % to open, 25 % to keep."""
    assert Margin().maintenance("X", D(10_000), D(2)) == 2_500


def test_regulation_t_worked_by_hand() -> None:
    """200 000 of stock on 100 000: below 133 333.33 the equity is under 25 %, so 66.66 a share and not 66.67.

    At 80 the call: equity 60 000 < 1.25 x 40 000 = 50 000 is false; at 75 it is 50 000 < 46 875: false; at 70: 40 000 <
    43 750, so the call comes there. At 66 equity is 32 000 < 33 000 and all is sold at the bid.
    """
    rig = Rig(leverage=D(2))
    rig.tick(100, 100, 100)
    rig.place(2000, oid="all")
    rig.tick(100, 100, 100)
    rig.place(100, limit="50.00", oid="waiting") if rig.free > 0 else None
    for price in (80, 75):
        rig.tick(price, price, price)
    assert rig.venue.notices(LONG_AGO) == ()
    rig.tick(70, 70, 70)
    assert [notice.kind for notice in rig.venue.notices(LONG_AGO)] == [NoticeKind.MARGIN_CALL]
    rig.tick(70, 70, 70)
    reports = rig.tick(66, 66, 66)
    assert [notice.kind for notice in rig.venue.notices(LONG_AGO)] == [NoticeKind.MARGIN_CALL, NoticeKind.LIQUIDATION]
    own = reports[-1]
    assert (own.client_order_id, own.state, own.filled, own.fills[0].price) == ("", VenueOrderState.FILLED, 2000, 66)
    assert (rig.position(), rig.cash) == (0, 100_000 - 2000 * 34)
    assert own.venue_order_id == own.fills[0].venue_order_id
    assert rig.venue.fills(LONG_AGO)[-1].client_order_id == ""
    assert rig.venue.closed_orders(LONG_AGO)[-1].client_order_id == ""


def test_a_liquidation_goes_on_over_ticks_and_stops_when_the_margin_is_restored() -> None:
    """Volume allows 200 a tick. At 64 equity is 28 000: 2 000 shares need 32 000, 1 800 need 28 800, 1 600 need 25 600."""
    rig = Rig(leverage=D(2))
    trade(rig, 2000, 100)
    held = [rig.tick(64, 64, 64, volume=2000) and rig.position() for _ in range(2)]
    assert held == [1800, 1600]
    (end,) = rig.tick(64, 64, 64, volume=2000)
    assert (end.client_order_id, end.state, end.reason) == (
        "",
        VenueOrderState.CANCELLED,
        "LIQUIDATION: the margin is restored",
    )
    assert rig.position() == 1600


def test_a_margin_call_is_told_once_also_over_a_restart_and_again_after_it_was_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    rig = Rig(Journal(path, currency="USD", initial_cash=D(100_000)), leverage=D(2))
    trade(rig, 2000, 100)
    rig.tick(70, 70, 70)
    now = rig.now
    rig.journal.close()
    rig = Rig(Journal(path, currency="USD", initial_cash=D(100_000)), leverage=D(2))
    rig.now = now
    rig.tick("70.50", "70.50", "70.50")
    assert len(rig.venue.notices(LONG_AGO)) == 1
    rig.tick(100, 100, 100)
    rig.tick(70, 70, 70)
    assert [notice.kind for notice in rig.venue.notices(LONG_AGO)] == [NoticeKind.MARGIN_CALL] * 2
    rig.journal.close()


def test_a_liquidation_cancels_the_accounts_orders_first_and_costs_its_fee() -> None:
    rig = Rig(leverage=D(2), margin=Margin(liquidation_fee=D("0.01")))
    trade(rig, 1900, 100)
    rig.place(10, limit="50.00", oid="waiting", tif="gtc")
    rig.tick(60, 60, 60)
    waiting = rig.find("waiting")
    assert (waiting.state, waiting.reason) == (
        VenueOrderState.CANCELLED,
        "LIQUIDATION: the account has too little margin",
    )
    assert rig.venue.fills(LONG_AGO)[-1].fee == 1900 * 60 * D("0.01")


def test_a_liquidation_gets_what_the_accounts_own_fills_have_left_of_the_volume() -> None:
    """Of 1 000 a tenth is ours: a stop of 60 fills before the margins are looked at, and 40 are left to the venue."""
    rig = Rig(leverage=D(2))
    trade(rig, 1900, 100)
    rig.place(-60, stop="70.00", oid="stop", tif="gtc")
    rig.tick(100, 100, 100)
    rig.tick(60, 60, 60, volume=1000)
    fills = rig.venue.fills(LONG_AGO)[-2:]
    assert [(fill.client_order_id, fill.signed_quantity) for fill in fills] == [("stop", -60), ("", -40)]


def test_a_liquidation_waits_while_trading_is_halted() -> None:
    rig = Rig(leverage=D(2))
    trade(rig, 1900, 100)
    reports = rig.tick(60, 60, 60, halted=True)
    assert [(report.client_order_id, report.filled) for report in reports] == [("", 0)]
    assert rig.tick(55, 55, 55)[-1].fills[0].price == 55


def test_a_short_without_leverage_is_liquidated_and_a_gap_beyond_it_is_told_as_insolvency() -> None:
    """1 000 sold at 100 on 100 000: at 250 equity is -50 000; the venue buys, and the debt is not hidden."""
    rig = Rig(shorting=True)
    trade(rig, -1000, 100)
    rig.tick(250, 250, 250)
    assert (rig.position(), rig.cash) == (0, -50_000)
    rig.tick(250, 250, 250)
    kinds = [notice.kind for notice in rig.venue.notices(LONG_AGO)]
    assert kinds == [NoticeKind.LIQUIDATION, NoticeKind.INSOLVENCY]
    with pytest.raises(Rejected, match="INSUFFICIENT_FUNDS"):
        rig.place(1, limit="250.00")


def test_what_is_paid_in_full_is_never_liquidated() -> None:
    rig = Rig()
    trade(rig, 1000, 100)
    rig.tick("0.01", "0.02", "0.01")
    assert rig.position() == 1000
    assert rig.venue.notices(LONG_AGO) == ()


def test_an_instrument_with_its_own_initial_margin_counts_by_it() -> None:
    """30 % on an account of leverage 2: 100 000 carry 333 333 of it."""
    rig = Rig(leverage=D(2), margin=Margin(by_symbol={"ACME": MarginRule(initial=D("0.3"), maintenance=D("0.2"))}))
    rig.tick(100, 100, 100)
    with pytest.raises(Rejected, match="INSUFFICIENT_FUNDS"):
        rig.place(3334)
    rig.place(3333)
    rig.tick(100, 100, 100)
    info = rig.venue.account("x", rig.now)
    assert (info.initial_margin, info.maintenance_margin) == (D("99990"), D("66660"))


# --- funding and interest ----------------------------------------------------------------------------


def funded(**terms: object) -> Rig:
    return perpetual_rig(funding={"ACME": Funding(D("0.0001"))}, **terms)


def test_longs_pay_funding_at_its_times_on_the_value_before_them() -> None:
    """START is 15:00; at 16:00 ten units at 100 cost 0.10; eight hours later, after a rise, 0.11."""
    rig = funded()
    trade(rig, 10, 100)
    rig.tick(110, 110, 110, after=timedelta(hours=2))
    assert rig.cash == 100_000 - D("0.1")
    rig.tick(120, 120, 120, after=timedelta(hours=8))
    flows = rig.venue.flows(LONG_AGO)
    assert [(flow.amount, flow.at.hour, flow.symbol, flow.kind) for flow in flows] == [
        (D("-0.1"), 16, "ACME", FlowKind.FUNDING),
        (D("-0.11"), 0, "ACME", FlowKind.FUNDING),
    ]
    assert len({flow.flow_id for flow in flows}) == 2
    assert rig.cash == 100_000 + sum(flow.amount for flow in flows)


def test_shorts_receive_what_longs_pay() -> None:
    rig = funded()
    trade(rig, -10, 100)
    rig.tick(100, 100, 100, after=timedelta(hours=2))
    assert rig.cash == 100_000 + D("0.1")


def test_funding_is_never_counted_twice_whatever_is_filled_around_it() -> None:
    """freqtrade #13102: a partial exit at the very tick of a payment, repeated ticks, and an exit after it."""
    rig = funded()
    trade(rig, 10, 100)
    rig.place(-4)
    for _ in range(3):
        rig.tick(100, 100, 100, after=START.replace(hour=16) - rig.now)
    rig.tick(100, 100, 100)
    trade(rig, -6, 100)
    assert [flow.amount for flow in rig.venue.flows(LONG_AGO)] == [D("-0.1")]
    assert rig.cash == 100_000 - D("0.1")


def test_funding_is_rounded_to_8_decimals_against_the_account() -> None:
    """0.001 units at 33.3 with 1.2345 basis points are 0.000004110885: a long pays more, a short gets less."""
    amounts = []
    for quantity in ("0.001", "-0.001"):
        rig = perpetual_rig(funding={"ACME": Funding(D("0.00012345"))})
        rig.venue._instruments = {"ACME": replace(PERPETUAL, min_notional=D(0))}
        trade(rig, quantity, "33.3")
        rig.tick("33.3", "33.3", "33.3", after=timedelta(hours=2))
        amounts.append(rig.venue.flows(LONG_AGO)[0].amount)
    assert amounts == [D("-0.00000412"), D("0.00000411")]


def test_missed_times_of_funding_are_all_paid() -> None:
    rig = funded()
    trade(rig, 10, 100)
    rig.tick(100, 100, 100, after=DAY)
    assert [flow.at.hour for flow in rig.venue.flows(LONG_AGO)] == [16, 0, 8]


def test_interest_is_charged_at_midnight_on_debts_and_shorts() -> None:
    """100 000 borrowed at 7.3 % and, elsewhere, 36 500 sold short at 1 %: 20 and 1 a day."""
    rig = Rig(leverage=D(2), interest=Interest(cash=D("0.073")))
    trade(rig, 2000, 100)
    rig.tick(100, 100, 100, after=DAY)
    assert [(flow.kind, flow.amount) for flow in rig.venue.flows(LONG_AGO)] == [(FlowKind.INTEREST, -20)]
    rig = Rig(shorting=True, interest=Interest(short=D("0.01")))
    trade(rig, -365, 100)
    rig.tick(100, 100, 100, after=2 * DAY)
    assert [flow.amount for flow in rig.venue.flows(LONG_AGO)] == [-1, -1]


# --- deposits and currencies -------------------------------------------------------------------------


def test_deposits_and_withdrawals_are_flows_and_only_free_money_leaves() -> None:
    rig = Rig()
    trade(rig, 500, 100)
    assert rig.venue.transfer("USD", D(1000), rig.now).kind is FlowKind.DEPOSIT
    assert rig.venue.transfer("USD", D(-500), rig.now).kind is FlowKind.WITHDRAWAL
    with pytest.raises(Rejected, match="INSUFFICIENT_FUNDS"):
        rig.venue.transfer("USD", D("-50500.01"), rig.now)
    with pytest.raises(Rejected, match="CURRENCY_MISMATCH"):
        rig.venue.transfer("EUR", D(1), rig.now)
    assert [flow.amount for flow in rig.venue.flows(LONG_AGO)] == [1000, -500]
    assert rig.cash == 50_500


def test_money_that_a_position_needs_as_margin_does_not_leave() -> None:
    rig = perpetual_rig(leverage=D(10))
    trade(rig, 5000, 100)
    with pytest.raises(Rejected, match="INSUFFICIENT_FUNDS"):
        rig.venue.transfer("USD", D(-50_001), rig.now)
    rig.venue.transfer("USD", D(-50_000), rig.now)


def test_instruments_of_another_currency_are_paid_from_its_balance() -> None:
    rig = Rig(other_cash={"EUR": OtherCash(D(1000), rate=D("1.10"))})
    rig.tick(100, 100, 100, symbol="SAP")
    with pytest.raises(Rejected, match="all buys need 1100 EUR, the balance is 1000"):
        rig.place(11, instrument=FOREIGN)
    rig.place(9, instrument=FOREIGN)
    rig.tick(105, 105, 105, symbol="SAP")
    assert rig.venue.state.cash == {"USD": D(100_000), "EUR": D(55)}
    info = rig.venue.account("x", rig.now)
    assert info.equity == 100_000 + (55 + 945) * D("1.1")
    assert info.balances["EUR"].total == 55


def test_a_foreign_buy_is_clipped_when_the_price_runs_away() -> None:
    rig = Rig(other_cash={"EUR": OtherCash(D(1000))})
    rig.tick(100, 100, 100, symbol="SAP")
    rig.place(10, instrument=FOREIGN)
    rig.tick(150, 150, 150, symbol="SAP")
    assert rig.venue.state.cash["EUR"] == 100
    assert rig.position("SAP") == 6


def test_a_rate_can_come_from_the_market() -> None:
    rig = Rig(other_cash={"EUR": OtherCash(D(1000), rate=D(1), symbol="OTHR")})
    assert rig.venue.account("x", rig.now).equity == 101_000
    rig.tick("1.20", "1.20", "1.20", symbol="OTHR")
    assert rig.venue.account("x", rig.now).equity == 101_200


def test_the_cost_of_a_holding_of_an_old_journal_is_its_average() -> None:
    held = Holding(PERPETUAL, D(10), D(100))
    assert held.realised(D(-4), D(110)) == 40
    assert held.after(D(-4), D(110)).open_cost == 600
