"""The kill of one account under everything that venues, disks and people do at the worst moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from brokers.errors import Unavailable
from brokers.order import OrderType
from core.store.models import AlertRow, KillRow
from core.trading import sweep
from core.trading.states import OrderState
from core.trading.switch import GLOBAL, Setting
from risk.intent import Origin
from risk.view import TradingState, live_scope
from tests.core.trading.conftest import Open
from tests.core.trading.stage import Stage, dec
from tests.core.trading.test_desk import external

HALTED = TradingState.HALTED


async def kill(stage: Stage, strategy: str = "") -> Any:
    """As a person's halt does it: the state and what is owed in one commit, then the sweep."""
    killing, scope = stage.desk.killing, f"strategy:{strategy}" if strategy else GLOBAL
    killing.owe(strategy, "test", exits=True)
    await stage.switch.set(scope, HALTED, "test", "x", lambda: killing.write(strategy))
    return await killing.sweep(strategy)


async def incomplete(stage: Stage) -> int:
    return (await stage.told("halt")).count("KILL INCOMPLETE: main")


@pytest.fixture(autouse=True)
def _pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `hurry` makes of them is undone."""
    monkeypatch.setattr(sweep, "_FIRST_PAUSE", sweep._FIRST_PAUSE)


def hurry(stage: Stage, call: float = 30.0) -> None:
    """Each sweep looks twice and no more, however long that takes."""
    sweep._FIRST_PAUSE, stage.desk.sweeper.seconds, stage.desk.sweeper.call = 60.0, 30.0, call


# --- what is cancelled ---------------------------------------------------------------------------------


async def test_plain_conditional_and_unknown_orders_all_go_incident_38(stage: Stage) -> None:
    """The venue's list and ours, whatever kind of order it is."""
    await stage.submit(10)
    await stage.tick(100)
    await stage.submit(1, limit=90)
    await stage.submit(-5, type=OrderType.STOP, stop_price=dec(80), parts={"alpha": dec(-5)})
    await stage.paper.place_order(external("someone"))
    report = await kill(stage)
    assert (report.is_empty, len(report.orders)) == (True, 3)
    assert await stage.paper.get_open_orders() == ()


@pytest.mark.parametrize("fault", ["lost", "never", "down", "no", "lie", RuntimeError("our own fault")])
async def test_a_cancel_that_fails_in_any_way_is_tried_until_the_venue_is_empty(stage: Stage, fault: Any) -> None:
    """Accepted and lost, refused, or a lie: only the venue's list counts."""
    for _ in range(3):
        await stage.submit(1, limit=90)
    stage.broker.plan("cancel", fault, fault)
    report = await kill(stage)
    assert report.is_empty
    assert await stage.paper.get_open_orders() == ()
    assert report.summary == "main: no open orders (3 cancelled)"


async def test_an_order_that_fills_while_it_is_cancelled_is_told_as_filled(stage: Stage) -> None:
    """And it is in the books."""
    await stage.submit(1, limit=90)
    order = await stage.submit(2, limit=95)
    cancel = stage.broker.cancel_order

    async def fills_first(order_id: str) -> Any:
        if order_id == order.id:
            await stage.tick(94)
        return await cancel(order_id)

    stage.broker.cancel_order = fills_first  # type: ignore[method-assign]
    report = await kill(stage)
    assert report.is_empty
    assert report.summary == "main: no open orders (1 cancelled, 1 filled meanwhile)"
    assert stage.desk.portfolio.quantity("ACME") == 2


async def test_an_order_that_arrives_late_is_swept_again(stage: Stage) -> None:
    """It was on its way when the kill looked; nobody waits for it, and nobody forgets it."""
    hurry(stage, call=0.2)
    stage.broker.plan("place", "hang")
    sending = asyncio.create_task(stage.submit(1, limit=90))
    while not stage.broker.count("place"):
        await asyncio.sleep(0.001)
    stage.broker.bend_open = lambda _: ()
    assert not (await kill(stage)).is_empty
    hurry(stage)
    stage.broker.gate.set()
    await sending
    stage.broker.bend_open = lambda reports: reports
    stage.wall.advance(1)
    await stage.desk.killing.tend()
    assert await stage.paper.get_open_orders() == ()
    assert stage.desk.killing.owed == {}


async def test_a_venue_that_shows_an_order_after_it_was_empty_is_swept_again(stage: Stage) -> None:
    """A late acceptance, seconds after the kill was complete."""
    assert (await kill(stage)).is_empty
    await stage.paper.place_order(external("late"))
    stage.wall.advance(3)
    await stage.desk.killing.tend()
    assert await stage.paper.get_open_orders() == ()


