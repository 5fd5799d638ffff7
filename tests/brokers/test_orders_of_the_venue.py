"""Take-profits, trailing stops, times of expiry, groups, reduce-only, races, and orders that would meet each other."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from brokers.errors import Rejected
from brokers.order import OrderType, VenueOrderState
from brokers.simulation.latency import Latency
from brokers.simulation.sessions import Sessions
from brokers.simulation.source import Phase
from brokers.simulation.terms import FillMode, SelfTrade, VenueLimits
from tests.brokers.rig import DAY, OTHER, START, Rig

D = Decimal
MS = timedelta(milliseconds=1)


def states(rig: Rig, *orders: str) -> list[str]:
    return [rig.find(order).state.value for order in orders]


# --- triggers ----------------------------------------------------------------------------------------


def test_a_take_profit_wakes_on_the_winning_side(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, profit="105.00", oid="profit")
    assert rig.at_price("104.99") == []
    woken, fill = rig.at_price("105.00")
    assert (woken.reason, fill.fills[0].price) == ("the take-profit was triggered", D("104.99"))


def test_a_take_profit_buy_waits_for_a_lower_price(rig: Rig) -> None:
    rig.place(10, profit="95.00")
    assert rig.at_price("95.01") == []
    assert rig.at_price("95.00")[-1].state is VenueOrderState.FILLED


def test_a_take_profit_limit_rests_when_the_price_has_gone(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, profit="105.00", limit="106.00", oid="profit")
    assert len(rig.at_price("105.00")) == 1
    assert rig.at_price("106.01") == []
    assert rig.at_price("106.02")[0].fills[0].price == 106


@pytest.mark.parametrize(
    ("distance", "triggers"), [({"trail": 2}, (98, 103, 103)), ({"trail_percent": 10}, (90, "94.5", "94.5"))]
)
def test_a_trailing_stop_follows_the_best_price_and_never_goes_back(rig: Rig, distance: dict, triggers: tuple) -> None:
    rig.hold(10)
    rig.at_price(100)
    rig.place(-10, oid="trail", **distance)
    told = [rig.find("trail").stop_price]
    for price in (105, "103.50"):
        rig.at_price(price)
        told.append(rig.find("trail").stop_price)
    assert told == [D(str(trigger)) for trigger in triggers]
    fall = triggers[-1]
    woken, fill = rig.at_price(fall)
    assert woken.reason == "the stop was triggered"
    assert fill.fills[0].price == D(str(fall)) - D("0.01")


def test_a_trailing_buy_follows_downwards() -> None:
    rig = Rig(shorting=True)
    rig.hold(-10)
    rig.at_price(100)
    rig.place(10, trail=2, oid="trail")
    for price in (95, 96):
        rig.at_price(price)
        assert rig.find("trail").stop_price == 97
    assert rig.at_price(97)[-1].state is VenueOrderState.FILLED


def test_a_trailing_stop_cannot_be_moved_by_hand(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, trail=2, oid="trail")
    with pytest.raises(Rejected, match="INVALID_ORDER"):
        rig.modify("trail", stop="99.00")


def test_a_trigger_can_be_moved_until_it_was_reached(rig: Rig) -> None:
    rig.hold(10)
    rig.place(-10, stop="95.00", limit="80.00", oid="stop")
    assert rig.modify("stop", stop="90.00").stop_price == 90
    assert rig.at_price("94.00") == []
    rig.at_price("90.00", halted=True)
    assert rig.at_price("90.00")[-1].state is VenueOrderState.FILLED
    with pytest.raises(Rejected, match="ORDER_CLOSED"):
        rig.modify("stop", stop="85.00")


def test_a_gtd_order_ends_at_its_time_before_it_could_fill(rig: Rig) -> None:
    rig.place(10, limit="99.00", tif="gtd", expires_at=START + timedelta(hours=1), oid="gtd")
    rig.at_price(100, after=timedelta(minutes=50))
    (end,) = rig.at_price(90, after=timedelta(minutes=20))
    assert (end.state, end.filled, end.reason) == (VenueOrderState.EXPIRED, 0, "its time is over")


def test_time_passes_with_the_ticks_of_other_instruments_too(rig: Rig) -> None:
    rig.place(10, limit="99.00", tif="gtd", expires_at=START + timedelta(hours=1), oid="gtd")
    rig.at_price(50, symbol="OTHR", after=timedelta(hours=2))
    assert states(rig, "gtd") == ["expired"]


def test_a_time_of_expiry_that_is_past_is_refused(rig: Rig) -> None:
    with pytest.raises(Rejected, match="INVALID_ORDER"):
        rig.place(10, limit="99.00", tif="gtd", expires_at=rig.now)


# --- groups ------------------------------------------------------------------------------------------


def bracket(rig: Rig, quantity: int = 100) -> None:
    rig.hold(quantity)
    rig.place(-quantity, limit="110.00", oid="profit", oco_group="exit", tif="gtc")
    rig.place(-quantity, stop="90.00", oid="stop", oco_group="exit", tif="gtc")
    rig.at_price(100)


def test_a_group_needs_its_position_once_and_filling_one_ends_the_other(rig: Rig) -> None:
    bracket(rig)
    fill, end = rig.at_price("110.02")
    assert (fill.client_order_id, fill.state) == ("profit", VenueOrderState.FILLED)
    assert (end.client_order_id, end.state, end.reason) == (
        "stop",
        VenueOrderState.CANCELLED,
        "OCO: another order of the group was filled",
    )
    rig.at_price("80.00")
    assert rig.position() == 0


def test_a_partial_fill_takes_as_much_from_the_others(rig: Rig) -> None:
    bracket(rig)
    fill, less = rig.at_price("110.02", volume=300)
    assert (fill.filled, less.quantity, less.reason) == (30, 70, "OCO: another order of the group was filled in part")
    *_, last = rig.at_price("89.00")
    assert (rig.find("stop").filled, rig.position(), last.state) == (70, 0, VenueOrderState.CANCELLED)
    assert states(rig, "profit", "stop") == ["cancelled", "filled"]


def test_cancelling_one_of_a_group_leaves_the_others(rig: Rig) -> None:
    bracket(rig)
    rig.cancel("profit")
    assert rig.at_price("89.00")[-1].state is VenueOrderState.FILLED


def test_a_group_trades_one_instrument(rig: Rig) -> None:
    rig.at_price(50, symbol="OTHR")
    rig.place(1, limit=90, oco_group="g")
    with pytest.raises(Rejected, match="one instrument"):
        rig.place(1, limit=40, oco_group="g", instrument=OTHER)


def test_another_sell_finds_what_the_group_leaves(rig: Rig) -> None:
    """A group of two over 60 of 100 holds back 60, not 120."""
    rig.hold(100)
    rig.place(-60, limit="110.00", oco_group="exit")
    rig.place(-60, stop="90.00", oco_group="exit")
    with pytest.raises(Rejected, match="free to sell is 40"):
        rig.place(-41)
    rig.place(-40)


def test_a_group_of_buys_needs_money_once(rig: Rig) -> None:
    rig.place(900, limit="99.00", oco_group="entry")
    rig.place(900, stop="105.00", oco_group="entry")
    assert rig.free == 100_000 - 900 * 105
    with pytest.raises(Rejected, match="INSUFFICIENT_FUNDS"):
        rig.place(900, limit="98.00")


# --- reduce-only -------------------------------------------------------------------------------------


def test_a_reduce_only_order_shrinks_with_the_holding(rig: Rig) -> None:
    rig.hold(100)
    rig.place(-100, stop="90.00", reduce_only=True, oid="stop", tif="gtc")
    rig.place(-60, oid="exit")
    _, less = rig.at_price(100)
    assert (less.client_order_id, less.quantity, less.reason) == ("stop", 40, "REDUCE_ONLY: the holding is smaller")
    rig.place(-40, oid="rest")
    _, end = rig.at_price(100)
    assert (end.client_order_id, end.state) == ("stop", VenueOrderState.CANCELLED)


# --- messages on their way ---------------------------------------------------------------------------


def test_a_cancel_on_its_way_can_lose_against_a_fill() -> None:
    rig = Rig(latency=Latency(cancel=100 * MS))
    rig.at_price(100)
    rig.place(10, limit="99.00")
    rig.at_price(100)
    told = rig.cancel()
    assert (told.state, told.reason) == (VenueOrderState.WORKING, "CANCEL_PENDING: the cancel is on its way")
    (fill,) = rig.at_price("98.00", after=100 * MS)
    assert fill.state is VenueOrderState.FILLED
    with pytest.raises(Rejected, match="ORDER_CLOSED"):
        rig.cancel()


def test_a_cancel_that_arrives_in_time_wins_and_asking_twice_is_one_cancel() -> None:
    rig = Rig(latency=Latency(cancel=100 * MS))
    rig.at_price(100)
    rig.place(10, limit="99.00")
    rig.cancel()
    rig.cancel()
    (end,) = rig.at_price("98.00", after=101 * MS)
    assert (end.state, end.filled) == (VenueOrderState.CANCELLED, 0)


def test_a_change_on_its_way_leaves_the_order_as_it_was_until_then() -> None:
    rig = Rig(latency=Latency(modify=100 * MS))
    rig.at_price(100)
    rig.place(10, limit="99.00")
    rig.at_price(100)
    rig.modify(limit="90.00")
    (fill,) = rig.at_price("98.00", after=50 * MS)
    assert (fill.state, fill.fills[0].price) == (VenueOrderState.FILLED, 99)


def test_two_changes_on_their_way_are_both_made() -> None:
    rig = Rig(latency=Latency(modify=100 * MS))
    rig.at_price(100)
    rig.place(10, limit="99.00")
    rig.modify(quantity=20)
    rig.modify(limit="98.00")
    rig.at_price(100)
    assert (rig.find().quantity, rig.find().limit_price) == (20, 98)


def test_a_change_without_content_is_refused_also_on_top_of_one_that_is_on_its_way() -> None:
    rig = Rig(latency=Latency(modify=100 * MS))
    rig.at_price(100)
    rig.place(10, limit="99.00")
    rig.modify(quantity=20)
    with pytest.raises(Rejected, match="INVALID_ORDER"):
        rig.modify()


def test_a_change_that_breaks_a_rule_when_it_arrives_is_refused_then() -> None:
    rig = Rig(latency=Latency(modify=100 * MS))
    rig.at_price(100)
    rig.place(100, limit="99.00")
    rig.at_price(100)
    rig.modify(quantity=20)
    fill, refusal = rig.at_price("98.00", after=50 * MS, volume=300), rig.at_price("99.50", after=51 * MS)
    assert fill[0].filled == 30
    assert refusal[0].reason.startswith("MODIFY_REJECTED: QUANTITY_BELOW_FILLED")
    assert rig.find().quantity == 100


def test_the_jitter_of_a_message_is_the_same_in_every_run_and_another_with_another_seed() -> None:
    one = Latency(place=5 * MS, jitter=100 * MS, seed=1)
    drawn = [one.of_place(f"o{n}") for n in range(200)]
    assert drawn == [one.of_place(f"o{n}") for n in range(200)]
    assert drawn != [Latency(place=5 * MS, jitter=100 * MS, seed=2).of_place(f"o{n}") for n in range(200)]
    assert 5 * MS <= min(drawn) < 15 * MS
    assert 95 * MS < max(drawn) <= 105 * MS


# --- orders that would meet each other ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "resting", "newest"),
    [
        (SelfTrade.CANCEL_NEWEST, "working", "cancelled"),
        (SelfTrade.CANCEL_OLDEST, "cancelled", "filled"),
        (SelfTrade.CANCEL_BOTH, "cancelled", "cancelled"),
    ],
)
def test_own_orders_never_trade_with_each_other(mode: SelfTrade, resting: str, newest: str) -> None:
    rig = Rig(shorting=True, self_trade=mode)
    rig.tick("99.00", "101.00")
    rig.place(10, limit="100.00", oid="bid")  # inside the spread: the best bid of all
    rig.tick("99.00", "101.00")
    rig.place(-10, oid="sell")
    rig.tick("99.00", "101.00")
    assert states(rig, "bid", "sell") == [resting, newest]


def test_a_limit_that_crosses_an_own_resting_one_is_a_self_trade_too() -> None:
    rig = Rig(shorting=True)
    rig.tick("99.00", "101.00")
    rig.place(10, limit="100.00", oid="bid")
    rig.tick("99.00", "101.00")
    rig.place(-10, limit="100.00", oid="ask")
    (end,) = rig.tick("99.00", "101.00")
    assert (end.client_order_id, end.reason) == ("ask", "SELF_TRADE: it would meet an order of this account")


def test_own_orders_apart_from_each_other_both_live() -> None:
    rig = Rig(shorting=True)
    rig.tick("99.00", "101.00")
    rig.place(10, limit="98.00", oid="bid")
    rig.place(-10, limit="102.00", oid="ask")
    rig.place(-5, oid="sell")
    rig.tick("99.00", "101.00")
    assert states(rig, "bid", "ask", "sell") == ["working", "working", "filled"]


# --- hours, limits, fill modes -----------------------------------------------------------------------

NEW_YORK = ZoneInfo("America/New_York")
HOURS = {day: ((time(9, 30), time(16)),) for day in range(5)}


def test_nothing_trades_outside_the_hours_and_a_day_order_waits_for_the_next_session() -> None:
    rig = Rig(sessions=Sessions(NEW_YORK, HOURS, frozenset({datetime(2024, 3, 6).date()})))
    rig.now = datetime(2024, 3, 5, 21, 30, tzinfo=UTC)  # Tuesday, after the close in New York
    rig.at_price(100)
    rig.place(10, oid="day")
    rig.place(10, oid="ioc", tif="ioc")
    (end,) = rig.at_price(101)
    assert (end.client_order_id, end.reason) == ("ioc", "the market is closed")
    assert rig.at_price(102, after=timedelta(hours=17)) == []  # Wednesday 09:30:02, but a holiday
    (fill,) = rig.at_price(103, after=DAY)
    assert fill.fills[0].price == D("103.01")


def test_a_trading_day_ends_at_midnight_of_the_venues_zone() -> None:
    """Midnight UTC is in the middle of the afternoon session of Los Angeles."""
    rig = Rig(sessions=Sessions(ZoneInfo("America/Los_Angeles")))
    rig.now = datetime(2024, 3, 5, 23, 59, tzinfo=UTC)
    rig.at_price(100)
    rig.place(10, limit="90.00")
    rig.at_price(100)
    assert rig.at_price(100, after=timedelta(hours=2)) == []
    assert rig.at_price(100, after=timedelta(hours=7))[0].state is VenueOrderState.EXPIRED


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"quantity": 101, "limit": 100}, "LOT_SIZE"),
        ({"quantity": 100, "limit": "100.01"}, "MAX_NOTIONAL"),
        ({"quantity": 1, "limit": "94.99"}, "PERCENT_PRICE"),
        ({"quantity": 1, "stop": "105.01"}, "PERCENT_PRICE"),
    ],
)
def test_a_venue_refuses_what_is_too_large_or_too_far(order: dict, code: str) -> None:
    limits = VenueLimits(D(100), D(10_000), 2, D("0.05"))
    rig = Rig(limits=limits)
    rig.at_price(100)
    with pytest.raises(Rejected) as caught:
        rig.place(order.pop("quantity"), **order)
    assert caught.value.code == code


def test_a_venue_refuses_one_order_too_many() -> None:
    rig = Rig(limits=VenueLimits(max_open_orders=2))
    rig.at_price(100)
    rig.place(1, limit=99)
    rig.place(1, limit=98)
    with pytest.raises(Rejected, match="MAX_NUM_ORDERS"):
        rig.place(1, limit=97)
    rig.cancel("o1")
    rig.place(1, limit=97)


@pytest.mark.parametrize(("mode", "price"), [(FillMode.PATH, 101), (FillMode.NEXT_OPEN, 201), (FillMode.CLOSE, 104)])
def test_orders_meet_the_ticks_of_a_bar_that_the_fill_mode_names(mode: FillMode, price: int) -> None:
    rig = Rig(fill_mode=mode)
    rig.at_price(99, phase=Phase.OPEN)
    rig.place(10, tif="gtc")
    for number, phase in ((1, Phase.PATH), (2, Phase.PATH), (4, Phase.CLOSE)):
        rig.at_price(100 + number, phase=phase)
    rig.at_price(201, phase=Phase.OPEN)
    assert rig.find().fills[0].price == price + D("0.01")


def test_a_live_tick_is_met_in_every_fill_mode() -> None:
    rig = Rig(fill_mode=FillMode.CLOSE)
    rig.at_price(100)
    rig.place(10)
    assert rig.at_price(100)[0].state is VenueOrderState.FILLED


def test_ids_of_the_venues_own_orders_are_taken(rig: Rig) -> None:
    with pytest.raises(Rejected, match="INVALID_ORDER"):
        rig.place(1, oid="venue-liquidation-7")


def test_every_type_of_order_is_offered(rig: Rig) -> None:
    assert rig.terms.order_types == frozenset(OrderType)
