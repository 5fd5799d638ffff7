"""Stops, targets, trailing and time stops over the real paper venue."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.order import OrderType
from brokers.urgency import is_urgent
from core.store.models import GoalRow, ProtectionRow
from core.trading.protection.guard import Holder
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.core.trading.exits_stage import BRACKET, STOP, at_venue, critical, enter, guarded, look, shape, spec
from tests.core.trading.stage import dec

ONLY_MARKET = {"order_types": ["market", "limit"]}
STOPS_ONLY = {"order_types": ["market", "limit", "stop"]}


async def test_a_stop_rests_at_the_venue_and_sells_when_hit(build) -> None:
    """The venue holds it; when it has filled, a person is told and nothing is bought back."""
    stage = await guarded(build, STOP)
    await enter(stage)
    assert await shape(stage) == [("stop", 10, 98)]
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.VENUE
    await look(stage, "97.9")
    assert stage.held("alpha") == 0
    assert await stage.told("exit") == ["Stopped out: Sold 10 ACME at 97.9 (stop 98)"]
    for _ in range(3):
        await stage.bar()
        await look(stage, 99)
    assert (stage.held("alpha"), await at_venue(stage), await ProtectionRow.all()) == (0, [], [])


async def test_placing_a_stop_is_urgent_and_an_entry_is_not(build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a venue's limits keep back is for that, too: questions must not use up what protects a position."""
    stage = await guarded(build, STOP)
    place, seen = stage.broker.place_order, list[tuple[OrderType, bool]]()

    async def noting(order):
        seen.append((order.type, is_urgent()))
        return await place(order)

    monkeypatch.setattr(stage.broker, "place_order", noting)
    await enter(stage)
    assert seen == [(OrderType.MARKET, False), (OrderType.STOP, True)]


@pytest.mark.parametrize("options", [ONLY_MARKET, {}])
@pytest.mark.parametrize(("units", "hit"), [(10, "97.5"), (-10, "102.5")])
async def test_the_same_stop_by_either_holder_long_and_short(build, options, units, hit) -> None:
    """Without stop orders at the venue our own engine sends a market exit."""
    stage = await guarded(build, STOP, **options)
    await enter(stage, units=units)
    await look(stage, hit)
    await look(stage, hit)
    assert stage.held("alpha") == 0
    assert len(await stage.told("exit")) == 1
    assert [order.reduce_only for order in await stage.orders()] == [False, True]
    await stage.check()


async def test_a_target_is_our_engines_where_the_venue_has_no_oco(build) -> None:
    """Stop and target together rest at the venue only if one cancels the other there."""
    stage = await guarded(build, BRACKET, lacks=["oco"])
    await enter(stage)
    assert await shape(stage) == [("stop", 10, 98)]
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.BOTH
    await look(stage, "105.1")
    await look(stage, "105.1")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    assert (await stage.told("exit"))[0].startswith("Target reached: Sold 10 ACME at 105.")


async def test_after_a_stop_the_same_wish_opens_nothing_and_a_new_one_does(build) -> None:
    """The bar is stored: a restart does not forget it."""
    stage = await guarded(build, STOP)
    await enter(stage)
    await look(stage, "97.9")
    await stage.crash_and_restart()
    await look(stage, 99)
    await stage.bar()
    await look(stage, 99)
    assert stage.held("alpha") == 0
    stage.strategies.want("alpha", 0.5)
    await stage.bar()
    await look(stage, 99)
    assert stage.held("alpha") == 5
    assert await shape(stage) == [("stop", 5, dec("97.02"))]


@pytest.mark.parametrize("options", [STOPS_ONLY, ONLY_MARKET])
async def test_a_trailing_stop_follows_the_best_price_and_survives_a_restart(build, options) -> None:
    """Its best price is stored; the order at the venue is moved."""
    stage = await guarded(build, {"trailing": {"percent": 2}}, **options)
    await enter(stage)
    await look(stage, 110)
    await look(stage, 109)
    await stage.crash_and_restart()
    assert (await ProtectionRow.get()).best == 110
    await look(stage, 109)
    assert [price for kind, _, price in await shape(stage) if kind == "stop"] == [dec("107.8")] * (
        options is STOPS_ONLY
    )
    await look(stage, "107.5")
    await look(stage, "107.5")
    assert stage.held("alpha") == 0
    assert (await stage.told("exit"))[-1].startswith("Trailing stop: Sold 10 ACME")


