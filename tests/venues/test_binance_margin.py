"""Cross margin over `sapi`, as ccxt calls it for `marginMode: cross`."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.venues.binance.app import BinanceServer
from tests.venues.conftest import Connect

SYMBOL = "BTC/USDT"
CROSS = {"marginMode": "cross"}


@pytest.fixture
async def margin(connect: Connect) -> Any:
    """A client whose account is the margin account."""
    return await connect(options={"defaultType": "margin", "fetchMargins": True})


async def test_an_order_lives_on_margin_as_on_spot(venue: BinanceServer, margin: Any) -> None:
    """Placed, found, listed, cancelled, executed; spot knows nothing of it."""
    order = await margin.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {**CROSS, "clientOrderId": "m1"})
    assert order["status"] == "open"
    assert [each["id"] for each in await margin.fetch_open_orders(SYMBOL, params=CROSS)] == [order["id"]]
    found = await margin.fetch_order(None, SYMBOL, {**CROSS, "clientOrderId": "m1"})
    assert (found["id"], found["info"]["isIsolated"]) == (order["id"], False)
    assert (await margin.cancel_order(order["id"], SYMBOL, CROSS))["status"] == "canceled"
    await margin.create_order(SYMBOL, "market", "buy", 0.01, None, CROSS)
    (trade,) = await margin.fetch_my_trades(SYMBOL, params=CROSS)
    assert trade["amount"] == 0.01
    assert len(await margin.fetch_orders(SYMBOL, params=CROSS)) == 2
    assert venue.spot.desk.orders == {}
    asked = {entry["route"] for entry in venue.journal.requests() if "order" in entry["route"].lower()}
    assert all("/sapi/v1/margin/" in route for route in asked)


async def test_all_orders_of_a_symbol_are_cancelled(margin: Any) -> None:
    """By one call."""
    for price in (48000, 47000):
        await margin.create_order(SYMBOL, "limit", "buy", 0.01, price, CROSS)
    assert len(await margin.cancel_all_orders(SYMBOL, CROSS)) == 2
    assert await margin.fetch_open_orders(SYMBOL, params=CROSS) == []


async def test_a_short_sale_borrows_and_its_cover_repays(venue: BinanceServer, margin: Any) -> None:
    """Without credit it is refused; with it the loan is what was sold, and is paid back from what is bought."""
    with pytest.raises(ccxt.InsufficientFunds):
        await margin.create_order(SYMBOL, "market", "sell", 0.1, None, CROSS)
    sold = await margin.create_order(SYMBOL, "market", "sell", 0.1, None, {**CROSS, "sideEffectType": "MARGIN_BUY"})
    assert sold["info"]["marginBuyBorrowAmount"] == "0.10000000"
    balance = await margin.fetch_balance({"type": "margin"})
    assert balance["BTC"]["debt"] == 0.1
    assert venue.margin.desk.wallet.of("USDT").free == Decimal(50_000) + 5_000 - 5
    covers = await margin.create_order(SYMBOL, "market", "buy", 0.1, None, {**CROSS, "reduceOnly": True})
    assert covers["info"]["isIsolated"] is False
    assert venue.margin.desk.wallet.of("BTC").borrowed == 0


async def test_credit_has_an_end(margin: Any) -> None:
    """Three times the equity."""
    with pytest.raises(ccxt.BaseError, match="-3006"):
        await margin.create_order(SYMBOL, "market", "sell", 2.1, None, {**CROSS, "sideEffectType": "MARGIN_BUY"})


async def test_orders_of_margin_come_by_their_own_stream(venue: BinanceServer, margin: Any) -> None:
    """By listen token, on the same connection as spot's."""
    task = asyncio.create_task(margin.watch_orders(params={"type": "margin"}))
    async with asyncio.timeout(30):
        while not any("user margin" in socket.marks for socket in venue.sockets.of("ws-api")):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        await margin.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {**CROSS, "clientOrderId": "m2"})
        (order,) = await task
    assert (order["clientOrderId"], order["status"]) == ("m2", "open")


async def test_isolated_margin_is_not_there(connect: Connect) -> None:
    """It is refused, not taken for cross."""
    exchange = await connect(options={"fetchMargins": True})
    with pytest.raises(ccxt.BaseError, match="-3003"):
        await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"marginMode": "isolated"})
