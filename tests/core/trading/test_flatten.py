"""Flattening: bound to what was shown, each position by itself, never twice in doubt, told to the last one."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.audit import Audit
from core.store.models import AlertRow, AuditLine, FlattenRow, OrderRow
from core.trading.flatten_plan import End, Position, bounded, least, of_row, plan_text
from core.trading.flattener import Flattener
from core.trading.floor import Floor, Place
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.core.trading.exits_stage import without
from tests.core.trading.stage import Stage, dec


def flattener(stage: Stage, patience: float = 60.0) -> Flattener:
    floor = Floor([Place(stage.desk, stage.pipeline, "paper", ("alpha", "beta"))])
    made = Flattener(floor, stage.switch, stage.alerts, Audit(stage.wall), stage.wall)
    made.patience, made.pauses = patience, (0.0,)
    return made


async def holding(stage: Stage, **parts: int) -> list[Position]:
    for name, units in parts.items():
        await stage.submit(units, parts={name: dec(units)})
    await stage.tick(100)
    return [Position("main", symbol, dict(each)) for symbol, each in stage.desk.closing().items()]


async def ended(stage: Stage, work: Any) -> list[Position]:
    """What the row says at the end."""
    await asyncio.wait_for(work, 120)
    row = await FlattenRow.all().order_by("-id").first()
    assert row is not None
    assert row.state == "done"
    return [of_row(each) for each in row.positions]


async def ticking(stage: Stage) -> None:
    while True:
        await stage.tick(100)
        await asyncio.sleep(0.005)


async def test_it_ends_closed_and_says_so_in_row_trail_and_alert(stage: Stage) -> None:
    """One commit tells all three."""
    positions = await holding(stage, alpha=10, beta=5)
    market = asyncio.create_task(ticking(stage))
    (end,) = await ended(stage, await flattener(stage).begin("everything", positions, "Ada"))
    market.cancel()
    assert (end.end, stage.desk.portfolio.quantity("ACME")) == (End.CLOSED, 0)
    alert = await AlertRow.get(kind="flatten")
    assert (alert.title, alert.body) == ("Flatten everything: done", "Sell 15 ACME: closed")
    assert (await AuditLine.get(action="flatten")).detail == "everything: Sell 15 ACME: closed"


async def test_a_venue_without_reduce_only_orders_is_not_asked_for_them(stage: Stage) -> None:
    """A spot market knows none and refuses them: there the gate alone holds the order to what is held."""
    without(stage, "reduce_only")
    positions = await holding(stage, alpha=10)
    market = asyncio.create_task(ticking(stage))
    (end,) = await ended(stage, await flattener(stage).begin("everything", positions, "Ada"))
    market.cancel()
    assert (end.end, end.why) == (End.CLOSED, "")
    assert [row.reduce_only for row in await OrderRow.filter(origin="flatten")] == [False]


async def test_a_refused_order_is_tried_again_and_then_told_with_the_reason(stage: Stage) -> None:
    """So often and no more."""
    positions = await holding(stage, alpha=10)
    stage.broker.plan("place", *["no"] * 99)
    (end,) = await ended(stage, await flattener(stage).begin("alpha", positions, "Ada"))
    assert end.end is End.REFUSED
    assert "the venue says no" in end.why
    assert stage.broker.count("place") == 1 + 5
    assert (await AlertRow.get(kind="flatten")).severity == "CRITICAL"


async def test_a_venue_that_refuses_twice_gets_it_closed_in_the_end(stage: Stage) -> None:
    """A retry that works is a closed position."""
    positions = await holding(stage, alpha=10)
    stage.broker.plan("place", "no", "down")
    market = asyncio.create_task(ticking(stage))
    (end,) = await ended(stage, await flattener(stage).begin("alpha", positions, "Ada"))
    market.cancel()
    assert (end.end, stage.broker.count("place")) == (End.CLOSED, 1 + 3)


async def test_an_order_in_doubt_is_never_sent_again(stage: Stage) -> None:
    """It counts in full, and its position is told as in doubt."""
    positions = await holding(stage, alpha=10)
    stage.broker.plan("place", "lost")
    stage.broker.bend = lambda _: []
    (end,) = await ended(stage, await flattener(stage, patience=0.3).begin("alpha", positions, "Ada"))
    assert (end.end, stage.broker.count("place")) == (End.DOUBT, 1 + 1)


async def test_a_halt_ends_a_flatten_and_the_summary_says_how_to_go_on(stage: Stage) -> None:
    """Nothing is sent past somebody who halts."""
    positions = await holding(stage, alpha=10)
    made = flattener(stage)
    work = await made.begin("alpha", positions, "Ada")
    while not stage.broker.count("place") > 1:
        await asyncio.sleep(0.001)
    stage.desk.killing.owe("", "halt", exits=True)
    await stage.switch.set(GLOBAL, TradingState.HALTED, "halt", "x")
    assert (await stage.desk.killing.sweep()).is_empty
    (end,) = await ended(stage, work)
    assert (end.end, stage.held("alpha"), stage.broker.count("place")) == (End.HALTED, 10, 2)
    assert "it works while halted" in (await AlertRow.get(kind="flatten")).body
    market = asyncio.create_task(ticking(stage))
    (end,) = await ended(stage, await made.begin("alpha", positions, "Ada"))
    market.cancel()
    assert (end.end, stage.held("alpha")) == (End.CLOSED, 0)


async def test_one_failure_never_stops_the_rest(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in one position; the other is closed, both are named."""
    positions = await holding(stage, alpha=10)
    broken = Position("main", "BTC/USD", {"alpha": Decimal(-1)})
    flatten = stage.pipeline.flatten

    async def fails(symbol: str, *more: Any) -> Any:
        if symbol == "BTC/USD":
            raise RuntimeError("a bug")
        return await flatten(symbol, *more)

    monkeypatch.setattr(stage.pipeline, "flatten", fails)
    monkeypatch.setattr(
        stage.desk, "closable", lambda name, symbol: dec(1) if symbol == "BTC/USD" else stage.held(name, symbol)
    )
    market = asyncio.create_task(ticking(stage))
    ends = await ended(stage, await flattener(stage).begin("everything", [broken, *positions], "Ada"))
    market.cancel()
    assert [each.end for each in ends] == [End.REFUSED, End.CLOSED]
    assert ends[0].why == "RuntimeError: a bug"


