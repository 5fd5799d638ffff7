"""What a person or the venue itself did: recorded once, told, left alone; and our own executions found late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.account import CashFlow, FlowKind
from brokers.errors import Unavailable
from brokers.order import ClientOrderId, Fill, OrderRequest, Side
from core.reporting import Account, performance_view
from core.store import orders as order_store
from core.store.control import add_equity, equity_of
from core.trading.ledger import EXTERNAL
from core.trading.states import OrderState
from risk.view import TradingState
from tests.core.trading.stage import ACME, WIDE, Stage, Strategies, dec


async def trade(stage: Stage, units: int = 5, name: str = "someone") -> None:
    """A person trades at the venue."""
    await stage.paper.place_order(OrderRequest(ClientOrderId(name), ACME, Side.of(dec(units)), dec(abs(units))))
    await stage.tick(100)


async def test_a_persons_trade_is_external_and_no_drift(stage: Stage) -> None:
    await stage.submit(10)
    await trade(stage)
    assert await stage.desk.reconcile() == []
    assert (stage.held("alpha"), stage.held(EXTERNAL)) == (10, 5)
    (title,) = await stage.told("external")
    assert title.startswith("Not by us: bought 5 ACME at 100.0")
    assert stage.switch.state_for("main") is TradingState.ACTIVE
    await stage.check()


async def test_it_is_recorded_once_whatever_happens_incident_27_30(stage: Stage) -> None:
    await trade(stage)
    await stage.desk.reconcile()
    before = dict(stage.desk.portfolio.balances)
    for _ in range(3):
        await stage.crash_and_restart()
        await stage.desk.reconcile()
    assert stage.desk.portfolio.balances == before
    assert len(await stage.fills()) == 1


async def test_it_is_never_traded_against(stage: Stage) -> None:
    await trade(stage)
    await stage.desk.reconcile()
    assert stage.desk.closing() == {}
    assert stage.desk.closing(EXTERNAL) == {"ACME": {EXTERNAL: -5}}


async def test_what_was_before_the_books_were_opened_is_not_counted_again(build) -> None:
    stage = await build()
    await stage.tick(100)
    await trade(stage)
    await stage.start()
    await stage.desk.reconcile()
    assert (stage.held("manual"), stage.held(EXTERNAL)) == (5, 0)
    await stage.check()


async def test_a_failed_query_loses_nothing(stage: Stage) -> None:
    await trade(stage)
    stage.broker.plan("fills", "down", "down")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await stage.desk.reconcile()
    await stage.desk.reconcile()
    assert stage.held(EXTERNAL) == 5


async def test_a_late_execution_within_the_hour_is_not_missed(stage: Stage) -> None:
    """A replica may tell an execution after newer ones: the hour before is read again."""
    await trade(stage, 5, "early")
    fills = await stage.paper.get_fills(stage.now)
    real = stage.paper.get_fills
    stage.paper.get_fills = lambda since: _without(real, since, {fills[0].fill_id})
    await trade(stage, 3, "later")
    await stage.desk.reconcile()
    assert stage.held(EXTERNAL) == 3
    stage.paper.get_fills = real
    await stage.desk.reconcile()
    assert stage.held(EXTERNAL) == 8
    await stage.check()


async def _without(read, since, hidden):  # type: ignore[no-untyped-def]
    return tuple(fill for fill in await read(since) if fill.fill_id not in hidden)


async def test_a_correction_of_a_persons_trade_replaces_it(stage: Stage) -> None:
    await trade(stage)
    await stage.desk.reconcile()
    (fill,) = await stage.paper.get_fills(stage.now)
    new = replace(fill, fill_id=f"{fill.fill_id}.02", quantity=dec(4), corrects=fill.fill_id)

    async def corrected(_since: object) -> tuple[Fill, ...]:
        return (fill, new)

    stage.paper.get_fills = corrected
    for _ in range(2):
        await stage.desk.reconcile()
    assert stage.held(EXTERNAL) == 4
    assert [row.status for row in await stage.fills()] == ["replaced", "booked"]


async def test_an_execution_of_ours_that_nobody_told_is_found_incident_34(stage: Stage) -> None:
    stage.broker.bend = lambda _: []
    order = await stage.submit(10)
    await stage.tick(100)
    await stage.desk.reconcile()
    assert (order.state, stage.held("alpha"), stage.held(EXTERNAL)) == (OrderState.FILLED, 10, 0)
    await stage.check()


async def test_a_trade_in_a_symbol_that_we_do_not_know_is_told_and_left_out(stage: Stage) -> None:
    fill = Fill(
        "x1",
        ClientOrderId(""),
        "ZZZ",
        Side.BUY,
        dec(1),
        dec(5),
        dec(0),
        "USD",
        (await _a_fill(stage)).liquidity,
        stage.market_clock.now(),
    )

    async def strange(_since: object) -> tuple[Fill, ...]:
        return (fill,)

    stage.paper.get_fills = strange
    for _ in range(2):
        await stage.desk.reconcile()
    assert (await stage.told("external"))[1:] == ["Traded at the venue in ZZZ, which is not in our market"]


async def _a_fill(stage: Stage) -> Fill:
    await trade(stage)
    await stage.desk.reconcile()
    return (await stage.paper.get_fills(stage.now))[0]


async def test_funding_and_deposits_are_booked_once(stage: Stage) -> None:
    await stage.submit(10)
    await stage.tick(100)
    at = stage.market_clock.now()
    flows = (
        CashFlow("f1", FlowKind.FUNDING, "USD", dec("-1.25"), at, "ACME"),
        CashFlow("d1", FlowKind.DEPOSIT, "USD", dec(1000), at),
    )

    async def told(since: object) -> tuple[CashFlow, ...]:
        return tuple(flow for flow in flows if flow.at >= since)

    stage.broker.capabilities = replace(stage.broker.capabilities, cash_flows=True)
    stage.paper.get_cash_flows = told
    cash = stage.desk.portfolio.cash
    for _ in range(3):
        await stage.desk.reconcile()
    assert stage.desk.portfolio.cash - cash == Decimal("998.75")


async def test_the_watermark_never_moves_past_what_is_unread(stage: Stage) -> None:
    """An hour and more later, an execution is still read if nothing newer was."""
    await trade(stage)
    stage.market_clock.advance(timedelta(hours=5).total_seconds())
    await stage.desk.reconcile()
    assert stage.held(EXTERNAL) == 5


async def test_paying_out_is_no_loss_and_paying_in_no_profit(stage: Stage) -> None:
    """Losses are measured from baselines, which move with the owner's money; after a restart too."""
    await stage.tick(100)
    await stage.desk.roll_day()
    before = stage.desk.baselines
    assert before is not None
    for amount in (-60_000, 10_000):
        await stage.paper.transfer(dec(amount))
        stage.market_clock.advance(1)
        assert await stage.desk.reconcile() == []
    await stage.crash_and_restart()
    after = stage.desk.baselines
    assert after is not None
    assert after.peak_equity == before.peak_equity - 50_000
    assert after.day_start_equity == before.day_start_equity - 50_000
    assert (await stage.desk.sweep()).state is TradingState.ACTIVE


