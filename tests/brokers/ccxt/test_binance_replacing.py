"""Changing an order on the spot market: another in its place, and our id stays, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest

from brokers.ccxt.calls import Sighting
from brokers.ccxt.replaced import Replaced
from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, OrderType, VenueOrderState
from tests.brokers.ccxt.rig import LONG_AGO, Rig, account

ROUTE = "POST /api/v3/order/cancelReplace"
NEW = Decimal(48_000)
A = ClientOrderId("qd-test-1")


async def change(rig: Rig, price: Decimal = NEW) -> None:
    await rig.broker.modify_order(A, limit_price=price)


async def test_our_id_stays_through_any_number_of_changes(tmp_path: Path) -> None:
    """Found, listed, filled and cancelled under one id, by a process that has seen nothing of it, too."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        for price in (48_000, 47_000, 46_000):
            await change(rig, Decimal(price))
        await rig.again()
        found = await rig.find(A)
        assert found is not None
        assert (found.state, found.limit_price, found.filled) == (VenueOrderState.WORKING, Decimal(46_000), 0)
        assert [each.client_order_id for each in await rig.broker.get_open_orders()] == [A]
        rig.venue.move("BTCUSDT", Decimal(45_000))
        found = await rig.find(A)
        assert found is not None
        assert found.state is VenueOrderState.FILLED
        assert {fill.client_order_id for fill in found.fills} == {A}
        since = datetime.now(UTC) - LONG_AGO
        closed = await rig.broker.get_closed_orders(since)
        assert [(each.client_order_id, each.filled) for each in closed] == [(A, Decimal("0.01"))]
        assert [fill.client_order_id for fill in await rig.broker.get_fills(since)] == [A]


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "hang_after", "hang_before"])
@pytest.mark.parametrize("filled", [False, True])
async def test_a_kill_in_the_middle_of_a_change(tmp_path: Path, fault: str, filled: bool) -> None:
    """Whether the venue has got the request or not: a new process finds the one order that there is, with its fills."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(ROUTE, fault, seconds=60)
        task = asyncio.create_task(change(rig))
        async with asyncio.timeout(30):
            while not rig.venue.journal.all("fault"):  # what it does, it has done
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if filled:
            rig.venue.move("BTCUSDT", Decimal(47_000))
        await rig.again()
        found = await rig.find(A)
        assert found is not None
        price = NEW if fault.endswith("_after") else Decimal(49_000)
        assert found.limit_price == price
        assert found.state is (VenueOrderState.FILLED if filled else VenueOrderState.WORKING)
        assert (
            sum(fill.quantity for fill in found.fills)
            == found.filled
            == rig.executed(A)
            == (Decimal("0.01") if filled else 0)
        )
        if not filled:
            assert (await rig.broker.modify_order(A, limit_price=Decimal(45_000))).limit_price == Decimal(45_000)
            assert len(await rig.broker.get_open_orders()) == 1


async def test_a_kill_before_anything_was_sent(tmp_path: Path) -> None:
    """The number is on disk, the request never left: the order is as it was, and its next change takes the next number."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        replaced = Replaced(tmp_path / "replaced-main.txt")
        await replaced.begin(A, 1)
        await rig.again()
        found = await rig.find(A)
        assert found is not None
        assert (found.state, found.limit_price) == (VenueOrderState.WORKING, Decimal(49_000))
        await change(rig)
        assert rig.venue.journal.requests(ROUTE)[-1]["params"]["newClientOrderId"] == f"{A}_r02"


async def test_half_a_change_is_told_as_what_it_is(tmp_path: Path) -> None:
    """-2021: the old order is gone and the new one was refused. It is over, and says why; nothing else is open."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(
            ROUTE, "new_order_fails", code=-2010, msg="Account has insufficient balance for requested action."
        )
        report = await rig.broker.modify_order(A, limit_price=NEW)
        assert (report.client_order_id, report.state) == (A, VenueOrderState.CANCELLED)
        assert "partially failed" in report.reason
        assert await rig.find(A) is not None
        assert list(await rig.broker.get_open_orders()) == []


async def test_half_a_change_whose_new_order_is_in_doubt_is_uncertain(tmp_path: Path) -> None:
    """The old order is gone, the fate of the new one unknown: nobody may say that it is over."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(
            ROUTE, "new_order_fails", code=-1007, msg="Timeout waiting for response from backend server."
        )
        with pytest.raises(Uncertain):
            await change(rig)
        with pytest.raises(Unavailable):
            await rig.find(A)


