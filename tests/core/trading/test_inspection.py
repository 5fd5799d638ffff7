"""What is wrong with the books is found, and named, while the program runs and when all is read again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from core.access.audit import Audit
from core.books_watch import BooksWatch
from core.store.models import AllocationRow, AuditLine, FillRow, LedgerBalance, LedgerEntry, OrderEvent, OrderRow
from core.trading.inspection import verify
from core.trading.ledger import Allocation, FillFacts, deposit, fill_posting
from core.trading.portfolio import Portfolio
from risk.view import TradingState
from tests.core.trading.stage import ACME, Stage

D = Decimal
Open = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def traded(build: Open) -> Stage:
    """Two fills; the minute's look has begun before the second."""
    stage = await build(checks_history=False)
    await stage.start()
    await stage.tick(100)
    await stage.submit(10)
    await stage.tick(101)
    assert await stage.desk.inspection.look() == []
    await stage.submit(-4)
    await stage.tick(102)
    return stage


async def test_sound_books_are_sound(traded: Stage) -> None:
    assert await traded.desk.inspection.look() == []
    assert await traded.desk.inspection.look() == []
    assert await traded.desk.inspection.look_at_all() == []


async def entry(amount: str) -> None:
    row = await LedgerEntry.filter(account="cash/main").order_by("-id").first()
    await LedgerEntry.filter(id=row.id).update(amount=D(amount))


async def balance(amount: str) -> None:
    await LedgerBalance.filter(account="cash/main").update(amount=D(amount))


async def part(**changes: Any) -> None:
    row = await AllocationRow.all().order_by("-id").first()
    await AllocationRow.filter(id=row.id).update(**changes)


async def newest_order(**changes: Any) -> None:
    row = await OrderRow.all().order_by("-recorded_at", "-client_order_id").first()
    await OrderRow.filter(client_order_id=row.client_order_id).update(**changes)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda: entry("1"), {"BALANCED", "REPLAY"}),
        (lambda: balance("1"), {"REPLAY"}),
        (lambda: newest_order(filled=D(3)), {"FILLED"}),
    ],
)
async def test_the_minutes_look_sees_what_is_new(traded: Stage, damage: Any, found: set[str]) -> None:
    await damage()
    assert {each.name for each in await traded.desk.inspection.look()} == found


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda: entry("1"), "BALANCED"),
        (lambda: part(quantity=D(-5)), "POSITIONS"),
        (lambda: part(fee=D(7)), "FEES"),
        (lambda: part(price=D(1)), "POSITIONS"),
        (lambda: newest_order(filled=D(3)), "FILLED"),
        (lambda: newest_order(state="working"), "REPLAY"),
        (lambda: OrderEvent.all().order_by("-id").limit(1).delete(), "REPLAY"),
        (lambda: FillRow.all().order_by("-id").limit(1).delete(), "FILLED"),
    ],
)
async def test_the_daily_look_sees_everything(traded: Stage, damage: Any, found: str) -> None:
    await damage()
    wrong = await traded.desk.inspection.look_at_all()
    assert found in {each.name for each in wrong}
    shown = await verify("main", "USD", traded.source.instruments)
    assert not shown.is_true
    assert found in {each.name for each in shown.violations}


async def test_a_violation_halts_tells_and_is_written_down_once(traded: Stage) -> None:
    """CRITICAL, with the name of the rule, and nothing trades."""
    watch = BooksWatch(traded.floor, traded.alerts, Audit(traded.wall))
    await watch.look()
    assert traded.switch.state_for("main") is TradingState.ACTIVE
    await balance("1")
    for _ in range(2):
        await watch.look()
    assert traded.switch.state_for("main") is TradingState.HALTED
    assert await traded.told("books") == ["The books break the rule REPLAY"]
    assert len(await traded.told("halt")) == 1
    (line,) = await AuditLine.filter(action="books")
    assert line.detail.startswith("REPLAY: The history played again gives the books")


async def test_memory_that_differs_from_the_disk_is_seen(traded: Stage) -> None:
    traded.desk.portfolio.balances["cash/main", "USD"] += 1
    assert {each.name for each in await traded.desk.inspection.look()} >= {"REPLAY", "CLOSED", "PROFIT"}


async def test_ten_restarts_change_no_byte_incident_30(build: Open) -> None:
    """Books and history have one hash, and keep it."""
    stage = await build()
    await stage.start()
    await stage.tick(100)
    await stage.submit(10)
    await stage.tick(101)
    hashes = set()
    for _ in range(10):
        await stage.crash_and_restart()
        shown = await verify("main", "USD", stage.source.instruments)
        assert shown.is_true, shown.violations
        hashes |= {shown.books, shown.history}
    assert len(hashes) == 1


def test_the_worked_example_of_the_page() -> None:
    """docs/accounting.md tells the truth."""
    book = Portfolio("main", "USD", {"ACME": ACME})
    book.apply(deposit("main", "USD", D(10_000), "opening").entries)
    seen = []
    for n, (units, price, fee) in enumerate([(10, 100, 1), (10, 120, 1), (-5, 150, 1), (-25, 130, 2)]):
        parts = (Allocation("trend", D(units), D(fee)),)
        facts = FillFacts(str(n), "main", "ACME", D(price), D(1), "USD", "USD", parts)
        book.apply(fill_posting(facts, book.balances).entries)
        lot = book.lot("trend", "ACME")
        seen.append((book.cash, lot.quantity, lot.cost, lot.realised, lot.fees))
    assert seen == [
        (8_999, 10, 1_000, 0, 1),
        (7_798, 20, 2_200, 0, 2),
        (8_547, 15, 1_650, 200, 3),
        (11_795, -10, -1_300, 500, 5),
    ]
    book.marks["ACME"] = D(125)
    assert (book.equity, book.deposits) == (10_545, 10_000)
