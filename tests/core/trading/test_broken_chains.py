"""Corrections of corrections whose middle link was missed: nothing counts twice, nothing is lost, the venue decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.order import OrderReport
from core.trading.live_order import LiveOrder
from risk.verdict import Approved
from tests.core.trading.stage import dec
from tests.core.trading.test_order_life import TruthStage
from tests.core.trading.truth_venue import Truth


@pytest.fixture
async def stage(tmp_path: Any) -> AsyncIterator[Any]:
    stage: Any = await TruthStage.open(tmp_path)
    await stage.start()
    await stage.tick(100)
    yield stage
    await stage.close()


async def ordered(stage: Any, units: int = 10) -> tuple[LiveOrder, Truth]:
    verdict = stage.desk.gate.review(stage.intent(units, limit=100), stage.desk.view())
    assert isinstance(verdict, Approved)
    order = await stage.desk.orders.submit(verdict)
    return order, stage.venue.orders[order.id]


async def happen(stage: Any, order: LiveOrder, *links: int, heard: tuple[int, ...]) -> list[OrderReport]:
    """The order fills with the first of `links`, each further one corrects it; we hear those that are `heard`."""
    said = []
    for units in links:
        if said:
            stage.venue.correct(order.id, units, silent=False)
        else:
            stage.venue.fill(order.id, units)
        said.append(stage.venue.newest(order.id))
    for each in heard:
        await stage.desk.orders.apply(said[each])
    return said


async def agrees(stage: Any) -> None:
    assert stage.desk.portfolio.quantity("ACME") == stage.venue.position
    assert stage.desk.portfolio.cash == stage.venue.cash
    assert await stage.desk.reconcile() == []
    assert not stage.desk.portfolio.lot("external", "ACME").quantity


@pytest.mark.parametrize("heard", [(0, 2), (2, 0), (0, 2, 1), (2, 1, 0), (1, 0), (0, 2, 0, 2)])
async def test_a_missed_link_doubles_nothing(stage: Any, heard: tuple[int, ...]) -> None:
    order, _ = await ordered(stage)
    await happen(stage, order, 10, 9, 8, heard=heard)
    if 2 in heard:
        assert order.filled == 8
    await stage.crash_and_restart()
    await stage.desk.reconcile()
    await agrees(stage)


async def test_the_strategy_keeps_its_fill_as_corrected(stage: Any) -> None:
    order, _ = await ordered(stage)
    await happen(stage, order, 10, 9, 8, heard=(0, 2))
    rows = [(row.fill_id, row.corrects, row.status) for row in await stage.fills()]
    assert rows == [("x1.01", "", "replaced"), ("x1.03", "x1.02", "booked")]
    assert await stage.told("overfill") == []
    assert len(await stage.told("correction")) == 1


async def test_only_the_broken_chain_is_touched(stage: Any) -> None:
    order, _ = await ordered(stage)
    stage.venue.fill(order.id, 2)
    await stage.desk.orders.apply(stage.venue.pool[-1])
    await happen(stage, order, 5, 4, 3, heard=(0, 2))
    assert order.filled == 5
    await agrees(stage)


async def test_a_chain_of_which_nothing_is_booked_is_a_new_fill(stage: Any) -> None:
    order, _ = await ordered(stage)
    stage.venue.fill(order.id, 2)
    await stage.desk.orders.apply(stage.venue.pool[-1])
    await happen(stage, order, 5, 4, 3, heard=(2,))
    assert order.filled == 5
    assert await stage.told("correction") == []
    await agrees(stage)


async def test_it_is_held_back_while_the_venue_cannot_be_asked(stage: Any) -> None:
    order, _ = await ordered(stage)
    said = await happen(stage, order, 10, 9, 8, heard=(0,))
    stage.venue.is_down = True
    for _ in range(2):
        await stage.desk.orders.apply(said[2])
    assert order.filled == 10
    assert await stage.told("correction") == ["A correction is held back: buy 10 ACME"]
    stage.venue.is_down = False
    await stage.desk.reconcile()
    await agrees(stage)


async def test_at_a_venue_that_cannot_be_asked_it_stays_out_and_is_drift(stage: Any) -> None:
    order, _ = await ordered(stage)
    stage.venue.capabilities = replace(stage.venue.capabilities, find_by_client_id=False)
    await happen(stage, order, 10, 9, 8, heard=(0, 2))
    stage.wall.advance(61)
    (drift, *_) = await stage.desk.reconcile()
    assert (drift.what, drift.ours, drift.theirs) == ("ACME", 10, 8)


async def test_an_answer_that_is_older_than_the_news_takes_nothing_out(stage: Any) -> None:
    """A replica that lags: what it does not list may be newer than its list."""
    order, truth = await ordered(stage)
    said = await happen(stage, order, 5, 4, heard=(0,))
    old = truth.report()
    stage.venue.correct(order.id, 3, silent=False)
    stage.venue.fill(order.id, 2)
    new, lately = truth.report().fills

    async def lagging(_order: str) -> OrderReport:
        return old

    real, stage.venue.find_order = stage.venue.find_order, lagging
    await stage.desk.orders.apply(replace(said[0], filled=dec(5), fills=(lately,)))
    await stage.desk.orders.apply(replace(said[0], filled=dec(5), fills=(new,)))
    assert order.filled == Decimal(5)
    stage.venue.find_order = real
    await agrees(stage)


async def test_a_fill_that_comes_during_the_question_is_not_lost(stage: Any) -> None:
    order, truth = await ordered(stage)
    said = await happen(stage, order, 5, 4, 3, heard=(0,))
    real = stage.venue.find_order

    async def slow(order_id: str) -> OrderReport:
        answer = await real(order_id)
        if len(truth.fills) == 3:
            stage.venue.fill(order.id, 2)
            await stage.desk.orders.apply(stage.venue.newest(order.id))
        return answer

    stage.venue.find_order = slow
    await stage.desk.orders.apply(said[2])
    assert order.filled == Decimal(5)
    await agrees(stage)


@pytest.mark.parametrize("names_chains", [True, False])
@pytest.mark.parametrize("heard", [(0,), (1,), (0, 1), (1, 0)])
async def test_a_bust_of_a_corrected_fill_takes_the_chain_out(stage: Any, heard: Any, names_chains: bool) -> None:
    stage.venue.names_chains = names_chains
    order, truth = await ordered(stage)
    await happen(stage, order, 10, 9, heard=heard)
    stage.venue.bust(order.id)
    await stage.desk.orders.apply(truth.report())
    for _ in range(0 if names_chains else 2):  # what is missing without a word must stay missing for a while
        await stage.desk.reconcile()
        stage.wall.advance(30)
        await stage.desk.reconcile()
    assert (await stage.desk.orders.known(order.id)).filled == 0
    await agrees(stage)


async def test_a_list_that_lags_now_and_then_takes_nothing_out(stage: Any) -> None:
    """What is missing without a reason must be missing for a while, and all the time."""
    order, truth = await ordered(stage)
    await happen(stage, order, 5, 4, heard=(1,))
    old = truth.report()
    stage.venue.fill(order.id, 2)
    await stage.desk.orders.apply(stage.venue.newest(order.id))
    real = stage.venue.find_order

    async def lagging(_order: str) -> OrderReport:
        return old

    for find in (lagging, real, lagging, real):
        stage.venue.find_order = find
        await stage.desk.orders.apply(await find(order.id), asked=order.asked)
        assert order.filled == 6
        stage.wall.advance(30)
    await agrees(stage)
