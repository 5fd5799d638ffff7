"""USDT-M futures as unmodified ccxt trades them: orders, conditional orders, margin, streams; and what is refused."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt
import pytest

from tests.venues.binance.app import BinanceServer
from tests.venues.conftest import Connect

SWAP = "BTC/USDT:USDT"


@pytest.fixture
async def swaps(connect: Connect) -> Any:
    """A client of USDT-M futures."""
    return await _swaps(connect)


async def _swaps(connect: Connect, **config: Any) -> Any:
    options = {
        "defaultType": "future",
        "fetchMarkets": {"types": ["linear"]},
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    }
    return await connect(options=options, **config)


async def _events(venue: BinanceServer, kind: str) -> list[dict[str, Any]]:
    return [entry["event"] for entry in venue.journal.all("event") if entry["event"].get("e") == kind]


async def _listening(exchange: Any) -> list[asyncio.Task[Any]]:
    """A reader of the user's stream that is really connected."""
    task = asyncio.create_task(exchange.watch_orders())
    for _ in range(3000):
        if any(client.connection for url, client in exchange.clients.items() if "private" in url):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    return [task]


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_market_order_opens_a_position_and_money_follows_to_the_last_digit(
    venue: BinanceServer, swaps: Any
) -> None:
    """Fee, realised profit, wallet and incomes agree with one another."""
    bought = await swaps.create_order(SWAP, "market", "buy", 0.01, params={"clientOrderId": "open-1"})
    assert (bought["status"], bought["filled"]) == ("closed", 0.01)
    assert (await swaps.fetch_order(bought["id"], SWAP))["average"] == 50000.1
    venue.move("BTCUSDT", "51000")
    await swaps.create_order(SWAP, "market", "sell", 0.01, params={"reduceOnly": True})
    account = venue.usdm.account
    fees = (Decimal("500.001") + Decimal(510)) * Decimal("0.0005")
    assert account.wallet == Decimal(15_000) + Decimal("9.999") - fees
    assert sum(each.amount for each in account.incomes) == account.wallet - 15_000
    assert await swaps.fetch_positions() == []
    trades = await swaps.fetch_my_trades(SWAP)
    assert [trade["info"]["realizedPnl"] for trade in trades] == ["0.00000000", "9.99900000"]
    assert len(venue.journal.executions("open-1")) == 1


async def test_an_order_answer_tells_no_average_price(swaps: Any) -> None:
    """Binance took avgPrice and cumQuote out of the answers in July 2026; queries have them."""
    order = await swaps.create_order(SWAP, "market", "buy", 0.01)
    assert not {"avgPrice", "cumQuote"} & order["info"].keys()
    assert order["average"] is None


async def test_a_crossing_limit_is_answered_before_it_fills(venue: BinanceServer, swaps: Any) -> None:
    """A GTC order is told as it was accepted; IOC and market orders as they ended."""
    crossing = await swaps.create_order(SWAP, "limit", "buy", 0.01, 50_500)
    assert (crossing["info"]["status"], crossing["info"]["executedQty"]) == ("NEW", "0.000")
    assert (await swaps.fetch_order(crossing["id"], SWAP))["status"] == "closed"
    missed = await swaps.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"timeInForce": "IOC"})
    assert missed["info"]["status"] == "EXPIRED"
    assert len(venue.journal.executions()) == 1


async def test_a_taker_walks_the_book_and_an_ioc_leaves_nothing(venue: BinanceServer, swaps: Any) -> None:
    """One execution for each level."""
    venue.usdm.book("BTCUSDT", bids=[("50000", "1")], asks=[("50000.1", "0.005"), ("50001", "0.003")])
    order = await swaps.create_order(SWAP, "limit", "buy", 0.01, 50_001, {"timeInForce": "IOC"})
    assert (order["info"]["status"], order["filled"]) == ("EXPIRED", 0.008)
    assert [each["quantity"] for each in venue.journal.executions()] == [Decimal("0.005"), Decimal("0.003")]


async def test_an_amended_order_keeps_its_number(venue: BinanceServer, swaps: Any) -> None:
    """Another price and quantity; amending below what is filled cancels; changing nothing is refused."""
    order = await swaps.create_order(SWAP, "limit", "buy", 0.02, 49_000, {"clientOrderId": "amend"})
    with pytest.raises(ccxt.OperationRejected):
        await swaps.edit_order(order["id"], SWAP, "limit", "buy", 0.02, 49_000)
    edited = await swaps.edit_order(order["id"], SWAP, "limit", "buy", 0.03, 48_900)
    assert (edited["id"], edited["price"], edited["amount"]) == (order["id"], 48_900, 0.03)
    venue.usdm.account.fill(venue.usdm.account.orders[int(order["id"])], Decimal("0.01"))
    await swaps.edit_order(order["id"], SWAP, "limit", "buy", 0.01, 48_900)
    assert (await swaps.fetch_order(order["id"], SWAP))["status"] == "canceled"


