"""Orders as rows, and what the order manager makes of fills that change, of ids, and of orders on their way."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from tortoise.exceptions import IntegrityError

from brokers.order import ClientOrderId, Fill, OrderReport
from core.events import FillRecorded
from core.rows import order_card
from core.store import orders as order_store
from core.store.database import read_rows
from core.store.models import OrderStrategyRow
from core.trading.states import TRANSITIONS, OrderState
from risk.intent import Origin
from risk.view import TradingState
from tests.core.trading.stage import Stage, dec
from tests.databases import kind

S = OrderState


async def filled(stage: Stage, units: int = 10, **more: Any) -> tuple[Any, OrderReport, Fill]:
    order = await stage.submit(units, **more)
    await stage.tick(100)
    report = await stage.paper.find_order(order.id)
    return order, report, report.fills[0]


# --- fills that change -----------------------------------------------------------------------------


async def test_a_correction_replaces_in_books_rows_and_shares(stage: Stage) -> None:
    order, report, fill = await filled(stage, parts={"alpha": dec(7), "beta": dec(3)})
    new = replace(fill, fill_id="c.02", quantity=dec(5), price=dec(99), fee=dec(0), corrects=fill.fill_id)
    for _ in range(2):
        await stage.desk.orders.apply(replace(report, filled=dec(5), fills=(fill, new)))
    assert (order.filled, stage.held("alpha") + stage.held("beta")) == (5, 5)
    assert stage.desk.portfolio.cash == 100_000 - 5 * 99
    assert [(row.status, row.replaced_by) for row in await stage.fills()] == [("replaced", "c.02"), ("booked", "")]
    assert await stage.told("correction") == ["Fill corrected by the venue: buy 10 ACME"]


async def test_other_figures_under_the_same_id_are_a_correction_that_somebody_must_look_at(stage: Stage) -> None:
    order, report, fill = await filled(stage)
    other = replace(report, fills=(replace(fill, price=dec(90)),))
    await stage.desk.orders.apply(other)  # an old report might say that: only an answer is believed
    assert stage.desk.portfolio.lot("alpha", "ACME").cost == 10 * fill.price
    for _ in range(2):
        await stage.desk.orders.apply(other, asked=order.asked)
    assert stage.desk.portfolio.lot("alpha", "ACME").cost == 900
    assert len(await stage.fills()) == 2


async def test_a_busted_fill_leaves_nothing_behind(stage: Stage) -> None:
    _, report, fill = await filled(stage)
    for _ in range(2):
        await stage.desk.orders.apply(replace(report, filled=dec(0), fills=(), busted=(fill.fill_id,)))
    assert (stage.held("alpha"), stage.desk.portfolio.cash) == (0, 100_000)
    assert [row.status for row in await stage.fills()] == ["busted"]
    assert await stage.told("correction") == ["Fill declared void by the venue: buy 10 ACME"]


async def test_a_bust_that_nobody_told_is_found_when_the_books_differ(stage: Stage, monkeypatch) -> None:
    order, report, fill = await filled(stage)
    told = replace(report, filled=dec(0), fills=(), busted=(fill.fill_id,))

    async def find(wanted: ClientOrderId) -> OrderReport | None:
        return told if wanted == order.id else None

    async def nothing(_since: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(stage.paper, "find_order", find)
    monkeypatch.setattr(stage.paper, "get_fills", nothing)
    stage.broker.bend_account = lambda info: replace(
        info, positions={}, balances={"USD": replace(info.balances["USD"], total=dec(100_000))}
    )
    assert await stage.desk.reconcile() == []
    assert stage.held("alpha") == 0
    assert stage.switch.state_for("main", (), "ACME") is TradingState.ACTIVE


async def test_after_an_overfill_the_instrument_may_only_be_reduced(stage: Stage) -> None:
    _, report, fill = await filled(stage)
    more = replace(fill, fill_id="more", quantity=dec(3))
    await stage.desk.orders.apply(replace(report, filled=dec(13), fills=(fill, more)))
    assert stage.held("alpha") == 13
    assert stage.switch.state("instrument:main/ACME") is TradingState.REDUCING
    denied = stage.desk.gate.review(stage.intent(1), stage.desk.view())
    assert type(denied).__name__ == "Denied"
    assert (await stage.submit(-13, reduce_only=True)).state is S.WORKING


async def test_a_fill_event_says_whose_it_is(stage: Stage) -> None:
    heard: list[FillRecorded] = []

    async def hear(event: FillRecorded) -> None:
        heard.append(event)

    stage.events.subscribe(FillRecorded, hear)
    order, _, _ = await filled(stage, parts={"alpha": dec(7), "beta": dec(3)})
    (event,) = heard
    assert (event.order_id, event.allocations) == (order.id, {"alpha": 7, "beta": 3})


# --- ids -------------------------------------------------------------------------------------------


async def test_order_ids_keep_the_narrowest_rule_and_name_this_installation(stage: Stage) -> None:
    first = await stage.submit(1, limit=90)
    stage.wall._now -= (stage.wall.now() - stage.now) * 2  # the clock is set back
    second = await stage.submit(1, limit=90)
    await stage.crash_and_restart()
    await stage.tick(100)
    third = await stage.submit(1, limit=90)
    ids = [each.id for each in (first, second, third)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"qd[A-Za-z0-9_-]{30}", each) for each in ids)
    assert len({each[:6] for each in ids}) == 1


async def test_an_id_that_was_used_before_is_never_sent(stage: Stage, monkeypatch) -> None:
    monkeypatch.setattr(stage.desk.orders, "_new_id", lambda: ClientOrderId("twice"))
    await stage.submit(1, limit=90)
    with pytest.raises(IntegrityError):
        await stage.submit(1, limit=90)
    assert stage.broker.count("place") == 1


# --- on the way ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "sweep", "names"])
async def test_an_order_that_is_cancelled_while_it_is_stored_is_never_sent(stage: Stage, monkeypatch, how: str) -> None:
    storing, stored = asyncio.Event(), asyncio.Event()
    real = order_store.insert_order

    async def slow(*values: Any) -> None:
        storing.set()
        await stored.wait()
        await real(*values)

    monkeypatch.setattr("core.store.orders.insert_order", slow)
    sending = asyncio.create_task(stage.submit(10))
    await storing.wait()
    cancelling = asyncio.create_task(_cancel(stage, how))
    for _ in range(20):
        await asyncio.sleep(0.001)
    stored.set()
    order = await sending
    await asyncio.gather(cancelling, return_exceptions=True)
    assert (order.state, stage.broker.count("place")) == (S.NOT_SENT, 0)


async def _cancel(stage: Stage, how: str) -> Any:
    (order,) = stage.desk.orders.open_orders
    match how:
        case "cancel":
            return await stage.desk.orders.cancel(order.id, "test")
        case "sweep":
            return await stage.sweep("test", seconds=0)
        case _:
            return await stage.pipeline.cancel_orders_of({"alpha"}, "test")


async def test_an_order_that_is_cancelled_on_the_wire_is_cancelled_when_it_arrives(stage: Stage) -> None:
    stage.broker.plan("place", "hang")
    sending = asyncio.create_task(stage.submit(10))
    while not stage.broker.count("place"):
        await asyncio.sleep(0.001)
    (line,) = (await stage.pipeline.cancel_orders_of({"alpha"}, "test")).lines
    assert line.startswith("🔴")
    stage.broker.gate.set()
    assert (await sending).state is S.CANCELLED
    assert await stage.paper.get_open_orders() == ()


async def test_cancelling_by_name_tells_what_failed_and_leaves_others_alone(stage: Stage) -> None:
    mine = await stage.submit(1, limit=90)
    shared = await stage.submit(3, limit=90, parts={"alpha": dec(1), "beta": dec(2)})
    other = await stage.submit(1, limit=90, parts={"beta": dec(1)})
    stage.broker.plan("cancel", "down")
    failed, done = (await stage.pipeline.cancel_orders_of({"alpha"}, "test")).lines
    assert failed.startswith(f"🔴 {mine.id}")
    assert done == f"{shared.id}: cancelled"
    assert mine.state is S.CANCELLING
    again = await stage.pipeline.cancel_orders_of({"alpha"}, "test")
    assert again.lines == (f"{mine.id}: cancelled",)
    assert other.state is S.WORKING


async def test_what_a_halt_has_left_is_cancelled_again_but_not_a_persons_exits(stage: Stage) -> None:
    await stage.submit(10)
    await stage.tick(100)
    stuck = await stage.submit(1, limit=90)
    stage.desk.sweeper.seconds = 0.05
    stage.broker.plan("open", *["down"] * 9)
    stage.broker.plan("cancel", *["down"] * 9)
    await stage.desk.halt_for("TEST", "test")
    exit_order = await stage.submit(-10, limit=110, origin=Origin.FLATTEN, reduce_only=True)
    stage.broker.forgive()
    stage.desk.sweeper.seconds = 30.0
    stage.wall.advance(1)
    await stage.desk.killing.tend()
    assert (stuck.state, exit_order.state) == (S.CANCELLED, S.WORKING)
    assert (await stage.told("halt"))[1:] == [
        "KILL INCOMPLETE: main",
        "KILL COMPLETE: main",
    ]


# --- rows ------------------------------------------------------------------------------------------


async def test_every_step_of_an_order_is_in_its_history_and_legal(stage: Stage) -> None:
    stage.broker.plan("place", "lost")
    order = await stage.submit(10, limit=90, parts={"alpha": dec(10)})
    await stage.desk.reconcile()
    await stage.desk.orders.cancel(order.id, "by hand")
    row = await order_store.get_order(order.id)
    card = order_card(row, await order_store.events_of(order.id), [], stage.desk.decisions.next_step(order.id))
    steps = [(step.before, step.after) for step in card.steps]
    assert steps == [
        ("intended", "submitting"),
        ("submitting", "uncertain"),
        ("uncertain", "working"),
        ("working", "cancelling"),
        ("cancelling", "cancelled"),
    ]
    assert all(S(after) in TRANSITIONS[S(before)] for before, after in steps)
    assert (card.in_doubt, card.next_step, card.steps[3].note) == (False, "", "by hand")


async def test_an_order_in_doubt_says_what_happens_next(stage: Stage) -> None:
    stage.broker.plan("place", "never")
    order = await stage.submit(10)
    assert "asked again and again" in stage.desk.decisions.next_step(order.id)


async def test_the_orders_of_a_strategy_are_found_by_their_links(stage: Stage) -> None:
    for parts in ({"alpha": dec(1)}, {"alpha": dec(1), "beta": dec(1)}, {"beta": dec(1)}):
        await stage.submit(sum(parts.values()), limit=90, parts=parts)
    rows, total = await order_store.page_of_orders(1, 8, open_only=False, strategy="alpha")
    assert ([row.quantity for row in rows], total) == ([2, 1], 2)


async def test_orders_of_the_version_before_are_linked_when_the_database_moves_up(stage: Stage) -> None:
    await stage.submit(2, limit=90, parts={"alpha": dec(1), "beta": dec(1)})
    before = sorted(await OrderStrategyRow.all().values_list("client_order_id", "strategy"))
    await OrderStrategyRow.all().delete()
    link = import_module("core.store.migrations.0002_order_integrity")._LINK
    await read_rows(link.format(find="instr" if kind() == "sqlite" else "strpos"))
    assert sorted(await OrderStrategyRow.all().values_list("client_order_id", "strategy")) == before