async def test_a_time_stop_by_bars_closes_and_counts_no_bar_twice(build) -> None:
    """A bar that is shown again after a restart is the same bar."""
    stage = await guarded(build, {"max_bars": 3})
    await enter(stage)
    for _ in range(2):
        await look(stage, 100)
        await stage.bar()
        await stage.bar()
    assert stage.pipeline.protection.guard("alpha", "ACME").bars == 2
    await look(stage, 100)
    await stage.bar()
    await look(stage, 100)
    assert stage.held("alpha") == 0
    assert (await stage.told("exit"))[0].startswith("Time is up: Sold 10 ACME at")


async def test_a_time_stop_by_hours(build) -> None:
    """Market time counts."""
    stage = await guarded(build, {"max_hours": 2})
    await enter(stage)
    stage.market_clock.advance(2 * 3600)
    await look(stage, 100)
    await look(stage, 100)
    assert stage.held("alpha") == 0


async def test_the_stop_follows_partial_fills_and_reductions(build) -> None:
    """What rests is never more than what is open, at every size on the way."""
    stage = await guarded(build, STOP)
    stage.strategies.want("alpha", 1.0)
    await stage.bar()
    await look(stage, 100, volume=dec(4))
    assert await shape(stage) == [("market", 6, None), ("stop", 4, 98)]
    await look(stage, 100)
    assert await shape(stage) == [("stop", 10, 98)]
    stage.strategies.want("alpha", 0.3)
    await stage.bar()
    assert sum(left for _, left, _ in await shape(stage)) == 10  # seven to sell now, three in the stop
    await look(stage, 100)
    assert await shape(stage) == [("stop", 3, 98)]


async def test_the_venues_part_is_capped_by_the_net_and_our_engine_guards_the_rest(build) -> None:
    """Another strategy is on the other side: the account holds less than alpha does."""
    stage = await guarded(build, STOP, "alpha", "beta")
    stage.strategies.instances["beta"].exits = spec({"stop_loss": {"percent": 50}})
    await enter(stage)
    await enter(stage, "beta", -4)
    await look(stage, 100)
    assert await shape(stage) == [("stop", 6, 98)]
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.BOTH
    for price in ("97.9", "97.9", "97.9"):
        await look(stage, price)
    assert (stage.held("alpha"), stage.held("beta")) == (0, -4)
    await stage.check()


async def test_the_stop_of_a_strategy_on_the_losing_side_of_the_net_is_our_engines(build) -> None:
    """Its exit raises the account's position: no reduce-only order can be that."""
    stage = await guarded(build, None, "alpha", "beta")
    stage.strategies.instances["beta"].exits = spec(STOP)
    await enter(stage)
    await enter(stage, "beta", -4)
    assert await shape(stage) == []
    for _ in range(2):
        await look(stage, "102.5")
    assert (stage.held("alpha"), stage.held("beta")) == (10, 0)


async def test_a_gap_past_the_stop_while_we_were_down_is_closed_at_once_and_told(build) -> None:
    """Nothing waits for the next bar."""
    stage = await guarded(build, STOP, **ONLY_MARKET)
    await enter(stage)
    await stage.crash_and_restart()
    await look(stage, 80)
    await look(stage, 80)
    assert stage.held("alpha") == 0
    told = await stage.told("exit")
    assert told[0] == "Past the stop 98 while we were away: closing 10 ACME"
    assert told[1].startswith("Stopped out: Sold 10 ACME at 80 (stop 98)")


async def test_reducing_lets_exits_work(build) -> None:
    """A stop that is hit while only exits may trade."""
    stage = await guarded(build, STOP, **ONLY_MARKET)
    await enter(stage)
    await stage.switch.set(GLOBAL, TradingState.REDUCING, "test", "test")
    await look(stage, "97.5")
    await look(stage, "97.5")
    assert stage.held("alpha") == 0


async def test_while_reducing_an_exit_goes_as_far_as_the_account_may_and_the_rest_is_told(build) -> None:
    """Closing all of alpha would turn the account round, for beta is on the other side."""
    stage = await guarded(build, STOP, "alpha", "beta", **ONLY_MARKET)
    stage.strategies.instances["beta"].exits = None
    await enter(stage)
    await enter(stage, "beta", -4)
    await stage.switch.set(GLOBAL, TradingState.REDUCING, "test", "test")
    for _ in range(4):
        await look(stage, "97.5")
    assert (stage.held("alpha"), stage.held("beta")) == (4, -4)
    assert await critical(stage) == ["NOT CLOSED: 4 ACME is past its exit"]
    await stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "test")
    for _ in range(40):
        await look(stage, "97.5")
    assert (stage.held("alpha"), stage.held("beta")) == (0, -4)
    assert await stage.told("exit") == ["Stopped out: Sold 10 ACME at 97.5 (stop 98)"]