@pytest.mark.parametrize(
    ("order", "code", "error"),
    [
        (("market", "buy", 100), -2019, ccxt.InsufficientFunds),
        (("limit", "buy", 0.001, 49_000), -4164, ccxt.InvalidOrder),
        (("market", "sell", 0.01, None, {"reduceOnly": True}), -2022, ccxt.InvalidOrder),
        (("limit", "buy", 0.01, 50_500, {"postOnly": True}), -5022, ccxt.OrderNotFillable),
        (("limit", "buy", 0.01, 49_000, {"timeInForce": "FOK"}), -5021, ccxt.OrderNotFillable),
        (("market", "sell", 0.01, None, {"stopLossPrice": 51_000}), -2021, ccxt.OrderImmediatelyFillable),
        (("limit", "buy", 0.01, 60_000), -4016, ccxt.ExchangeError),
        (("market", "buy", 0.01, None, {"positionSide": "LONG"}), -4061, ccxt.ExchangeError),
        (("market", "buy", 0.01, None, {"clientOrderId": "x" * 37}), -4015, ccxt.ExchangeError),
        (("limit", "buy", 0.01, 49_000, {"timeInForce": "GTD"}), -1102, ccxt.BadRequest),
    ],
)
async def test_refusals_have_the_codes_of_futures(
    venue: BinanceServer, swaps: Any, order: tuple[Any, ...], code: int, error: type[Exception]
) -> None:
    """And ccxt reads them with its own table for futures; nothing of a refused order is kept."""
    with pytest.raises(error, match=str(code)):
        await swaps.create_order(SWAP, *order)
    assert not venue.usdm.account.orders
    assert not venue.usdm.algos.all
    assert venue.usdm.account.wallet == 15_000
    assert not venue.journal.accepted()


async def test_conditional_types_are_refused_where_they_used_to_go(swaps: Any) -> None:
    """-4120 sends them to the Algo service."""
    params = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01", "stopPrice": "49000"}
    with pytest.raises(ccxt.InvalidOrder, match="-4120"):
        await swaps.fapiPrivatePostOrder(params)


async def test_a_client_id_counts_among_open_orders_only(swaps: Any) -> None:
    """-4116 while the first is open; afterwards the same id is a new order, so it protects nobody."""
    first = await swaps.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "twice"})
    with pytest.raises(ccxt.InvalidOrder, match="-4116"):
        await swaps.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "twice"})
    await swaps.cancel_order(first["id"], SWAP)
    again = await swaps.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "twice"})
    assert again["id"] != first["id"]


async def test_a_restricted_account_may_only_reduce(venue: BinanceServer, swaps: Any) -> None:
    """-4400."""
    await swaps.create_order(SWAP, "market", "buy", 0.01)
    venue.usdm.account.is_restricted = True
    with pytest.raises(ccxt.PermissionDenied, match="-4400"):
        await swaps.create_order(SWAP, "market", "buy", 0.01)
    await swaps.create_order(SWAP, "market", "sell", 0.01, None, {"reduceOnly": True})


async def test_a_stop_wakes_and_becomes_an_order(venue: BinanceServer, swaps: Any) -> None:
    """In its own space of ids until then; the order that it becomes has its client id."""
    await swaps.create_order(SWAP, "market", "buy", 0.01)
    tasks = await _listening(swaps)
    params = {"stopLossPrice": 49_000, "reduceOnly": True, "clientOrderId": "stop-1"}
    stop = await swaps.create_order(SWAP, "market", "sell", 0.01, None, params)
    with pytest.raises(ccxt.OrderNotFound):
        await swaps.fetch_order(stop["id"], SWAP)
    assert await swaps.fetch_open_orders(SWAP) == []
    assert len(await swaps.fetch_open_orders(SWAP, params={"trigger": True})) == 1
    venue.move("BTCUSDT", "48990")
    known = await swaps.fapiPrivateGetAlgoOrder({"clientAlgoId": "stop-1"})
    assert (known["algoStatus"], known["actualPrice"]) == ("FINISHED", "48990.00")
    assert (await swaps.fetch_order(known["actualOrderId"], SWAP))["clientOrderId"] == "stop-1"
    assert [each["o"]["X"] for each in await _events(venue, "ALGO_UPDATE")] == [
        "NEW",
        "TRIGGERING",
        "TRIGGERED",
        "FINISHED",
    ]
    assert len([each for each in venue.journal.accepted() if each["client_id"] == "stop-1"]) == 1
    await _stop(tasks)


