"""What has gone wrong with stops and targets elsewhere, one test each, on the real paper venue behind a bad line."""

from __future__ import annotations

import asyncio

import pytest

from core.store.models import AlertRow
from core.trading.protection.guard import Holder
from core.trading.states import OrderState
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.core.trading.exits_stage import (
    BRACKET,
    STOP,
    at_venue,
    critical,
    enter,
    exits_of,
    guarded,
    look,
    shape,
    spec,
    without,
)
from tests.core.trading.stage import dec, drop

ONLY_STOPS = {"order_types": ["market", "limit", "stop"]}
ONLY_MARKET = {"order_types": ["market", "limit"]}


async def test_an_exit_that_fills_between_two_looks_is_not_stopped_again_incident_9(build) -> None:
    """freqtrade #2799: the stop was created anew after the exit had filled, and would have sold twice."""
    stage = await guarded(build, STOP)
    await enter(stage)
    stage.strategies.want("alpha", 0.0)
    await stage.bar()  # the exit is on its way
    await stage.tick(100, spread=0)  # and fills before anybody looks
    for price in (100, 97, 97):
        await look(stage, price)
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    await stage.check()


@pytest.mark.parametrize("fault", ["no", "down", "never"])
async def test_a_flat_position_leaves_no_exit_behind_incident_10(build, fault: str) -> None:
    """freqtrade #11608: an orphan stop could open a trade. The cancel fails first, and is tried until it works."""
    stage = await guarded(build, STOP)
    await enter(stage)
    stage.broker.plan("cancel", fault, fault)
    verdict = await stage.pipeline.flatten("ACME", {"alpha": dec(-10)}, "by hand")
    stage.strategies.want("alpha", 0.0)
    assert verdict
    for _ in range(8):  # seconds
        await look(stage, 100)
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    await look(stage, 97)
    assert stage.held("alpha") == 0


async def test_a_failed_create_after_a_cancel_is_told_and_guarded_at_once_incident_11(build) -> None:
    """freqtrade #5451: between cancel and create the position was naked. Our engine takes over in the same look."""
    stage = await guarded(build, STOP)
    await enter(stage)
    without(stage, "modify")
    stage.broker.plan("place", *["no"] * 3)
    stage.strategies.instances["alpha"].exits = spec({"stop_loss": {"percent": 1}})
    await look(stage, 100)
    assert await at_venue(stage) == []
    assert await critical(stage) == ["The venue does not hold the stop 99 of 10 ACME"]
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.ENGINE
    stage.broker._plans.clear()
    await look(stage, "98.9")
    await look(stage, "98.9")
    assert stage.held("alpha") == 0


async def test_a_venue_that_recovers_holds_the_stop_again_incident_11(build) -> None:
    """Back-off, then success, told once each."""
    stage = await guarded(build, STOP)
    stage.strategies.want("alpha", 1.0)
    await stage.bar()
    stage.broker.plan("place", "no", "no")
    for _ in range(30):
        await look(stage, 100)
    assert await shape(stage) == [("stop", 10, 98)]
    assert await stage.told("protection") == [
        "The venue does not hold the stop 98 of 10 ACME",
        "The exits of 10 ACME are at the venue again",
    ]


async def test_a_stop_that_fills_in_parts_is_not_sold_twice_incident_12(build) -> None:
    """freqtrade #8374: the rest of a partly filled stop was handled as the whole."""
    stage = await guarded(build, STOP)
    await enter(stage)
    await look(stage, "97.9", volume=dec(4))
    assert stage.held("alpha") == 6
    assert await shape(stage) == [("stop", 6, 98)]
    await stage.bar()
    await look(stage, "97.8", volume=dec(3))
    await stage.crash_and_restart()
    for _ in range(3):
        await look(stage, "97.7")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    assert sum(row.quantity for row in await stage.fills() if row.side == "sell") == 10
    assert (await stage.told("exit"))[-1].startswith("Stopped out: Sold 10 ACME at 97.8")