@pytest.mark.parametrize(("minutes", "end"), [(1, End.CLOSED), (30, End.REFUSED)])
async def test_a_restart_goes_on_with_what_is_fresh_and_tells_what_is_not(stage: Stage, minutes: int, end: End) -> None:
    """Nothing is sold half an hour later because somebody wanted it then."""
    positions = await holding(stage, alpha=10)
    rows = [each.row() for each in positions]
    await FlattenRow.create(scope="alpha", by="Ada", at=stage.wall.now(), positions=rows, state="running")
    await stage.crash_and_restart()
    await stage.tick(100)
    stage.wall.advance(minutes * 60)
    made = flattener(stage)
    market = asyncio.create_task(ticking(stage))
    await made.load()
    (found,) = await ended(stage, asyncio.gather(*made._tasks))
    market.cancel()
    assert (found.end, stage.held("alpha")) == (end, 0 if end is End.CLOSED else 10)


async def test_no_more_is_closed_than_was_confirmed(stage: Stage) -> None:
    """What has grown since stays."""
    await holding(stage, alpha=10)
    market = asyncio.create_task(ticking(stage))
    plan = [Position("main", "ACME", {"alpha": Decimal(-4)}, whole={"alpha": Decimal(-10)})]
    (end,) = await ended(stage, await flattener(stage).begin("alpha", plan, "Ada"))
    market.cancel()
    assert (end.end, stage.held("alpha")) == (End.CLOSED, 6)


UNITS = st.integers(-50, 50).map(Decimal)
HELD = st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), UNITS, max_size=3), max_size=3)


@given(HELD, HELD)
def test_bounded_never_exceeds_what_was_shown_nor_what_is_held(shown: Any, held: Any) -> None:
    """Whatever was shown and whatever is there now; what differs is told."""
    then = [Position("main", symbol, parts) for symbol, parts in shown.items()]
    now = [Position("main", symbol, parts) for symbol, parts in held.items()]
    kept, more = bounded(now, plan_text(then))
    for each in kept:
        for name, part in each.parts.items():
            asked, there = shown.get(each.symbol, {}).get(name, Decimal(0)), held[each.symbol][name]
            assert abs(part) <= min(abs(asked), abs(there))
            assert part * asked > 0
            assert part * there > 0
    assert bool(more) == any(
        least(part, shown.get(symbol, {}).get(name, Decimal(0))) != part
        for symbol, parts in held.items()
        for name, part in parts.items()
    )


def test_a_position_survives_being_stored() -> None:
    """Exactly."""
    one = Position("main", "ACME", {"alpha": Decimal("-0.00001")}, End.PARTLY, "why")
    two = of_row(one.row())
    assert (two.row(), two.told(named=True)) == (one.row(), "🔴 Sell 0.00001 ACME (main): partly closed (why)")