async def test_after_the_first_looks_what_others_do_at_the_venue_is_left_alone(stage: Stage) -> None:
    """Whoever works in the venue's own app during a halt is not worked against, until somebody halts once more."""
    assert (await kill(stage)).is_empty
    for seconds in (3, 5):
        stage.wall.advance(seconds)
        await stage.desk.killing.tend()
    theirs = await stage.paper.place_order(external("theirs"))
    for _ in range(3):
        stage.wall.advance(30)
        await stage.desk.killing.tend()
    assert [each.client_order_id for each in await stage.paper.get_open_orders()] == [theirs.client_order_id]
    assert (await kill(stage)).is_empty
    assert await stage.paper.get_open_orders() == ()


async def test_after_a_restart_a_halt_that_owes_nothing_takes_nothing_of_others(stage: Stage) -> None:
    """It was complete before; what has come since is somebody's."""
    assert (await kill(stage)).is_empty
    await stage.crash_and_restart()
    await stage.paper.place_order(external("theirs"))
    await stage.desk.killing.tend()
    assert len(await stage.paper.get_open_orders()) == 1


async def test_an_account_that_waits_for_its_confirmation_is_not_swept(stage: Stage) -> None:
    """Nobody has halted it: what rests at the venue stays."""
    await stage.paper.place_order(external("theirs"))
    stage.switch.hold(live_scope("main"), Setting(HALTED, "nobody has confirmed it yet", "system", stage.wall.now()))
    stage.wall.advance(60)
    await stage.desk.killing.tend()
    assert len(await stage.paper.get_open_orders()) == 1


async def test_a_resume_ends_the_alert_of_an_incomplete_kill(stage: Stage) -> None:
    """Nobody need answer for what is not wanted any more."""
    hurry(stage)
    await stage.submit(1, limit=90)
    stage.broker.plan("open", *["down"] * 99)
    stage.broker.plan("cancel", *["down"] * 99)
    await kill(stage)
    assert (await AlertRow.get(title="KILL INCOMPLETE: main")).status == "open"
    await stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "x")
    await stage.desk.killing.tend()
    assert (await AlertRow.get(title="KILL INCOMPLETE: main")).status == "closed"


async def test_one_reason_for_all_is_told_once(stage: Stage) -> None:
    """A venue that takes nothing says so in one line, and each order is a short one."""
    hurry(stage)
    await stage.submit(1, limit=90)
    stage.broker.plan("open", *["down"] * 99)
    stage.broker.plan("cancel", *["down"] * 99)
    report = await kill(stage)
    assert report.problems == ("🔴 Buy 1 ACME at 90: may still be open",)
    assert report.trouble.startswith("open orders cannot be listed: ")


async def test_a_look_at_what_was_empty_that_fails_is_no_news(stage: Stage) -> None:
    """A verified kill does not become incomplete because the venue is away later."""
    await kill(stage)
    stage.broker.plan("open", *["down"] * 99)
    hurry(stage)
    stage.wall.advance(3)
    await stage.desk.killing.tend()
    assert (await incomplete(stage), stage.desk.killing.owed) == (0, {})


async def test_an_order_of_others_without_an_id_is_told_and_keeps_the_kill_incomplete(stage: Stage) -> None:
    """The venue is not empty, so nobody says that it is."""
    hurry(stage)
    await stage.paper.place_order(external("theirs"))
    stage.broker.bend_open = lambda reports: tuple(replace(each, client_order_id="") for each in reports)
    report = await kill(stage)
    assert not report.is_empty
    assert "cancel it there" in report.problems[0]


# --- a strategy ----------------------------------------------------------------------------------------


async def test_killing_a_strategy_takes_its_orders_and_its_exits_and_no_others(stage: Stage) -> None:
    """By the venue's list, too: an order that we believe over, and that the venue still has."""
    await stage.submit(10)
    await stage.tick(100)
    mine = await stage.submit(1, limit=90)
    stop = await stage.submit(-5, type=OrderType.STOP, stop_price=dec(80), origin=Origin.PROTECTION)
    other = await stage.submit(1, limit=90, parts={"beta": dec(1)})
    await stage.paper.place_order(external("someone"))
    assert (await kill(stage, "alpha")).is_empty
    assert (mine.state, stop.state, other.state) == (OrderState.CANCELLED, OrderState.CANCELLED, OrderState.WORKING)
    assert len(await stage.paper.get_open_orders()) == 2
    stage.strategies.want("alpha", 5.0)
    stage.strategies.want("beta", 1.0)
    await stage.round(100)
    assert (stage.held("alpha"), stage.held("beta")) == (10, 9)  # one more is ordered already


# --- again, and after a restart ------------------------------------------------------------------------


