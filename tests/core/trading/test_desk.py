"""The desk: start, drift, halt, cancel and the kill path under failures."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.account import AccountInfo, Position
from brokers.errors import Unavailable
from brokers.order import ClientOrderId, OrderRequest, Side
from core.errors import SettingsError
from core.store.control import put_trading_state
from core.store.orders import orders_without_fees
from core.trading.states import OrderState
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.core.trading.stage import ACME, PAIR, WIDE, Stage, Strategies, dec

HALTED, REDUCING, ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE


def external(oid: str, quantity: int = 5) -> OrderRequest:
    return OrderRequest(ClientOrderId(oid), ACME, Side.BUY, Decimal(quantity))


async def fill_external(stage: Stage) -> None:
    await stage.paper.place_order(external("someone"))
    await stage.tick(100)


# --- start -----------------------------------------------------------------------------------------


async def test_a_venue_that_is_down_at_the_first_start_halts_and_crashes_nothing(build) -> None:
    stage = await build()
    stage.broker.plan("open", "down", "down")
    with pytest.raises(Unavailable):
        await stage.desk.reconcile()
    await stage.desk.halt_for("RECONCILIATION FAILED", "down")
    await stage.desk.roll_day()
    assert stage.desk.view().equity == 0
    assert (await stage.desk.sweep()).state is HALTED
    await stage.desk.reconcile()
    await stage.desk.roll_day()
    assert stage.desk.baselines.day_start_equity == 100_000
    assert stage.switch.state("account:main") is HALTED


async def test_a_position_that_was_there_before_us_is_adopted(build) -> None:
    stage = await build()
    await stage.tick(100)
    await fill_external(stage)
    assert await stage.desk.reconcile() == []
    assert stage.desk.closing() == {"ACME": {"manual": -5}}
    await stage.check()


async def test_a_symbol_that_is_held_must_stay_in_the_market(stage: Stage) -> None:
    await stage.submit(10)
    await stage.tick(100)
    stage.instruments = (PAIR,)
    stage.build()
    with pytest.raises(SettingsError, match="still holds or orders ACME"):
        await stage.desk.load()


async def test_a_strategy_that_left_the_settings_is_shown_and_flattened(stage: Stage) -> None:
    await stage.submit(10, parts={"gone": dec(10)})
    await stage.tick(100)
    assert stage.desk.closing("gone") == {"ACME": {"gone": -10}}
    await stage.pipeline.flatten("ACME", stage.desk.closing("gone")["ACME"], "test")
    await stage.tick(100)
    assert stage.held("gone") == 0
    await stage.check()


async def test_halt_and_baselines_survive_a_restart_incident_45(stage: Stage) -> None:
    await stage.switch.set(GLOBAL, HALTED, "test", "test")
    before = stage.desk.baselines
    await stage.crash_and_restart()
    assert stage.switch.state(GLOBAL) is HALTED
    assert stage.desk.baselines == before


# --- reconciliation --------------------------------------------------------------------------------


def hold(stage: Stage, units: object, cash: object = 0) -> None:
    """The venue says that it holds other things than it does."""

    def bend(info: AccountInfo) -> AccountInfo:
        usd = info.balances["USD"]
        balances = {**info.balances, "USD": replace(usd, total=usd.total + dec(cash))}
        positions = dict(info.positions)
        if dec(units):
            positions["ACME"] = Position("ACME", dec(units), dec(100))
        return replace(info, balances=balances, positions=positions)

    stage.broker.bend_account = bend


async def test_a_position_that_nobody_can_explain_may_only_be_reduced(stage: Stage) -> None:
    hold(stage, 5)
    drifts = await stage.desk.reconcile()
    assert [each.what for each in drifts] == ["ACME"]
    assert (stage.switch.state("instrument:main/ACME"), stage.desk.reconciled) == (REDUCING, False)
    assert stage.switch.state_for("main") is ACTIVE
    await stage.desk.reconcile()
    assert await stage.told("drift") == ["Books and venue disagree: ACME"]


async def test_cash_that_nobody_can_explain_makes_the_account_reducing(stage: Stage) -> None:
    hold(stage, 0, cash="-0.01")
    await stage.desk.reconcile()
    assert stage.switch.state("account:main") is REDUCING


async def test_a_real_venue_has_a_minute_to_agree(build) -> None:
    stage = await build(simulated=False)
    await stage.start()
    hold(stage, 5)
    for _ in range(2):
        await stage.desk.reconcile()
        assert stage.switch.state("instrument:main/ACME") is ACTIVE
        stage.wall.advance(59)
    await stage.desk.reconcile()
    assert stage.switch.state("instrument:main/ACME") is REDUCING


async def test_drift_that_goes_away_is_told_and_resumes_nothing(stage: Stage) -> None:
    hold(stage, 5)
    await stage.desk.reconcile()
    hold(stage, 0)
    assert await stage.desk.reconcile() == []
    assert await stage.told("drift") == ["Books and venue disagree: ACME", "No longer different: ACME"]
    assert stage.switch.state("instrument:main/ACME") is REDUCING


@pytest.mark.parametrize("call", ["open", "account", "find", "fills"])
async def test_a_failed_query_is_not_an_empty_answer_incident_31(stage: Stage, call: str) -> None:
    order = await stage.submit(10, limit=90)
    if call == "find":
        stage.broker.bend_open = lambda _: ()
    stage.broker.plan(call, "down")
    with pytest.raises(Unavailable):
        await stage.desk.reconcile()
    assert order.state is OrderState.WORKING
    assert stage.switch.state("account:main") is ACTIVE
    assert not stage.desk.reconciled


async def test_an_order_that_is_not_ours_is_told_once_and_left_alone(stage: Stage) -> None:
    await stage.paper.place_order(replace(external("someone"), quantity=Decimal(7)))
    for _ in range(2):
        await stage.desk.reconcile()
    assert await stage.told("external") == ["An order that is not ours: buy 7 ACME"]
    assert len(await stage.paper.get_open_orders()) == 1


async def test_an_order_of_somebody_for_the_whole_position_is_told_without_a_quantity(stage: Stage) -> None:
    """It has none of its own at the venue: "sell 0" would say that it does nothing."""
    await stage.paper.place_order(replace(external("someone"), quantity=Decimal(7)))
    stage.broker.bend_open = lambda reports: [replace(each, quantity=Decimal(0)) for each in reports]
    await stage.desk.reconcile()
    assert await stage.told("external") == ["An order that is not ours: buy ACME"]


async def test_reconciling_while_the_market_moves_sees_no_drift(stage: Stage) -> None:
    for _ in range(10):
        await stage.submit(1)
        _, drifts = await asyncio.gather(stage.tick(100), stage.desk.reconcile())
        assert drifts == []


async def test_a_fill_in_the_middle_of_reconciling_is_no_drift(stage: Stage, monkeypatch) -> None:
    """The venue has it at once, its report is still on the way: both must be looked at in one moment."""
    await stage.submit(1)
    moved = []

    async def fees(account: str) -> list[str]:
        moved.append(asyncio.create_task(stage.tick(100)))
        return await orders_without_fees(account)

    stage.broker.pause = 0.05
    monkeypatch.setattr("core.store.orders.orders_without_fees", fees)
    assert await stage.desk.reconcile() == []
    await asyncio.gather(*moved)
    await stage.check()


# --- the kill path ---------------------------------------------------------------------------------


async def test_everything_is_cancelled_by_the_venues_own_list_incident_38(stage: Stage) -> None:
    for _ in range(3):
        await stage.submit(1, limit=90)
    await stage.paper.place_order(external("someone"))
    report = await stage.sweep()
    assert (len(report.orders), report.summary) == (4, "main: no open orders (4 cancelled)")
    assert await stage.paper.get_open_orders() == ()


async def test_one_order_that_cannot_be_cancelled_keeps_no_other(stage: Stage) -> None:
    for _ in range(3):
        await stage.submit(1, limit=90)
    stage.broker.plan("cancel", "no", RuntimeError("a fault of ours"), *["ok"] * 9)
    assert (await stage.sweep()).is_empty
    assert await stage.paper.get_open_orders() == ()


async def test_a_venue_without_a_list_is_cancelled_by_what_we_know(stage: Stage) -> None:
    await stage.submit(1, limit=90)
    stage.broker.plan("open", *["down"] * 9)
    report = await stage.sweep(seconds=0.05)
    assert (report.is_empty, report.trouble) == (False, "open orders cannot be listed: the line is down")
    assert await stage.paper.get_open_orders() == ()


async def test_an_order_that_stays_open_is_reported_as_such(stage: Stage) -> None:
    await stage.submit(1, limit=90)
    stage.broker.plan("cancel", *["no"] * 9)
    report = await stage.sweep(seconds=0.05)
    assert report.summary == "🔴 main: KILL INCOMPLETE (1 may still be open)"
    assert report.problems == ("🔴 Buy 1 ACME at 90: NO: the venue says no",)


async def test_halting_while_an_order_is_in_flight_cancels_it(stage: Stage) -> None:
    stage.desk.sweeper.seconds = 0.1
    stage.broker.plan("place", "hang")
    sending = asyncio.create_task(stage.submit(10))
    while not stage.broker.count("place"):
        await asyncio.sleep(0.001)
    await stage.desk.halt_for("TEST", "test")
    assert "KILL INCOMPLETE: main" in await stage.told("halt")
    stage.desk.sweeper.seconds = 30.0
    stage.broker.gate.set()
    await sending
    stage.wall.advance(1)
    await stage.desk.killing.tend()
    assert await stage.paper.get_open_orders() == ()
    assert not stage.desk.orders.open_orders


@pytest.mark.parametrize("what", ["core.trading.switch.put_trading_state", "core.alerts.outbox.add_alert"])
async def test_no_failure_in_the_kill_path_leaves_it_active_incident_21(stage: Stage, monkeypatch, what: str) -> None:
    await stage.submit(1, limit=90)

    async def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(what, full)
    with pytest.raises(OSError, match="no space"):
        await stage.desk.halt_for("TEST", "test")
    assert stage.switch.state_for("main") is HALTED
    assert await stage.paper.get_open_orders() == ()
    monkeypatch.undo()
    await stage.desk.sweep()  # what could not be stored is stored as soon as it can be
    await stage.crash_and_restart()
    assert stage.switch.state_for("main") is HALTED


async def test_a_second_halt_cancels_again_and_changes_nothing_else(stage: Stage) -> None:
    await stage.desk.halt_for("TEST", "first")
    await stage.paper.place_order(external("slipped-through"))
    await stage.desk.halt_for("TEST", "second")
    assert await stage.paper.get_open_orders() == ()
    assert len(await stage.told("halt")) == 1
    assert stage.switch.settings["account:main"].reason == "first"


@pytest.mark.parametrize("head_start", [0, 1])
async def test_a_resume_that_meets_a_halt_loses_at_every_moment(stage: Stage, monkeypatch, head_start: int) -> None:
    await stage.switch.set(GLOBAL, REDUCING, "before", "x")
    seen = []

    async def put(*values: object) -> None:
        await asyncio.sleep(0.01)
        await put_trading_state(*values)
        seen.append(stage.switch.state(GLOBAL))

    monkeypatch.setattr("core.trading.switch.put_trading_state", put)
    resume = asyncio.create_task(stage.switch.set(GLOBAL, ACTIVE, "resume", "x"))
    await asyncio.sleep(0.001 * head_start)
    halt = asyncio.create_task(stage.switch.set(GLOBAL, HALTED, "halt", "x"))
    while not halt.done():
        await asyncio.sleep(0)
        seen.append(stage.switch.state(GLOBAL))
    await resume
    assert set(seen[1:]) == {HALTED}
    await stage.switch.load()
    assert stage.switch.state(GLOBAL) is HALTED


async def test_a_loss_halts_once_and_says_why(build) -> None:
    stage = await build(
        limits=WIDE.model_copy(update={"daily_loss_halt_percent": dec(5), "daily_loss_reduce_percent": dec(3)})
    )
    await stage.start()
    await stage.tick(100)
    await stage.submit(500)
    await stage.tick(100)
    for _ in range(3):
        await stage.tick(80)
        await stage.desk.sweep()
    assert stage.switch.state("account:main") is HALTED
    assert await stage.told("halt") == ["RISK BREACH: trading is HALTED"]


# --- crashes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), "lost"])
async def test_a_crash_around_sending_repeats_and_loses_nothing_incident_1_26_27(build, fault: object) -> None:
    """Killed after the commit and before the wire, or after the wire and before the answer."""
    stage = await build(strategies=Strategies("alpha"))
    await stage.start()
    await stage.tick(100)
    stage.strategies.want("alpha", 1.0)
    stage.broker.plan("place", fault)
    await asyncio.gather(stage.bar(), return_exceptions=True)
    await stage.crash_and_restart()
    for _ in range(3):
        await stage.round(100)
    assert stage.held("alpha") == 10
    assert len(await stage.fills()) == 1
    await stage.check()


async def test_fifty_open_orders_survive_a_restart_incident_26(stage: Stage) -> None:
    for _ in range(50):
        await stage.submit(1, limit=90)
    await stage.crash_and_restart()
    assert len(stage.desk.orders.open_orders) == 50
    await stage.tick(89)
    assert stage.held("alpha") == 50
    await stage.check()


async def test_restarting_in_the_middle_of_a_fill_ten_times_changes_nothing_incident_27_30(stage: Stage) -> None:
    await stage.submit(10, parts={"alpha": dec(13), "beta": dec(-3)})
    await stage.tick(100, volume=Decimal(3))
    before = dict(stage.desk.portfolio.balances)
    for _ in range(10):
        await stage.crash_and_restart()
        assert stage.desk.portfolio.balances == before
    await stage.tick(100)
    assert (stage.held("alpha"), stage.held("beta")) == (13, -3)
    await stage.check()
