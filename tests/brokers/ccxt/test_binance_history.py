"""What happened at Binance is told whole: page by page, week by week, and each amount once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.account import FlowKind
from brokers.adapters.binance.margin import MarginDialect
from brokers.adapters.binance.spot import SpotDialect
from brokers.adapters.binance.usdm import UsdmDialect
from brokers.errors import Unavailable
from brokers.order import OrderType, Side, VenueOrderState
from tests.brokers.ccxt.rig import LONG_AGO, Rig, account

TEN_DAYS = timedelta(days=10)


async def settle_clock(rig: Rig, offset: timedelta) -> None:
    """The venue's clock jumps; the first answer is -1021, and then we follow."""
    rig.venue.clock.offset_ms = round(offset.total_seconds() * 1000)
    with pytest.raises(Unavailable):
        await rig.broker.get_open_orders()
    await rig.broker.get_open_orders()


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
async def test_lists_are_followed_to_their_end(tmp_path: Path, market: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at a time: every order and every execution is there once."""
    dialect = {"spot": SpotDialect, "margin": MarginDialect, "usdm": UsdmDialect}[market]
    monkeypatch.setattr(dialect, "page", 3)
    monkeypatch.setattr(dialect, "order_page", 3)
    async with account(tmp_path, market) as rig:
        placed = [(await rig.place(type=OrderType.MARKET)).client_order_id for _ in range(8)]
        since = datetime.now(UTC) - LONG_AGO
        assert [fill.client_order_id for fill in await rig.broker.get_fills(since)] == placed
        closed = await rig.broker.get_closed_orders(since)
        assert sorted(each.client_order_id for each in closed) == sorted(placed)
        assert all(each.filled == each.quantity for each in closed)


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
async def test_what_happened_ten_days_ago_is_found(tmp_path: Path, market: str) -> None:
    """The futures tell a week at a time, from the beginning of what is asked for; margin a day."""
    async with account(tmp_path, market) as rig:
        await settle_clock(rig, -TEN_DAYS)
        old = await rig.place(type=OrderType.MARKET)
        if market == "usdm":
            rig.venue.usdm.fund("BTCUSDT", "0.0001")
        await settle_clock(rig, timedelta(0))
        new = await rig.place(type=OrderType.MARKET)
        since = datetime.now(UTC) - TEN_DAYS - LONG_AGO
        ids = [old.client_order_id, new.client_order_id]
        assert [fill.client_order_id for fill in await rig.broker.get_fills(since)] == ids
        assert [each.client_order_id for each in await rig.broker.get_closed_orders(since)] == ids
        if market == "usdm":
            assert [each.kind for each in await rig.broker.get_cash_flows(since)] == [FlowKind.FUNDING]


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
@pytest.mark.parametrize("at_once", [False, True])
async def test_more_executions_of_one_order_than_are_listed_at_once(
    tmp_path: Path, market: str, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is told, also where one moment has more of them than a page, and no time is in between."""
    dialect = {"spot": SpotDialect, "margin": MarginDialect, "usdm": UsdmDialect}[market]
    monkeypatch.setattr(dialect, "page", 3)
    monkeypatch.setattr(dialect, "order_page", 3)
    async with account(tmp_path, market) as rig:
        mine = (await rig.place(quantity="0.08")).client_order_id
        for _ in range(8):
            rig.venue.move("BTCUSDT", Decimal(48_990), volume=Decimal("0.01"))
        if at_once:
            put_into_one_moment(rig)
        found = await rig.find(mine)
        assert found is not None
        assert (found.state, len(found.fills)) == (VenueOrderState.FILLED, 8)
        assert sum(fill.quantity for fill in found.fills) == found.filled
        assert await rig.broker.get_fills(datetime.now(UTC) - LONG_AGO) == found.fills


def put_into_one_moment(rig: Rig) -> None:
    """All that was executed, as if one order had swept the book."""
    now = rig.venue.clock.now_ms()
    if rig.market == "usdm":
        trades = rig.venue.usdm.account.trades
        trades[:] = [replace(trade, time=now) for trade in trades]
        return
    for order in (rig.venue.spot if rig.market == "spot" else rig.venue.margin).desk.orders.values():
        order.trades[:] = [replace(trade, at=now) for trade in order.trades]


async def test_more_of_one_moment_than_can_be_listed_is_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders have no way on but time: then the question has failed."""
    monkeypatch.setattr(SpotDialect, "page", 3)
    monkeypatch.setattr(SpotDialect, "order_page", 3)
    async with account(tmp_path, "spot") as rig:
        for _ in range(4):
            await rig.place(type=OrderType.MARKET)
        now = rig.venue.clock.now_ms()
        for order in rig.venue.spot.desk.orders.values():
            order.created = now
        with pytest.raises(Unavailable, match="of one moment"):
            await rig.broker.get_closed_orders(datetime.now(UTC) - LONG_AGO)


async def test_more_orders_than_margin_lists_at_once(tmp_path: Path) -> None:
    """Five hundred, whatever is asked for: none of them may be missed."""
    async with account(tmp_path, "margin") as rig:
        await rig.broker.cancel_order((await rig.place()).client_order_id)
        orders = rig.venue.margin.desk.orders
        (order,) = orders.values()
        for number in range(1, 520):
            more = {"id": order.id + number, "client_id": f"qd-more-{number}", "created": order.created + number}
            orders[order.id + number] = replace(order, **more)
        found = await rig.broker.get_closed_orders(datetime.now(UTC) - LONG_AGO)
        assert len({each.client_order_id for each in found}) == 520


async def test_what_trades_bring_is_no_cash_flow(tmp_path: Path) -> None:
    """Profit and commission are told with the fills: as flows, too, they would count twice."""
    async with account(tmp_path, "usdm") as rig:
        await rig.place(type=OrderType.MARKET)
        rig.venue.move("BTCUSDT", Decimal(51_000))
        await rig.place(type=OrderType.MARKET, side=Side.SELL)
        kinds = {each.kind for each in rig.venue.usdm.account.incomes}
        assert {"REALIZED_PNL", "COMMISSION"} <= kinds
        rig.venue.usdm.account.deposit(Decimal(7))
        flows = await rig.broker.get_cash_flows(datetime.now(UTC) - LONG_AGO)
        assert [(each.kind, each.amount) for each in flows] == [(FlowKind.DEPOSIT, Decimal(7))]


async def test_a_withdrawal_and_its_fee_are_two_flows(tmp_path: Path) -> None:
    """What left the account is both together."""
    async with account(tmp_path, "spot") as rig:
        at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        rig.venue.custody.withdrawals.append(
            {
                "id": "b6ae22b3aa844210a7041aee7589627c",
                "amount": "8.91",
                "transactionFee": "0.004",
                "coin": "USDT",
                "status": 6,
                "address": "0x94df",
                "txId": "0xb5ef",
                "applyTime": at,
                "completeTime": at,
                "network": "ETH",
                "transferType": 0,
            }
        )
        flows = await rig.broker.get_cash_flows(datetime.now(UTC) - LONG_AGO)
        assert {(each.kind, each.amount, each.currency) for each in flows} == {
            (FlowKind.WITHDRAWAL, Decimal("-8.91"), "USDT"),
            (FlowKind.FEE, Decimal("-0.004"), "USDT"),
        }
        assert len({each.flow_id for each in flows}) == 2


async def test_conditional_orders_are_open_orders(tmp_path: Path) -> None:
    """They live in a list of their own; one that has woken is open until what it has become is over."""
    async with account(tmp_path, "usdm") as rig:
        plain = await rig.place()
        stop = await rig.place(
            type=OrderType.STOP_LIMIT, stop_price=Decimal(51_000), limit_price=Decimal(51_000), quantity="0.02"
        )
        opened = {each.client_order_id: each.type for each in await rig.broker.get_open_orders()}
        assert opened == {plain.client_order_id: OrderType.LIMIT, stop.client_order_id: OrderType.STOP_LIMIT}
        rig.venue.move("BTCUSDT", Decimal(51_100))
        woken = await rig.find(stop.client_order_id)
        assert woken is not None
        assert (woken.state, woken.type) == (VenueOrderState.WORKING, OrderType.STOP_LIMIT)
        opened = {each.client_order_id: each.type for each in await rig.broker.get_open_orders()}
        assert stop.client_order_id in opened
        assert not (await rig.broker.cancel_order(stop.client_order_id)).state.is_open
        assert [each.client_order_id for each in await rig.broker.get_open_orders()] == [plain.client_order_id]