async def test_incomplete_is_told_every_thirty_seconds_once_for_all_reasons(stage: Stage) -> None:
    """However many strategies are killed beside the account; and told once more when it is over."""
    hurry(stage)
    await stage.submit(1, limit=90)
    stage.broker.plan("open", *["down"] * 999)
    stage.broker.plan("cancel", *["down"] * 999)
    await asyncio.gather(kill(stage), kill(stage, "alpha"), kill(stage, "beta"))
    assert await incomplete(stage) == 1
    for _ in range(60):
        stage.wall.advance(1)
        await stage.desk.killing.tend()
    assert await incomplete(stage) == 3
    stage.broker.forgive()
    stage.wall.advance(15)
    await stage.desk.killing.tend()
    assert (await stage.told("halt"))[-1] == "KILL COMPLETE: main"
    assert await KillRow.all().count() == 0


async def test_the_pauses_between_sweeps_grow_to_fifteen_seconds_and_survive_a_clock_set_back(stage: Stage) -> None:
    """A venue that is down is not hammered, and a wrong clock stops nothing."""
    hurry(stage)
    stage.broker.plan("open", *["down"] * 999)
    await kill(stage)
    asked = []
    for _ in range(60):
        before = stage.broker.count("open")
        stage.wall.advance(1)
        await stage.desk.killing.tend()
        asked.append(stage.broker.count("open") > before)
    assert [place + 1 for place, each in enumerate(asked) if each] == [1, 3, 7, 15, 30, 45, 60]
    stage.wall.advance(-3600)
    before = stage.broker.count("open")
    await stage.desk.killing.tend()
    assert stage.broker.count("open") > before


async def test_a_restart_in_the_middle_of_a_kill_goes_on_with_it(stage: Stage) -> None:
    """What is owed was stored with the halt; a flatten that was open then goes, one of later stays."""
    hurry(stage)
    await stage.submit(10)
    await stage.tick(100)
    doomed = await stage.submit(-5, limit=110, origin=Origin.FLATTEN, reduce_only=True)
    stage.broker.plan("cancel", *["down"] * 99)
    await kill(stage)
    stage.wall.advance(5)
    spared = await stage.submit(-5, limit=111, origin=Origin.FLATTEN, reduce_only=True)
    await stage.crash_and_restart()
    assert list(stage.desk.killing.owed) == [""]
    await stage.desk.killing.tend()
    assert [each.client_order_id for each in await stage.paper.get_open_orders()] == [spared.id]
    assert doomed.id not in [order.id for order in stage.desk.orders.open_orders]
    assert await KillRow.all().count() == 0


async def test_a_second_kill_while_the_first_runs_looks_once_more_and_adds_no_state(stage: Stage) -> None:
    """Both get their report; one sweep, one row."""
    await stage.submit(1, limit=90)
    first = asyncio.create_task(kill(stage))
    await asyncio.sleep(0.002)
    await stage.paper.place_order(external("between"))
    reports = await asyncio.gather(first, kill(stage))
    assert all(each.is_empty for each in reports)
    assert await stage.paper.get_open_orders() == ()
    assert await KillRow.all().count() == 0


async def test_a_kill_during_a_mere_look_is_a_sweep_of_its_own(stage: Stage) -> None:
    """The look spares a person's exit and finds nothing: that is no answer to whoever halts meanwhile."""
    await stage.submit(10)
    await stage.tick(100)
    assert (await kill(stage)).is_empty
    await stage.submit(-5, limit=110, origin=Origin.FLATTEN)
    stage.wall.advance(3)
    asked = stage.broker.count("open")
    stage.broker.plan("open", "hang")
    looking = asyncio.create_task(stage.desk.killing.tend())
    while stage.broker.count("open") == asked:
        await asyncio.sleep(0.001)
    killed = asyncio.create_task(kill(stage))
    while not stage.desk.killing.owed:
        await asyncio.sleep(0.001)
    stage.broker.gate.set()
    report = await killed
    await looking
    assert (report.is_empty, len(report.orders)) == (True, 1)
    assert await stage.paper.get_open_orders() == ()
    assert (stage.desk.killing.owed, await KillRow.all().count()) == ({}, 0)


async def test_a_person_who_halts_takes_everything_whatever_a_late_look_has_left(stage: Stage) -> None:
    """A late look takes only what is ours; a failed one leaves its errand behind."""
    stage.desk.killing.owe("", "a look", exits=False)
    stage.desk.killing.owed[""].errand.ours_only = True
    await stage.paper.place_order(external("theirs"))
    assert (await kill(stage)).is_empty
    assert await stage.paper.get_open_orders() == ()