@pytest.mark.parametrize("amount", [-80_000, 900_000])
async def test_a_loss_is_the_same_share_of_equity_after_money_has_moved(build: Any, amount: int) -> None:
    """9 % down, where 8 % reduces and 10 % halts: paying out does not halt, and paying in does not hide it."""
    percent = {"drawdown_reduce_percent": dec(8), "drawdown_halt_percent": dec(10)}
    stage = await build(strategies=Strategies("alpha"), limits=WIDE.model_copy(update=percent))
    await stage.start()
    await stage.tick(100)
    await stage.submit(900)
    await stage.tick(100)
    await stage.desk.roll_day()
    await stage.tick(90)
    await stage.submit(-900)
    await stage.tick(90)
    await stage.paper.transfer(dec(amount))
    stage.market_clock.advance(1)
    assert await stage.desk.reconcile() == []
    found = await stage.desk.sweep()
    assert (found.state, [each.code for each in found.breaches]) == (TradingState.REDUCING, ["DRAWDOWN"])


async def test_what_was_paid_out_while_we_were_away_breaks_no_limit(build: Any) -> None:
    """At the start nobody knows a price yet: what the equity was then is what we knew last."""
    percent = {"drawdown_reduce_percent": dec(8), "drawdown_halt_percent": dec(10)}
    stage = await build(strategies=Strategies("alpha"), limits=WIDE.model_copy(update=percent))
    await stage.start()
    await stage.tick(100)
    await stage.submit(400)
    await stage.tick(100)
    await stage.desk.roll_day()
    await stage.tick("77.5")
    await stage.desk.roll_day()
    await stage.paper.transfer(dec(-50_000))
    await stage.crash_and_restart()
    await stage.tick("77.5")
    found = await stage.desk.sweep()
    assert (found.state, [each.code for each in found.breaches]) == (TradingState.REDUCING, ["DRAWDOWN"])