async def test_a_strategys_own_exit_makes_room_first(build) -> None:
    """Never the stop and the exit together for more than what is open."""
    stage = await guarded(build, STOP)
    await enter(stage)
    stage.strategies.want("alpha", 0.0)
    await stage.bar()
    assert await shape(stage) == [("market", 10, None)]
    await look(stage, 97)
    assert (stage.held("alpha"), await at_venue(stage), await stage.told("exit")) == (0, [], [])


async def test_room_is_made_before_the_exit_leaves_not_after(build) -> None:
    """Looked at from the venue: when the exit arrives, the stop is gone."""
    stage = await guarded(build, STOP)
    await enter(stage)
    arrivals: list[tuple[str, Decimal]] = []
    send = stage.paper.place_order

    async def watched(order):
        arrivals.append((order.type.value, sum((each.remaining for each in await at_venue(stage)), Decimal(0))))
        return await send(order)

    stage.paper.place_order = watched
    stage.strategies.want("alpha", 0.4)
    await stage.bar()
    assert arrivals == [("market", 4)]


async def test_between_the_decision_and_the_fill_of_an_exit_nothing_is_bought_back(build) -> None:
    """A bar that ends while the exit is on its way, and a crash there: the goal is flat already."""
    stage = await guarded(build, STOP, **ONLY_MARKET)
    await enter(stage)
    await look(stage, "97.5")
    await stage.bar()
    await stage.crash_and_restart()
    await look(stage, "97.5")
    await stage.bar()
    await look(stage, "97.5")
    assert [row.side for row in await stage.orders()] == ["buy", "sell"]
    assert stage.held("alpha") == 0


async def test_an_exit_that_is_refused_restores_the_stop_in_the_same_breath(build) -> None:
    """Room was made for it, and it did not come."""
    stage = await guarded(build, STOP)
    await enter(stage)
    stage.strategies.want("alpha", 0.0)
    stage.broker.plan("place", "no")
    await stage.bar()
    assert await shape(stage) == [("stop", 10, 98)]


async def test_a_person_protects_a_position_by_hand_until_it_is_flat(build) -> None:
    """Not even the settings overrule a person."""
    stage = await guarded(build, STOP)
    await enter(stage)
    await stage.pipeline.protect("alpha", "ACME", spec({"stop_loss": {"amount": 1}}))
    await look(stage, 100)
    assert await shape(stage) == [("stop", 10, 99)]
    with pytest.raises(LookupError):
        await stage.pipeline.protect("alpha", "BTC/USD", spec(STOP))


async def test_a_bar_of_goals_is_a_row_of_its_own(build) -> None:
    """One row a strategy and symbol, and only what changes is written."""
    stage = await guarded(build, STOP, "alpha", "beta")
    await enter(stage)
    await look(stage, "97.9")
    row = await GoalRow.get(strategy="alpha")
    assert (row.quantity, row.barred) == (Decimal(0), 1.0)


async def test_a_native_trailing_stop_is_used_where_it_is_as_tight(build) -> None:
    """Only from the entry on: later ours is the tighter one."""
    stage = await guarded(build, {"trailing": {"percent": 2}})
    if OrderType.TRAILING_STOP not in stage.broker.capabilities.order_types:
        pytest.skip("this venue has none")
    await enter(stage)
    assert [kind for kind, _, _ in await shape(stage)] == ["trailing_stop"]
    await look(stage, 110)
    await look(stage, "107.5")
    await look(stage, "107.5")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])


async def test_both_legs_rest_at_a_venue_with_oco(build) -> None:
    """One fills, the venue cancels the other."""
    stage = await guarded(build, BRACKET)
    if not stage.broker.capabilities.oco:
        pytest.skip("this venue has none")
    await enter(stage)
    assert {kind for kind, _, _ in await shape(stage)} == {"stop", "take_profit"}
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.VENUE
    await look(stage, "105.5")
    await look(stage, "105.5")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    assert (await stage.told("exit"))[0].startswith("Target reached")