async def test_a_trailing_stop_follows_from_its_activation_on(venue: BinanceServer, swaps: Any) -> None:
    """It says NEW a second time when it begins to trail."""
    await swaps.create_order(SWAP, "market", "buy", 0.01)
    tasks = await _listening(swaps)
    params = {"trailingPercent": 1, "trailingTriggerPrice": 51_000, "reduceOnly": True}
    trailing = await swaps.create_order(SWAP, "market", "sell", 0.01, None, params)
    algo = venue.usdm.algos.all[int(trailing["id"])]
    for price, status in (
        ("49000", "NEW"),
        ("51000", "NEW"),
        ("52000", "NEW"),
        ("51500", "NEW"),
        ("51480", "FINISHED"),
    ):
        venue.move("BTCUSDT", price)
        assert algo.status == status, price
    told = [(each["o"]["X"], each["o"]["ia"]) for each in await _events(venue, "ALGO_UPDATE")]
    assert told[:2] == [("NEW", False), ("NEW", True)]
    await _stop(tasks)


async def test_cancelling_all_orders_leaves_conditional_ones(venue: BinanceServer, swaps: Any) -> None:
    """The gap in Binance's cancel-all; they have a cancel-all of their own."""
    await swaps.create_order(SWAP, "limit", "buy", 0.01, 49_000)
    await swaps.create_order(SWAP, "market", "sell", 0.01, None, {"stopLossPrice": 49_000})
    await swaps.cancel_all_orders(SWAP)
    assert not venue.usdm.account.open_orders()
    assert len(venue.usdm.algos.open()) == 1
    await swaps.fapiPrivateDeleteAlgoOpenOrders({"symbol": "BTCUSDT"})
    assert not venue.usdm.algos.open()


async def test_a_stop_that_cannot_be_placed_is_rejected_with_a_reason(venue: BinanceServer, swaps: Any) -> None:
    """Margin and positions are looked at when it wakes, not when it is placed."""
    await swaps.create_order(SWAP, "market", "sell", 0.01, None, {"stopLossPrice": 49_000, "reduceOnly": True})
    venue.move("BTCUSDT", "48900")
    (algo,) = venue.usdm.algos.all.values()
    assert (algo.status, algo.failure) == ("REJECTED", "ReduceOnly Order is rejected.")


async def test_the_dead_mans_timer_cancels_when_nobody_calls(venue: BinanceServer, swaps: Any) -> None:
    """Called with zero it is off."""
    await swaps.create_order(SWAP, "limit", "buy", 0.01, 49_000)
    await swaps.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 400})
    await swaps.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 0})
    await asyncio.sleep(0.5)
    assert len(venue.usdm.account.open_orders()) == 1
    await swaps.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 20})
    async with asyncio.timeout(30):
        while venue.usdm.account.open_orders():
            await asyncio.sleep(0.01)


async def test_funding_leverage_and_liquidation(venue: BinanceServer, swaps: Any) -> None:
    """Longs pay; a loss beyond the margin closes the position with an order of the venue's own."""
    await swaps.set_leverage(100, SWAP)
    await swaps.create_order(SWAP, "market", "buy", 10)
    assert venue.usdm.fund("BTCUSDT", "0.0001") == Decimal(-50)
    (paid,) = await swaps.fetch_funding_history(SWAP)
    assert paid["amount"] == -50
    (position,) = await swaps.fetch_positions()
    assert 48_500 < position["liquidationPrice"] < 49_000
    venue.move("BTCUSDT", "48500")
    assert await swaps.fetch_positions() == []
    own = [order for order in venue.usdm.account.orders.values() if order.client_id.startswith("autoclose-")]
    assert [order.status for order in own] == ["FILLED"]
    with pytest.raises(ccxt.ExchangeError, match="-4028"):
        await swaps.fapiPrivatePostLeverage({"symbol": "BTCUSDT", "leverage": 126})  # ccxt itself refuses it before


async def test_the_user_stream_tells_order_money_and_execution(venue: BinanceServer, swaps: Any) -> None:
    """In the order in which the venue tells them; TRADE_LITE disturbs nobody."""
    tasks = await _listening(swaps)
    await swaps.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "heard"})
    (order,) = await asyncio.wait_for(tasks[0], 30)
    assert order["clientOrderId"] == "heard"
    told = [entry["event"]["e"] for entry in venue.journal.all("event", channel="user usdm")]
    assert told == ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE", "ORDER_TRADE_UPDATE"]
    filled = (await _events(venue, "ORDER_TRADE_UPDATE"))[-1]["o"]
    assert (filled["x"], filled["X"], filled["N"]) == ("TRADE", "FILLED", "USDT")