@pytest.mark.parametrize("simulated", [True, False])
async def test_what_is_paid_in_or_out_is_no_result_in_a_report(stage: Stage, simulated: bool) -> None:
    """An account that gained nothing tells of nothing, whatever was moved; a gain is one of what was there."""
    await stage.tick(100)
    account = Account(stage.desk.portfolio, dec(0), simulated=simulated)
    for amount in (None, -60_000, 10_000):
        await stage.tick(100)
        if amount is not None:
            await stage.paper.transfer(dec(amount))
            assert await stage.desk.reconcile() == []
        await stage.tick(100)
        await add_equity({equity_of("main"): stage.desk.portfolio.equity}, stage.market_clock.now())
    figures = (await performance_view(account)).performance
    assert (figures.total_return, figures.max_drawdown) == (0, 0)
    await add_equity({equity_of("main"): dec(55_000)}, stage.market_clock.now() + timedelta(seconds=1))
    figures = (await performance_view(account)).performance
    assert figures.total_return is not None
    assert abs(figures.total_return - 0.1) < 1e-12


async def told_are(stage: Stage, *fills: Fill) -> None:
    """From now on the venue lists these executions."""

    async def listed(since: object) -> tuple[Fill, ...]:
        return tuple(fill for fill in fills if fill.at >= since)

    stage.paper.get_fills = listed
    await stage.desk.reconcile()


async def test_a_persons_correction_whose_middle_link_was_missed_does_not_double(stage: Stage) -> None:
    fill = await _a_fill(stage)
    other = replace(fill, fill_id="other", quantity=dec(1))
    third = replace(fill, fill_id=f"{fill.fill_id}.03", quantity=dec(4), corrects=f"{fill.fill_id}.02")
    await told_are(stage, fill, other)
    for _ in range(2):
        await told_are(stage, third, other)
    assert stage.held(EXTERNAL) == 5
    assert sorted(row.status for row in await stage.fills()) == ["booked", "booked", "replaced"]


async def test_what_a_list_leaves_out_is_kept_unless_something_takes_its_place(stage: Stage) -> None:
    fill = await _a_fill(stage)
    lost = replace(fill, fill_id="lost", quantity=dec(1))
    third = replace(fill, fill_id="z.03", quantity=dec(4), corrects="z.02")
    await told_are(stage, fill, lost)
    await told_are(stage, third)
    assert stage.held(EXTERNAL) == 6
    assert (await stage.told("correction")) == ["A correction is held back: external ACME"]


async def test_a_list_that_still_shows_what_was_corrected_changes_nothing(stage: Stage) -> None:
    fill = await _a_fill(stage)
    await told_are(stage, fill, replace(fill, fill_id="new", quantity=dec(4), corrects=fill.fill_id))
    await told_are(stage, fill, replace(fill, fill_id="more", quantity=dec(1)))
    assert stage.held(EXTERNAL) == 5


async def test_what_is_booked_already_costs_one_query_however_much_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await stage.submit(10)
        await stage.tick(100)
    await trade(stage)
    await stage.desk.reconcile()
    asked: list[str] = []
    for name in ("stored_fills", "known_ids", "orders_at_venue", "get_order", "fills_of", "fill_family"):
        monkeypatch.setattr(order_store, name, _counted(asked, name))
    await stage.desk._recovery._external.catch_up()
    assert asked == ["stored_fills"]
    await stage.submit(10)
    await stage.tick(100)
    assert stage.held("alpha") == 60


def _counted(asked: list[str], name: str) -> Any:
    real = getattr(order_store, name)

    def count(*args: Any) -> Any:
        asked.append(name)
        return real(*args)

    return count


async def test_figures_that_a_booked_execution_has_changed_are_seen(stage: Stage) -> None:
    fill = await _a_fill(stage)
    for price in (90, 95, 95):
        await told_are(stage, replace(fill, price=dec(price)))
    (booked,) = [row for row in await stage.fills() if row.status == "booked"]
    assert (booked.price, stage.held(EXTERNAL)) == (95, 5)


async def test_what_took_the_place_of_a_fill_is_no_earlier_link_of_another_chain(stage: Stage) -> None:
    fill = await _a_fill(stage)
    await told_are(stage, fill, replace(fill, fill_id="new", quantity=dec(4), corrects=fill.fill_id))
    await told_are(stage, fill, replace(fill, fill_id="z.03", quantity=dec(1), corrects="z.02", venue_order_id="z"))
    assert stage.held(EXTERNAL) == 5


async def test_the_fee_of_a_booked_execution_is_taken_when_it_is_told(stage: Stage) -> None:
    fill = await _a_fill(stage)
    late = replace(fill, fill_id="late", fee=None)
    await told_are(stage, fill, late)
    await told_are(stage, fill, replace(late, fee=dec(1)))
    assert {row.fill_id: row.fee for row in await stage.fills()}["late"] == 1
