"""People set exits "for the whole position" in the venue's app: such an order has no quantity, and blinds nobody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.calls import KnownOrders
from brokers.ccxt.parsing import Reader, Unreadable
from brokers.order import OrderReport, OrderType, VenueOrderState
from tests.brokers.ccxt.rig import LONG_AGO, Rig, account
from tests.venues.binance.person import order_by_hand

ALGO_URL = "https://fapi.binance.com/fapi/v1/algoOrder"
CLOSES_ALL = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "triggerPrice": "45000",
    "closePosition": "true",
}


async def test_an_exit_for_the_whole_position_is_listed_told_and_ends(tmp_path: Path) -> None:
    """A person's stop for all there is: open orders and the stream tell of it, and what it fills in the end."""
    async with account(tmp_path, "usdm") as rig:
        reports = rig.broker.reports()
        await rig.place(type=OrderType.MARKET)
        mine = await rig.place(limit_price=Decimal(40_000))
        told = await order_by_hand(rig.venue, rig.venue.keys.of("live"), ALGO_URL, **CLOSES_ALL)
        listed = {report.venue_order_id: report for report in await rig.broker.get_open_orders()}
        stop = listed[str(told["algoId"])]
        assert set(listed) == {mine.venue_order_id, stop.venue_order_id}
        assert (stop.type, stop.quantity, stop.remaining) == (OrderType.STOP, 0, 0)
        assert stop.state is VenueOrderState.WORKING
        assert len((await rig.broker.get_account_info()).open_orders) == 2
        heard = await _heard(reports, str(told["clientAlgoId"]))
        assert heard.state is VenueOrderState.WORKING
        rig.venue.move("BTCUSDT", Decimal(44_000))
        await _is_whole(rig, str(told["clientAlgoId"]))


async def _heard(reports: Any, order: str) -> OrderReport:
    async with asyncio.timeout(5):
        while (report := await anext(reports)).client_order_id != order:
            pass
    assert isinstance(report, OrderReport)
    return report


async def _is_whole(rig: Rig, order: str) -> None:
    (ended,) = [
        report
        for report in await rig.broker.get_closed_orders(datetime.now(UTC) - LONG_AGO)
        if report.client_order_id == order
    ]
    assert (ended.state, ended.quantity, ended.filled) == (VenueOrderState.FILLED, Decimal("0.01"), Decimal("0.01"))


async def test_an_order_for_an_amount_of_money_that_bought_nothing_blinds_no_list(tmp_path: Path) -> None:
    """Binance writes its quantity as zero; an answer that tells no quantity at all still makes no sense."""
    async with account(tmp_path, "spot") as rig:
        exchange = rig.broker._client.exchange
        raw = {
            "symbol": "BTCUSDT",
            "orderId": 7,
            "clientOrderId": "web_1",
            "price": "0.00000000",
            "origQty": "0.00000000",
            "executedQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000",
            "origQuoteOrderQty": "100.00000000",
            "status": "EXPIRED",
            "timeInForce": "GTC",
            "type": "MARKET",
            "side": "BUY",
            "time": 1,
            "updateTime": 1,
        }
        reader = Reader(rig.broker._dialect, KnownOrders(), lambda: datetime.now(UTC))
        report = reader.report(exchange.parse_order(raw))
        assert (report.state, report.quantity, report.filled) == (VenueOrderState.EXPIRED, 0, 0)
        del raw["origQty"]
        with pytest.raises(Unreadable, match="no quantity"):
            reader.report(exchange.parse_order(raw))
        raw["closePosition"] = True
        assert reader.report(exchange.parse_order(raw)).quantity == 0