@pytest.mark.parametrize("faults", [[], ["lost"], ["down"]])
async def test_cancel_everything_takes_conditional_orders_too_incident_38(build, faults: list[str]) -> None:
    """ccxt #13075, #27486: a kill left the stops. And a person hears what is unprotected then."""
    stage = await guarded(build, STOP)
    await enter(stage)
    await stage.switch.set(GLOBAL, TradingState.HALTED, "test", "test")
    stage.broker.plan("cancel", *faults)
    await stage.sweep("halt")
    for _ in range(3):
        await look(stage, 100)
    assert await at_venue(stage) == []
    assert await critical(stage) == ["UNPROTECTED while halted: 1 position"] or faults
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.NOBODY
    await look(stage, 90)
    assert stage.held("alpha") == 10  # HALTED means it: only a person's flatten trades
    await stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "test")
    await look(stage, 99)
    assert await shape(stage) == [("stop", 10, 98)]


async def test_what_a_halt_has_left_bare_is_told_until_it_is_over_and_again(build) -> None:
    """Nobody is reminded of a halt that has been lifted, or of what was closed meanwhile; the next one is news."""
    stage = await guarded(build, STOP)
    await enter(stage)

    async def halt_and_look(state: TradingState) -> list[str]:
        await stage.switch.set(GLOBAL, state, "test", "test")
        await look(stage, 100)
        rows = await AlertRow.filter(key__startswith="unprotected:").order_by("id")
        return [row.status for row in rows]

    assert await halt_and_look(TradingState.HALTED) == ["open"]
    assert await halt_and_look(TradingState.HALTED) == ["open"]
    assert await halt_and_look(TradingState.ACTIVE) == ["closed"]
    assert await halt_and_look(TradingState.HALTED) == ["closed", "open"]
    await stage.crash_and_restart()
    assert await halt_and_look(TradingState.ACTIVE) == ["closed", "closed"]
    assert await halt_and_look(TradingState.HALTED) == ["closed", "closed", "open"]
    await stage.pipeline.flatten("ACME", {"alpha": dec(-10)}, "by hand")
    for _ in range(3):
        await look(stage, 100)
    assert stage.held("alpha") == 0
    assert await halt_and_look(TradingState.HALTED) == ["closed"] * 3


async def test_a_resume_past_the_stop_closes_at_once_incident_38(build) -> None:
    """Protection is restored before strategies trade: what was passed meanwhile is closed, and told."""
    stage = await guarded(build, STOP)
    await enter(stage)
    await stage.switch.set(GLOBAL, TradingState.HALTED, "test", "test")
    await stage.sweep("halt")
    await look(stage, 90)
    await stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "test")
    await stage.bar()
    await look(stage, 90)
    assert stage.held("alpha") == 0
    assert (await stage.told("exit"))[0] == "Past the stop 98 while we were away: closing 10 ACME"


@pytest.mark.parametrize("options", [{}, ONLY_STOPS, ONLY_MARKET])
async def test_stop_and_target_survive_a_restart_incident_40(build, options) -> None:
    """OctoBot #3190: both were gone after a restart. Nothing is placed twice either."""
    stage = await guarded(build, BRACKET, **options)
    await enter(stage)
    before = sorted(await shape(stage), key=str)
    await stage.crash_and_restart()
    await stage.pipeline.load()
    await look(stage, 100)
    assert sorted(await shape(stage), key=str) == before
    guard = stage.pipeline.protection.guard("alpha", "ACME")
    assert (guard.stop, guard.target) == (98, 105)
    await look(stage, "105.5")
    await look(stage, "105.5")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])


async def test_a_stop_that_the_venue_has_lost_is_placed_again_incident_40(build) -> None:
    """OctoBot #1333: fewer orders than believed."""
    stage = await guarded(build, STOP)
    await enter(stage)
    (resting,) = await at_venue(stage)
    stage.broker.bend = drop
    await stage.paper.cancel_order(resting.client_order_id)
    stage.broker.bend = lambda report: [report]
    await stage.desk.reconcile()
    await look(stage, 100)
    assert await shape(stage) == [("stop", 10, 98)]
    assert len(exits_of(stage)) == 1