async def test_a_listen_key_lives_an_hour(venue: BinanceServer, swaps: Any) -> None:
    """Then the event, silence, and -1125 for who would keep it alive."""
    tasks = await _listening(swaps)
    venue.clock.offset_ms += 59 * 60_000
    venue.usdm.pass_time()
    assert not await _events(venue, "listenKeyExpired")
    venue.clock.offset_ms += 60_001
    venue.usdm.pass_time()
    venue.clock.offset_ms = 0
    assert len(await _events(venue, "listenKeyExpired")) == 1
    await swaps.create_order(SWAP, "market", "buy", 0.01)
    assert not await _events(venue, "ORDER_TRADE_UPDATE")
    with pytest.raises(ccxt.ExchangeError, match="-1125"):
        await swaps.fapiPrivatePutListenKey()
    await _stop(tasks)


async def test_a_missed_event_is_not_sent_again(venue: BinanceServer, swaps: Any) -> None:
    """Only a query tells of it."""
    tasks = await _listening(swaps)
    venue.script.plan("STREAM user usdm", "lose", match={"e": "TRADE_LITE"})
    order = await swaps.create_order(SWAP, "market", "buy", 0.01)
    assert (await swaps.fetch_order(order["id"], SWAP))["status"] == "closed"
    await asyncio.wait(tasks, timeout=30)
    assert len(venue.journal.all("event", fault="lose")) == 1
    await _stop(tasks)


async def test_market_streams_and_their_paths(venue: BinanceServer, swaps: Any) -> None:
    """Tickers and bars on /market, books on /public; a chain of updates without a gap."""
    assert (await asyncio.wait_for(swaps.watch_ticker(SWAP), 30))["last"] == 50_000
    assert (await asyncio.wait_for(swaps.watch_ohlcv(SWAP, "1m"), 30))[-1][4] == 50_000
    assert (await asyncio.wait_for(swaps.watch_order_book(SWAP), 30))["bids"][0][0] == 50_000
    venue.move("BTCUSDT", "50010")
    assert (await asyncio.wait_for(swaps.watch_order_book(SWAP), 30))["bids"][0][0] == 50_010
    updates = await _events(venue, "depthUpdate")
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(updates))
    paths = {entry["path"] for entry in venue.journal.all("connected")}
    assert {path.split("/")[1] for path in paths} == {"market", "public"}


async def test_modes_have_accounts_of_their_own(venue: BinanceServer, connect: Connect) -> None:
    """A demo key trades on the demo hosts, and is refused by the real ones."""
    demo = await _swaps(connect, key="demo", load=False)
    with pytest.raises(ccxt.AuthenticationError):
        await demo.fetch_balance({"type": "future"})
    demo.enable_demo_trading(True)
    await demo.load_markets()
    await demo.create_order(SWAP, "market", "buy", 0.01)
    assert venue.usdm.of("demo").account.trades
    assert not venue.usdm.account.trades
    assert {entry["host"] for entry in venue.journal.requests("POST /fapi/v1/order")} == {"demo-fapi.binance.com"}


@pytest.mark.parametrize("fault", ["drop_after", "http_504_after", "html_502_after", "truncated_after"])
async def test_a_lost_answer_leaves_a_filled_order_behind(venue: BinanceServer, swaps: Any, fault: str) -> None:
    """Whatever the client heard, one order filled once, and a query by client id finds it."""
    venue.script.plan("POST /fapi/v1/order", fault)
    try:
        order = await swaps.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "lost"})
        assert order["id"] is None
    except ccxt.BaseError:
        assert fault != "truncated_after"
    assert (await swaps.fetch_order("", SWAP, {"clientOrderId": "lost"}))["status"] == "closed"
    assert len(venue.journal.executions("lost")) == 1


async def test_the_venue_can_lag_and_lie(venue: BinanceServer, swaps: Any) -> None:
    """Not found right after it was placed; said cancelled and open; filled just before the cancel."""
    order = await swaps.create_order(SWAP, "limit", "buy", 0.01, 49_000)
    venue.script.plan("GET /fapi/v1/order", "lagging")
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        await swaps.fetch_order(order["id"], SWAP)
    venue.script.plan("DELETE /fapi/v1/order", "false_cancel")
    assert (await swaps.cancel_order(order["id"], SWAP))["status"] == "canceled"
    assert (await swaps.fetch_order(order["id"], SWAP))["status"] == "open"
    venue.script.plan("DELETE /fapi/v1/order", "fill_first")
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await swaps.cancel_order(order["id"], SWAP)
    assert (await swaps.fetch_order(order["id"], SWAP))["status"] == "closed"