@pytest.mark.parametrize("part", ["0.004", "0.01"])
async def test_a_fill_that_comes_first_stops_the_change(tmp_path: Path, part: str) -> None:
    """The venue checks in the same moment: nothing is ordered twice, and the order stays with its fill."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(ROUTE, "fill_first", quantity=part)
        with pytest.raises(Rejected) as caught:
            await change(rig)
        assert caught.value.code == ("ORDER_CLOSED" if part == "0.01" else "NOT_CHANGED")
        found = await rig.find(A)
        assert found is not None
        assert (found.filled, found.quantity, found.limit_price) == (Decimal(part), Decimal("0.01"), Decimal(49_000))
        assert rig.executed(A) == Decimal(part)


async def test_what_is_filled_in_part_is_not_changed(tmp_path: Path) -> None:
    """There is no request that could do it without ordering too much: it is refused, and nothing is sent."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.move("BTCUSDT", Decimal(48999), volume=Decimal("0.004"))
        with pytest.raises(Rejected) as caught:
            await change(rig)
        assert caught.value.code == "PARTIALLY_FILLED"
        assert rig.venue.journal.requests(ROUTE) == []


async def test_a_successor_that_cannot_be_seen_yet_is_waited_for(tmp_path: Path) -> None:
    """Queries lag behind the engine: until they have caught up, "cancelled" would be a lie."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        await asyncio.sleep(0.3)
        rig.venue.script.plan("GET /api/v3/order", "lagging", times=None, seconds=0.2)
        await change(rig)
        rig.broker._known.forget(A)
        try:
            found = await rig.find(A)
        except Unavailable:
            found = None
        assert found is None or found.state is VenueOrderState.WORKING
        await asyncio.sleep(0.3)
        found = await rig.find(A)
        assert found is not None
        assert (found.state, found.limit_price) == (VenueOrderState.WORKING, NEW)


@pytest.mark.parametrize(
    "terms",
    [
        {"type": OrderType.STOP, "stop_price": Decimal(51_000)},
        {"type": OrderType.TAKE_PROFIT, "stop_price": Decimal(48_000)},
        {"post_only": True},
    ],
)
async def test_every_kind_stays_what_it_is(tmp_path: Path, terms: dict[str, object]) -> None:
    """A stop stays a stop, a post-only order post-only; only what was to be changed differs."""
    async with account(tmp_path, "spot") as rig:
        before = await rig.place(**terms)
        after = await rig.broker.modify_order(A, quantity=Decimal("0.02"))
        assert (after.type, after.stop_price, after.limit_price) == (before.type, before.stop_price, before.limit_price)
        assert (after.quantity, after.post_only) == (Decimal("0.02"), before.post_only)


async def test_the_file_survives_a_torn_line_and_a_full_disk(tmp_path: Path) -> None:
    """A torn line was followed by no request; what cannot be written down is not sent."""
    path = tmp_path / "replaced.txt"
    kept = Replaced(path)
    await kept.begin(A, 1)
    with path.open("a") as file:
        file.write("qd-test-2 1")  # no end of line: torn, and yet readable as a whole number
    await kept.begin(A, 2)
    again = Replaced(path)
    again.load()
    assert again.attempts(A) == 2
    nowhere = Replaced(tmp_path / "missing" / "replaced.txt")
    with pytest.raises(Unavailable):
        await nowhere.begin(A, 1)
    assert nowhere.attempts(A) == 0


async def test_the_file_may_hold_garbage_or_not_be_readable(tmp_path: Path) -> None:
    """What a power cut leaves is no line of ours; what cannot be read is no empty file."""
    path = tmp_path / "replaced.txt"
    path.write_bytes(f"{A} 3\n".encode() + b"\xff\x00\xfe 9\n")
    again = Replaced(path)
    again.load()
    assert again.attempts(A) == 3
    path.unlink()
    path.mkdir()
    with pytest.raises(Unavailable, match="cannot be read"):
        again.load()


async def test_changes_that_were_refused_are_not_asked_for_again_and_again(tmp_path: Path) -> None:
    """Each has a number of its own; a number that stands for no order, for certain, costs no question."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(ROUTE, "error", times=5, code=-1013, msg="Filter failure: PERCENT_PRICE_BY_SIDE")
        for _ in range(5):
            with pytest.raises(Rejected, match="PRICE_FILTER"):
                await change(rig)
        before = len(rig.venue.journal.requests("GET /api/v3/order"))
        found = await rig.find(A)
        assert found is not None
        assert len(rig.venue.journal.requests("GET /api/v3/order")) == before + 1
        rig.venue.script.plan(ROUTE, "hang_after", seconds=60)
        rig.broker._client.exchange.timeout = 250
        with pytest.raises(Uncertain):
            await change(rig)
        found = await rig.find(A)
        assert found is not None
        assert found.limit_price == NEW
        await rig.again()
        found = await rig.find(A)
        assert found is not None
        assert found.limit_price == NEW