@pytest.mark.parametrize("lacks", [["oco"], []])
async def test_the_stop_shrinks_with_a_partial_target_incident_41(build, lacks: list[str]) -> None:
    """jesse #510: after the target had taken a part, the stop still had the whole size."""
    stage = await guarded(build, BRACKET, lacks=lacks)
    await enter(stage)
    await look(stage, "105.5", volume=dec(4))
    if lacks:
        await look(stage, "105.5", volume=dec(4))
    assert stage.held("alpha") == 6
    assert all(left <= 6 for _, left, _ in await shape(stage))
    await look(stage, "105.5")
    await look(stage, "105.5")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])


async def test_a_venue_that_refuses_stops_is_not_asked_in_a_loop_incident_41(build) -> None:
    """jesse #354: a rejected reduce-only order was sent again and again."""
    stage = await guarded(build, STOP)
    stage.strategies.want("alpha", 1.0)
    await stage.bar()
    sent = stage.broker.count("place")
    stage.broker.plan("place", *["no"] * 500)
    for _ in range(300):
        await look(stage, 100)
    assert stage.broker.count("place") - sent < 10
    assert await stage.told("protection") == ["The venue does not hold the stop 98 of 10 ACME"]


async def test_an_exit_that_is_refused_is_not_sent_in_a_loop_incident_41(build) -> None:
    """Dust that the venue will not take, say: told once, tried later and later."""
    stage = await guarded(build, STOP, **ONLY_MARKET)
    await enter(stage)
    sent = stage.broker.count("place")
    stage.broker.plan("place", *["no"] * 500)
    for _ in range(200):
        await look(stage, 97)
    assert stage.broker.count("place") - sent < 15
    assert [each for each in await critical(stage) if "NOT CLOSED" in each] == ["NOT CLOSED: 10 ACME is past its exit"]
    stage.broker._plans.clear()
    for _ in range(35):
        await look(stage, 97)
    assert stage.held("alpha") == 0


@pytest.mark.parametrize("fault", ["lost", "never"])
async def test_a_stop_in_doubt_protects_nothing_and_may_be_live(build, fault: str) -> None:
    """No second copy while it is asked about; our engine guards; both together never turn the position round."""
    stage = await guarded(build, STOP)
    stage.strategies.want("alpha", 1.0)
    await stage.bar()
    stage.broker.plan("place", fault)
    await look(stage, 100)
    assert [each.state for each in exits_of(stage)] == [OrderState.UNCERTAIN]
    assert stage.pipeline.protection.guard("alpha", "ACME").holder is Holder.ENGINE
    stage.broker.plan("cancel", "down", "down", "down")
    for _ in range(3):
        await look(stage, "97.5")
    assert stage.held("alpha") == 0
    await stage.desk.reconcile()
    for _ in range(4):
        await look(stage, "97.5")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    await stage.check()


async def test_two_exits_that_both_fill_are_told_and_the_excess_is_closed(build) -> None:
    """A venue without reduce-only lies about a cancel: the race is lost, and what was sold too much is bought back."""
    stage = await guarded(build, STOP)
    without(stage, "reduce_only", "modify")
    await enter(stage)
    assert [each.reduce_only for each in await at_venue(stage)] == [False]
    await stage.desk.orders.settle_as(exits_of(stage)[0], OrderState.CANCELLED, "the venue said so")
    stage.strategies.want("alpha", 0.0)
    await stage.bar()  # the exit leaves, the stop is still there
    await stage.tick("97.9", spread=0)
    assert stage.held("alpha") == -10
    await look(stage, "97.9")
    await look(stage, "97.9")
    assert stage.held("alpha") == 0
    assert "Two exits have filled: alpha is at -10 ACME" in await critical(stage)
    assert (await stage.told("exit"))[-1].startswith("Excess closed: Bought 10 ACME")
    for _ in range(3):
        await stage.bar()
        await look(stage, "97.9")
    assert (stage.held("alpha"), await at_venue(stage)) == (0, [])
    await stage.check()


async def test_looks_at_the_same_time_place_one_stop(build) -> None:
    """Quotes, sweeps and bars take turns."""
    stage = await guarded(build, STOP)
    stage.strategies.want("alpha", 1.0)
    await stage.bar()
    await stage.tick(100, spread=0)
    await asyncio.gather(*(stage.pipeline.keep() for _ in range(5)), stage.bar())
    assert await shape(stage) == [("stop", 10, 98)]