async def test_the_alert_of_an_incomplete_kill_is_closed_even_if_that_fails_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next sweep does it; nobody is asked for ever to see to what is over."""
    hurry(stage)
    await stage.submit(1, limit=90)
    stage.broker.plan("cancel", *["down"] * 99)
    assert not (await kill(stage)).is_empty
    stage.broker.forgive()
    monkeypatch.setattr("core.store.alert_life.close", raises)
    stage.wall.advance(1)
    await stage.desk.killing.tend()
    assert await stage.paper.get_open_orders() == ()
    monkeypatch.undo()
    stage.wall.advance(15)
    await stage.desk.killing.tend()
    assert (await AlertRow.get(title="KILL INCOMPLETE: main")).status == "closed"
    assert (await stage.told("halt"))[-1] == "KILL COMPLETE: main"
    assert (stage.desk.killing.owed, await KillRow.all().count()) == ({}, 0)


async def test_whoever_waits_for_a_kill_may_be_cancelled_and_it_goes_on(stage: Stage) -> None:
    """A person's connection that ends must not end the sweep."""
    await stage.submit(1, limit=90)
    stage.broker.plan("cancel", "hang")
    waiting = asyncio.create_task(kill(stage))
    while not stage.broker.count("cancel"):
        await asyncio.sleep(0.001)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    stage.broker.gate.set()
    await stage.desk.killing.sweep()
    assert await stage.paper.get_open_orders() == ()


async def test_nothing_is_cancelled_any_more_once_trading_was_resumed(stage: Stage) -> None:
    """A sweep that is owed is not, after the resume."""
    hurry(stage)
    stage.broker.plan("open", *["down"] * 99)
    await kill(stage)
    await stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "x")
    stage.broker.forgive()
    order = await stage.submit(1, limit=90)
    stage.wall.advance(60)
    await stage.desk.killing.tend()
    assert order.state is OrderState.WORKING
    assert (stage.desk.killing.owed, await KillRow.all().count()) == ({}, 0)


# --- faults in every step ------------------------------------------------------------------------------

STEPS = (
    "core.trading.switch.put_trading_state",
    "core.trading.killing.put_kill",
    "core.trading.killing.drop_kill",
    "core.trading.killing.Killing._judge",
    "core.trading.killing.Killing._tell_incomplete",
    "core.trading.sweep._Sweep._listed",
    "core.trading.sweep._Sweep._cancel",
    "core.trading.sweep._Sweep._report",
    "core.trading.order_manager.OrderManager.cancel_at_once",
    "core.trading.cancelling._ask",
    "core.trading.beliefs.Beliefs.apply",
    "core.store.orders.update_order",
    "core.alerts.outbox.add_alert",
)


@pytest.mark.parametrize("step", STEPS)
async def test_an_exception_in_any_step_leaves_it_halted_and_the_rest_is_done_later_incident_21(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """hummingbot #2534: raise in every line of the kill path. Nothing new goes out, and it ends empty."""
    hurry(stage)
    await stage.submit(1, limit=90)

    async def fails(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(step, fails if not step.endswith("_report") else raises)
    await asyncio.gather(kill(stage), return_exceptions=True)
    assert stage.switch.state_for("main") is HALTED
    stage.strategies.want("alpha", 1.0)
    await stage.bar()
    assert stage.broker.count("place") == 1
    monkeypatch.undo()
    await stage.switch.save()
    for _ in range(3):
        stage.wall.advance(31)
        await stage.desk.killing.tend()
    assert await stage.paper.get_open_orders() == ()
    assert not stage.desk.orders.open_orders
    await stage.crash_and_restart()
    assert stage.switch.state_for("main") is HALTED


def raises(*_: object) -> None:
    raise OSError("no space left")


async def test_a_venue_that_hangs_is_left_behind_after_its_time(stage: Stage) -> None:
    """The answer comes; the order is told as unknown; nobody asks twice for what has no answer yet."""
    hurry(stage, call=0.2)
    await stage.submit(1, limit=90)
    stage.broker.plan("cancel", *["hang"] * 9)
    report = await asyncio.wait_for(kill(stage), 30)
    hurry(stage)
    assert report.problems == ("🔴 Buy 1 ACME at 90: the venue has not answered yet",)
    assert stage.broker.count("cancel") == 1
    stage.broker.gate.set()
    stage.wall.advance(1)
    await stage.desk.killing.tend()
    assert await stage.paper.get_open_orders() == ()


async def test_orders_of_a_venue_that_cannot_be_reached_are_unknown_not_gone(build: Open) -> None:
    """Not connected at all: told at once, without waiting for the time to be up."""
    stage = await build()
    await stage.start()
    await stage.tick(100)
    await stage.submit(1, limit=90)
    stage.broker.plan("open", *[Unavailable("not connected")] * 9)
    stage.broker.plan("cancel", *[Unavailable("not connected")] * 9)
    await stage.deafen()
    await stage.paper.disconnect()
    stage.desk.sweeper.seconds = 300.0
    report = await asyncio.wait_for(kill(stage), 30)
    assert not report.is_empty
    assert "not connected" in report.summary
    await stage.paper.connect()
