"""Every case of "the outcome is unknown": ccxt raises (or not even that), and the journal says what is true."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.venues.binance.app import BinanceServer

SYMBOL = "BTC/USDT"
PLACE, FIND, CANCEL = "POST /api/v3/order", "GET /api/v3/order", "DELETE /api/v3/order"

UNKNOWN = [
    ("drop", ccxt.NetworkError),
    ("hang", ccxt.RequestTimeout),
    ("http_504", ccxt.RequestTimeout),
    ("http_408", ccxt.RequestTimeout),
    ("code_1006", ccxt.OperationFailed),
    ("code_1000", ccxt.OperationFailed),
    ("code_1001", ccxt.OperationFailed),
    ("html_502", ccxt.ExchangeNotAvailable),
    ("http_503_unknown", ccxt.OperationFailed),
]


async def buy(exchange: Any, **params: Any) -> Any:
    """A market order with an id of ours."""
    return await exchange.create_order(SYMBOL, "market", "buy", 0.01, None, {"clientOrderId": "mine", **params})


@pytest.mark.parametrize(("fault", "error"), UNKNOWN)
async def test_an_order_may_be_there_though_ccxt_raises(
    venue: BinanceServer, binance: Any, fault: str, error: type[Exception]
) -> None:
    """`_after`: exactly one request, and the order is found filled by our id."""
    binance.timeout = 150 if fault == "hang" else 10_000
    venue.script.plan(PLACE, f"{fault}_after")
    with pytest.raises(error) as raised:
        await buy(binance)
    assert type(raised.value) in {error, ccxt.ExchangeNotAvailable}
    assert len(venue.journal.requests(PLACE)) == 1
    binance.timeout = 10_000
    found = await binance.fetch_order(None, SYMBOL, {"clientOrderId": "mine"})
    assert (found["status"], found["filled"]) == ("closed", 0.01)
    assert len(venue.journal.executions("mine")) == 1


@pytest.mark.parametrize(("fault", "error"), UNKNOWN)
async def test_or_it_may_not_be_there(venue: BinanceServer, binance: Any, fault: str, error: type[Exception]) -> None:
    """`_before`: the same error to the last word, and no order."""
    binance.timeout = 150 if fault == "hang" else 10_000
    venue.script.plan(PLACE, f"{fault}_before")
    with pytest.raises(error):
        await buy(binance)
    assert venue.journal.accepted() == []
    with pytest.raises(ccxt.OrderNotFound):
        await binance.fetch_order(None, SYMBOL, {"clientOrderId": "mine"})


@pytest.mark.parametrize("fault", ["truncated_after", "empty_after"])
async def test_half_an_answer_raises_nothing(venue: BinanceServer, binance: Any, fault: str) -> None:
    """ccxt makes an order of nothing: no id, no state, nothing filled. It is filled."""
    venue.script.plan(PLACE, fault)
    try:
        order = await buy(binance)
    except ccxt.BaseError:
        assert fault == "empty_after"
    else:
        assert (order["id"], order["status"]) == (None, None)
    assert len(venue.journal.executions("mine")) == 1


async def test_an_answer_that_breaks_off_raises(venue: BinanceServer, binance: Any) -> None:
    """The connection breaks in the middle of the body."""
    venue.script.plan(PLACE, "cut_after")
    with pytest.raises(ccxt.BaseError):
        await buy(binance)
    assert len(venue.journal.executions("mine")) == 1


async def test_an_answer_may_come_late(venue: BinanceServer, binance: Any) -> None:
    """The order took effect long before."""
    venue.script.plan(PLACE, "delay", seconds=0.1)
    assert (await buy(binance))["status"] == "closed"
    accepted, answer = venue.journal.accepted()[0], venue.journal.all("answer")[-1]
    assert accepted.at <= answer.at


async def test_a_lagging_replica_does_not_know_a_new_order(venue: BinanceServer, binance: Any) -> None:
    """Ten seconds of "Order does not exist" for an order that is filled; lists do not have it either."""
    for route in (FIND, "GET /api/v3/openOrders", "GET /api/v3/allOrders", "GET /api/v3/myTrades"):
        venue.script.plan(route, "lagging", times=None, seconds=10)
    await buy(binance)
    rests = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    with pytest.raises(ccxt.OrderNotFound):
        await binance.fetch_order(None, SYMBOL, {"clientOrderId": "mine"})
    assert await binance.fetch_open_orders(SYMBOL) == []
    assert await binance.fetch_orders(SYMBOL) == []
    assert await binance.fetch_my_trades(SYMBOL) == []
    venue.clock.offset_ms += 10_001
    await binance.load_time_difference()
    binance.options["adjustForTimeDifference"] = True
    assert (await binance.fetch_order(None, SYMBOL, {"clientOrderId": "mine"}))["status"] == "closed"
    assert [order["id"] for order in await binance.fetch_open_orders(SYMBOL)] == [rests["id"]]
    assert len(await binance.fetch_my_trades(SYMBOL)) == 1


async def test_a_cancel_may_say_done_and_leave_the_order_open(venue: BinanceServer, binance: Any) -> None:
    """The answer is CANCELED, the order fills afterwards."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    venue.script.plan(CANCEL, "false_cancel")
    assert (await binance.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
    assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "open"
    venue.move("BTCUSDT", "48000")
    assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "closed"
    assert venue.journal.all("cancelled") == []


async def test_an_order_may_fill_before_its_cancel_arrives(venue: BinanceServer, binance: Any) -> None:
    """All of it: -2011; a part of it: cancelled with what has filled."""
    whole = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    venue.script.plan(CANCEL, "fill_first")
    with pytest.raises(ccxt.OrderNotFound):
        await binance.cancel_order(whole["id"], SYMBOL)
    assert (await binance.fetch_order(whole["id"], SYMBOL))["status"] == "closed"
    part = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    venue.script.plan(CANCEL, "fill_first", quantity="0.004")
    cancelled = await binance.cancel_order(part["id"], SYMBOL)
    assert (cancelled["status"], cancelled["filled"]) == ("canceled", 0.004)


async def test_a_lost_cancel_is_sent_twice_by_aiohttp_itself(venue: BinanceServer, binance: Any) -> None:
    """On a connection that was used before, aiohttp repeats GET, PUT and DELETE: the second finds nothing to cancel."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    venue.script.plan(CANCEL, "drop_after")
    with pytest.raises(ccxt.OrderNotFound):
        await binance.cancel_order(order["id"], SYMBOL)
    assert len(venue.journal.requests(CANCEL)) == 2
    assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "canceled"


async def test_a_cancel_whose_answer_hangs_took_effect(venue: BinanceServer, binance: Any) -> None:
    """Asking tells."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    venue.script.plan(CANCEL, "hang_after")
    binance.timeout = 150
    with pytest.raises(ccxt.RequestTimeout):
        await binance.cancel_order(order["id"], SYMBOL)
    binance.timeout = 10_000
    assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "canceled"


async def test_a_replacement_may_fail_in_its_second_half(venue: BinanceServer, binance: Any) -> None:
    """By plan: the old order is gone, the new one refused."""
    old = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    venue.script.plan("POST /api/v3/order/cancelReplace", "new_order_fails")
    with pytest.raises(ccxt.OperationFailed, match="-2021"):
        await binance.edit_order(old["id"], SYMBOL, "limit", "buy", 0.01, 48000)
    assert await binance.fetch_open_orders(SYMBOL) == []


async def test_a_fault_happens_when_and_as_often_as_planned(venue: BinanceServer, binance: Any) -> None:
    """Not the first, then twice, then never again."""
    venue.script.plan(PLACE, "code_1008", skip=1, times=2)
    outcomes = []
    for _ in range(4):
        try:
            await buy(binance)
            outcomes.append("done")
        except ccxt.OperationFailed:
            outcomes.append("failed")
    assert outcomes == ["done", "failed", "failed", "done"]
    assert venue.script.waiting == 0
