"""When and at which price orders fill."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.order import Liquidity, OrderReport, VenueOrderState
from brokers.simulation.latency import Latency
from brokers.simulation.slippage import Slippage, SlippageModel
from tests.brokers.rig import DAY, OTHER, START, Rig


def price_of(report: OrderReport) -> Decimal:
    (fill,) = report.fills
    return fill.price


def test_a_market_order_fills_on_the_next_tick_not_on_the_current_one(rig: Rig) -> None:
    assert rig.place(10).state is VenueOrderState.WORKING
    assert rig.venue.tick(rig.venue.state.ticks["ACME"]) == []
    (report,) = rig.tick("100.50", "100.52")
    assert (report.state, report.filled, price_of(report)) == (VenueOrderState.FILLED, 10, Decimal("100.52"))
    assert report.fills[0].liquidity is Liquidity.TAKER


def test_a_market_sell_gets_the_bid(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10)
    assert price_of(rig.tick("98.00", "98.02")[0]) == 98


def test_a_tick_from_before_the_order_fills_nothing(rig: Rig) -> None:
    """A replay that is behind with one instrument gives no look-ahead."""
    rig.tick(50, 51, symbol="OTHR")
    rig.now += timedelta(hours=1)
    rig.place(10, instrument=OTHER)
    assert rig.tick(50, 51, symbol="OTHR", after=-timedelta(minutes=30)) == []
    (report,) = rig.tick(60, 61, symbol="OTHR", after=timedelta(minutes=31))
    assert price_of(report) == 61


def test_latency_keeps_an_order_from_the_ticks_within_it() -> None:
    rig = Rig(latency=timedelta(milliseconds=100))
    rig.tick("99.99", "100.01")
    rig.place(10)
    assert rig.tick(90, 91, after=timedelta(milliseconds=100)) == []
    assert price_of(rig.tick(92, 93, after=timedelta(milliseconds=1))[0]) == 93


@pytest.mark.parametrize("ask", ["99.50", "99.51", "100.01"])
def test_a_resting_buy_does_not_fill_at_its_limit_or_above(rig: Rig, ask: str) -> None:
    rig.place(10, limit="99.50")
    rig.tick("99.99", "100.01")
    assert rig.tick("99.40", ask) == []


def test_a_resting_buy_fills_at_its_limit_as_maker_when_traded_through(rig: Rig) -> None:
    rig.place(10, limit="99.50")
    rig.tick("99.99", "100.01")
    (report,) = rig.tick("99.47", "99.49")
    assert (price_of(report), report.fills[0].liquidity) == (Decimal("99.50"), Liquidity.MAKER)


def test_a_resting_sell_fills_at_its_limit_when_traded_through(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, limit="100.50")
    rig.tick("100.49", "100.51")
    assert rig.tick("100.50", "100.52") == []
    assert price_of(rig.tick("100.51", "100.53")[0]) == Decimal("100.50")


def test_a_limit_already_traded_through_on_its_first_tick_takes_that_ticks_price(rig: Rig) -> None:
    rig.place(10, limit="101.00")
    (report,) = rig.tick("100.10", "100.12")
    assert (price_of(report), report.fills[0].liquidity) == (Decimal("100.12"), Liquidity.TAKER)


def test_a_resting_limit_gapped_through_at_the_open_fills_at_its_limit_not_better(rig: Rig) -> None:
    rig.place(10, limit="99.00", tif="gtc")
    rig.tick("99.99", "100.01")
    (report,) = rig.tick("90.00", "90.02", after=DAY)
    assert price_of(report) == 99


@pytest.mark.parametrize(
    ("model", "value", "buy", "sell"),
    [
        ("none", "0", "100.01", "99.99"),
        ("fixed", "0.055", "100.07", "99.93"),
        ("ticks", "3", "100.04", "99.96"),
        ("percent", "10", "100.12", "99.89"),
    ],
)
def test_slippage_is_always_against_the_taker(model: str, value: str, buy: str, sell: str) -> None:
    rig = Rig(slippage=Slippage(SlippageModel(model), Decimal(value)))
    rig.tick("99.99", "100.01")
    rig.place(10)
    assert price_of(rig.tick("99.99", "100.01")[0]) == Decimal(buy)
    rig.place(-10)
    assert price_of(rig.tick("99.99", "100.01")[0]) == Decimal(sell)


def test_slippage_never_goes_beyond_a_limit() -> None:
    rig = Rig(slippage=Slippage(SlippageModel.FIXED, Decimal(5)))
    rig.tick("99.99", "100.01")
    rig.place(10, limit="100.02")
    assert price_of(rig.tick("99.99", "100.01")[0]) == Decimal("100.02")


def test_slippage_never_takes_a_price_below_one_tick() -> None:
    rig = Rig(slippage=Slippage(SlippageModel.FIXED, Decimal(5)))
    rig.tick("1.00", "1.02")
    rig.place(2000)
    rig.tick("1.00", "1.02")
    rig.place(-2000)
    assert price_of(rig.tick("1.00", "1.02")[0]) == Decimal("0.01")


def test_a_stop_triggers_on_the_last_price_and_fills_at_that_ticks_touch(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, stop="95.00")
    assert rig.tick("95.50", "95.52", "95.51") == []
    trigger, fill = rig.tick("94.98", "95.00", "95.00")
    assert (trigger.state, trigger.reason) == (VenueOrderState.WORKING, "the stop was triggered")
    assert price_of(fill) == Decimal("94.98")


def test_the_last_price_triggers_not_the_quote(rig: Rig) -> None:
    rig.place(10, stop="100.50")
    assert rig.tick("100.40", "100.60", "100.49") == []
    assert len(rig.tick("100.40", "100.60", "100.50")) == 2


def test_a_stop_gapped_over_fills_at_the_gapped_price(rig: Rig) -> None:
    rig.place(10, stop="105.00", tif="gtc")
    _, fill = rig.tick("119.98", "120.00", after=DAY)
    assert price_of(fill) == 120


def test_a_stop_limit_gapped_beyond_its_limit_rests_and_fills_at_the_limit_later(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, stop="95.00", limit="94.00")
    (trigger,) = rig.tick("90.00", "90.02")
    assert trigger.reason == "the stop was triggered"
    assert rig.tick("94.00", "94.02") == []
    (fill,) = rig.tick("94.01", "94.03")
    assert price_of(fill) == 94


def test_a_stop_limit_takes_the_trigger_ticks_price_when_inside_its_limit(rig: Rig) -> None:
    rig.place(10, stop="105.00", limit="106.00")
    _, fill = rig.tick("104.99", "105.01", "105.00")
    assert price_of(fill) == Decimal("105.01")


def test_all_orders_of_a_tick_share_its_volume_in_order_of_arrival(rig: Rig) -> None:
    rig.place(60)
    rig.place(60)
    first, second = rig.tick("99.99", "100.01", volume=1000)
    assert (first.filled, second.filled) == (60, 40)
    assert second.state is VenueOrderState.PARTIALLY_FILLED
    (rest,) = rig.tick("99.99", "100.05", volume=1000)
    assert (rest.filled, rest.fills[0].quantity, rest.state) == (60, 20, VenueOrderState.FILLED)
    assert [fill.fill_id for fill in rig.find("o2").fills] == ["o2-1", "o2-2"]


def test_a_tick_with_too_little_volume_for_a_lot_fills_nothing(rig: Rig) -> None:
    rig.place(1)
    assert rig.tick("99.99", "100.01", volume=9) == []
    assert rig.tick("99.99", "100.01", volume=10)[0].state is VenueOrderState.FILLED


def test_an_ioc_takes_what_it_can_on_the_next_tick_and_expires(rig: Rig) -> None:
    rig.place(100, tif="ioc")
    fill, end = rig.tick("99.99", "100.01", volume=500)
    assert (fill.filled, fill.state) == (50, VenueOrderState.PARTIALLY_FILLED)
    assert (end.filled, end.state, end.fills) == (50, VenueOrderState.EXPIRED, ())


def test_an_ioc_limit_that_is_not_reached_expires_unfilled(rig: Rig) -> None:
    rig.place(100, limit="99.00", tif="ioc")
    (end,) = rig.tick("99.99", "100.01")
    assert (end.filled, end.state) == (0, VenueOrderState.EXPIRED)


def test_a_fok_fills_whole_or_not_at_all(rig: Rig) -> None:
    rig.place(100, tif="fok")
    (end,) = rig.tick("99.99", "100.01", volume=999)
    assert (end.filled, end.state) == (0, VenueOrderState.EXPIRED)
    rig.place(100, tif="fok")
    (fill,) = rig.tick("99.99", "100.01", volume=1000)
    assert fill.state is VenueOrderState.FILLED


def test_a_day_order_expires_on_the_first_tick_of_a_later_day_before_it_could_fill(rig: Rig) -> None:
    rig.place(10, limit="99.00")
    rig.tick("99.99", "100.01")
    (end,) = rig.tick("90.00", "90.02", after=DAY)
    assert (end.state, end.filled, end.reason) == (VenueOrderState.EXPIRED, 0, "the trading day is over")


def test_a_day_order_placed_after_the_close_belongs_to_the_next_session(rig: Rig) -> None:
    rig.now = START.replace(hour=21)
    rig.place(10)
    rig.place(10, limit="95.00")
    (fill,) = rig.tick("101.00", "101.02", after=timedelta(days=3))
    assert price_of(fill) == Decimal("101.02")
    assert rig.tick("96.00", "96.02", after=timedelta(hours=1)) == []
    (end,) = rig.tick("96.00", "96.02", after=DAY)
    assert (end.client_order_id, end.state) == ("o2", VenueOrderState.EXPIRED)


def test_a_gtc_order_rests_over_days(rig: Rig) -> None:
    rig.place(10, limit="99.00", tif="gtc")
    for _ in range(3):
        assert rig.tick("99.99", "100.01", after=DAY) == []
    assert rig.tick("98.00", "98.02")[0].state is VenueOrderState.FILLED


@pytest.mark.parametrize("quote", [{"halted": True}, {"crossed": True}, {"empty": True}])
def test_a_halted_crossed_or_one_sided_tick_fills_and_triggers_nothing(rig: Rig, quote: dict[str, bool]) -> None:
    rig.place(10)
    rig.place(10, stop="90.00")
    rig.place(10, tif="ioc")
    bid, ask = ("99.00", "98.00") if "crossed" in quote else ("0", "98.00") if "empty" in quote else ("98.00", "98.02")
    (end,) = rig.tick(bid, ask, 98, halted="halted" in quote)
    assert (end.client_order_id, end.state, end.reason) == (
        "o3",
        VenueOrderState.EXPIRED,
        "trading is halted",
    )
    assert len(rig.tick("99.00", "99.02")) == 3  # the market order, the trigger and its fill


def test_a_tick_at_or_before_the_last_one_is_ignored(rig: Rig) -> None:
    rig.place(10)
    rig.tick("100.00", "100.02")
    before = rig.cash
    rig.place(10)
    assert rig.tick("50.00", "50.02", after=timedelta(0)) == []
    assert rig.tick("50.00", "50.02", after=-timedelta(seconds=5)) == []
    assert rig.cash == before


def test_a_post_only_order_that_would_take_when_it_arrives_is_cancelled(rig: Rig) -> None:
    rig.place(10, limit="99.00", post_only=True)
    (end,) = rig.tick("98.00", "98.02")
    assert (end.state, end.filled, end.reason) == (VenueOrderState.CANCELLED, 0, "POST_ONLY_WOULD_TAKE")


def test_a_post_only_order_that_rests_fills_as_maker(rig: Rig) -> None:
    rig.place(10, limit="99.00", post_only=True)
    rig.tick("99.99", "100.01")
    assert rig.tick("98.00", "98.02")[0].fills[0].liquidity is Liquidity.MAKER


def test_a_new_limit_price_arrives_anew_and_may_take(rig: Rig) -> None:
    rig.place(10, limit="99.00")
    rig.tick("99.99", "100.01")
    rig.modify(limit="102.00")
    (fill,) = rig.tick("100.00", "100.02")
    assert (price_of(fill), fill.fills[0].liquidity) == (Decimal("100.02"), Liquidity.TAKER)


def test_a_new_limit_price_needs_its_time_to_the_venue() -> None:
    rig = Rig(latency=Latency(modify=timedelta(milliseconds=100)))
    rig.place(10, limit="99.00")
    rig.tick("99.99", "100.01")
    told = rig.modify(limit="102.00")
    assert (told.limit_price, told.reason) == (99, "MODIFY_PENDING: the change is on its way")
    assert rig.tick("99.99", "100.01", after=timedelta(milliseconds=100)) == []
    changed, filled = rig.tick("99.99", "100.01", after=timedelta(milliseconds=1))
    assert (changed.limit_price, changed.reason, filled.filled) == (102, "modified on request", 10)


def test_a_new_quantity_keeps_its_place(rig: Rig) -> None:
    rig.place(10, limit="99.00")
    rig.tick("99.99", "100.01")
    assert rig.modify(quantity=5).quantity == 5
    (fill,) = rig.tick("98.00", "98.02")
    assert (price_of(fill), fill.filled, fill.fills[0].liquidity) == (99, 5, Liquidity.MAKER)


def test_a_cancelled_order_never_fills(rig: Rig) -> None:
    rig.place(10)
    report = rig.cancel()
    assert (report.state, report.reason) == (VenueOrderState.CANCELLED, "cancelled on request")
    assert rig.tick("99.99", "100.01") == []


def test_a_partly_filled_order_keeps_its_fills_when_cancelled(rig: Rig) -> None:
    rig.place(100)
    rig.tick("99.99", "100.01", volume=300)
    assert rig.cancel().filled == 30
    assert rig.find().state is VenueOrderState.CANCELLED
    assert rig.position() == 30