async def test_somebody_else_cancels_an_order_that_was_changed(tmp_path: Path) -> None:
    """Its newest order is cancelled at the venue: that is the end of it, told at once."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        await change(rig)
        await rig.broker._client.exchange.cancel_order("", rig.symbol, {"clientOrderId": f"{A}_r01"})
        await rig.again()
        found = await rig.find(A)
        assert found is not None
        assert found.state is VenueOrderState.CANCELLED
        assert found.at > datetime.now(UTC) - timedelta(seconds=60)


async def test_a_list_from_before_a_change_does_not_take_it_back(tmp_path: Path) -> None:
    """The list was asked for first and is read last: what is cancelled is the newest order, at once."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        line = rig.broker._line
        assert line is not None
        (old,) = await rig.broker._client.exchange.fetch_open_orders(rig.symbol)
        await change(rig)
        await line.lookup._listed(Sighting.of(old))
        known = rig.broker._known.get(A)
        assert known is not None
        assert known.revision == 1
        assert known.report is not None
        assert known.report.limit_price == NEW
        found = await rig.find(A)
        assert found is not None
        assert (found.state, found.limit_price) == (VenueOrderState.WORKING, NEW)
        await rig.broker.cancel_order(A)
        assert rig.venue.spot.desk.open() == []


@pytest.mark.parametrize("restarts", [False, True])
async def test_an_order_whose_change_is_in_doubt_can_be_cancelled_at_once(tmp_path: Path, restarts: bool) -> None:
    """The first cancel finds the order that came in its place; a kill must not need a second."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(ROUTE, "drop_after")
        with pytest.raises(Uncertain):
            await change(rig)
        if restarts:
            await rig.again()
        report = await rig.broker.cancel_order(A)
        assert (report.client_order_id, report.state) == (A, VenueOrderState.CANCELLED)
        assert list(await rig.broker.get_open_orders()) == []
        assert rig.venue.spot.desk.open() == []


async def test_an_order_is_changed_by_one_request_at_a_time(tmp_path: Path) -> None:
    """Two at once would use one number twice."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan(ROUTE, "delay_before", seconds=1)
        first = asyncio.create_task(change(rig))
        async with asyncio.timeout(30):
            while not rig.venue.journal.requests(ROUTE):
                await asyncio.sleep(0.005)
        with pytest.raises(Rejected, match="being changed"):
            await change(rig, Decimal(47_000))
        await first
        await change(rig, Decimal(47_000))
        (order,) = await rig.broker.get_open_orders()
        assert (order.client_order_id, order.limit_price) == (A, Decimal(47_000))
        assert len(rig.venue.spot.desk.open()) == 1


async def test_many_doubts_and_restarts_leave_one_order(tmp_path: Path) -> None:
    """Answers lost before and after, with a new process between: one order is open, on terms that were asked for."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        prices = [Decimal(48_000 - 100 * number) for number in range(6)]
        for number, price in enumerate(prices):
            rig.venue.script.plan(ROUTE, ("drop_after", "drop_before")[number % 2])
            with pytest.raises(Uncertain):
                await change(rig, price)
            if number % 3 == 2:
                await rig.again()
        found = await rig.find(A)
        assert found is not None
        (there,) = rig.venue.spot.desk.open()
        assert (found.state, found.limit_price) == (VenueOrderState.WORKING, prices[4])
        assert there.client_id.startswith(A)
        await rig.broker.cancel_order(A)
        assert rig.venue.spot.desk.open() == []


async def test_a_number_that_is_not_on_the_disk_is_not_sent(tmp_path: Path) -> None:
    """A disk that does not take it for certain: nothing leaves, and the order is as it was."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        with (
            patch("brokers.ccxt.replaced.os.fsync", side_effect=OSError(28, "no space left")),
            pytest.raises(Unavailable),
        ):
            await change(rig)
        assert rig.venue.journal.requests(ROUTE) == []
        found = await rig.find(A)
        assert found is not None
        assert (found.state, found.limit_price) == (VenueOrderState.WORKING, Decimal(49_000))
        await change(rig)
