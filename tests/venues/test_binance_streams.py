"""Streams as ccxt.pro hears them: the account's, the market's, and every way in which they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import ccxt
import pytest

from tests.venues.binance.app import BinanceServer
from tests.venues.conftest import Connect

T = TypeVar("T")
SYMBOL = "BTC/USDT"
USER, MARKET = "STREAM user spot", "STREAM market spot"


async def soon(waiting: Awaitable[T]) -> T:
    """Within half a minute, or it has failed."""
    return await asyncio.wait_for(waiting, 30)


async def nothing(waiting: Awaitable[Any], seconds: float = 0.1) -> None:
    """Nothing comes."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waiting, seconds)


@asynccontextmanager
async def listening(
    exchange: Any, venue: BinanceServer, what: str = "watch_orders"
) -> AsyncIterator[asyncio.Task[Any]]:
    """A task that waits for the next event, subscribed for certain."""
    task = asyncio.create_task(getattr(exchange, what)())
    while not any("user spot" in socket.marks for socket in venue.sockets.of("ws-api")):
        await asyncio.sleep(0.005)
        assert not task.done(), task
    await asyncio.sleep(0.01)  # the answer to the subscription arrives
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- the account -------------------------------------------------------------------------------------


async def test_orders_and_fills_come_by_stream(venue: BinanceServer, binance: Any) -> None:
    """New, filled, cancelled: with our id each time, also where the event has the cancel's own."""
    async with listening(binance, venue) as task:
        order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "mine"})
        (new,) = await soon(task)
        assert (new["id"], new["clientOrderId"], new["status"]) == (order["id"], "mine", "open")
        waiting = asyncio.create_task(binance.watch_orders())
        venue.move("BTCUSDT", "48999")
        (filled,) = await soon(waiting)
        assert (filled["clientOrderId"], filled["status"], filled["filled"]) == ("mine", "closed", 0.01)
        (trade,) = await soon(binance.watch_my_trades()) if binance.myTrades is None else binance.myTrades
        assert (trade["price"], trade["takerOrMaker"], trade["fee"]) == (
            49000,
            "maker",
            {"cost": 0.00001, "currency": "BTC"},
        )
        other = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 40000, {"clientOrderId": "other"})
        await soon(binance.watch_orders())
        waiting = asyncio.create_task(binance.watch_orders())
        await binance.cancel_order(other["id"], SYMBOL)
        (cancelled,) = await soon(waiting)
        assert (cancelled["clientOrderId"], cancelled["status"]) == ("other", "canceled")
        assert cancelled["info"]["c"] != cancelled["info"]["C"] == "other"


async def test_each_event_tells_its_own_fill_and_the_sum(venue: BinanceServer, binance: Any) -> None:
    """`l` and `L` are the last execution's, `z` and `Z` all of them."""
    async with listening(binance, venue):
        order = await binance.create_order("BTC/USDT", "limit", "buy", 0.01, 49000)
        mine = venue.spot.desk.orders[int(order["id"])]
        for part in ("0.004", "0.005", "0.001"):
            venue.spot.desk.fill(mine, Decimal(part))
        told = [each["event"] for each in venue.journal.all("event") if each["event"].get("x") == "TRADE"]
    assert [each["l"] for each in told] == ["0.00400000", "0.00500000", "0.00100000"]
    assert [each["z"] for each in told] == ["0.00400000", "0.00900000", "0.01000000"]
    assert [each["X"] for each in told] == ["PARTIALLY_FILLED", "PARTIALLY_FILLED", "FILLED"]


async def test_the_balance_comes_by_stream(venue: BinanceServer, binance: Any) -> None:
    """After an order, and when money comes in."""
    async with listening(binance, venue, "watch_balance") as task:
        await binance.create_order(SYMBOL, "limit", "sell", 0.4, 60000)
        balance = await soon(task)
        assert (balance["BTC"]["free"], balance["BTC"]["used"]) == (0.6, 0.4)
        waiting = asyncio.create_task(binance.watch_balance())
        await asyncio.sleep(0)
        venue.custody.deposit("BTC", Decimal(1))
        assert (await soon(waiting))["BTC"]["free"] == 1.6
    (row,) = await binance.fetch_deposits("BTC") if binance.currencies.get("BTC") else [None]
    assert row["amount"] == 1


async def test_a_wrong_signature_gets_no_stream(connect: Connect) -> None:
    """The subscription is refused as a request would be; ccxt 4.5.90 makes a KeyError of that, in its own clean-up."""
    exchange = await connect()
    exchange.secret = "f" * 64
    with pytest.raises(KeyError) as raised:
        await soon(exchange.watch_orders())
    assert isinstance(raised.value.__context__, ccxt.AuthenticationError)
    assert "-1022" in str(raised.value.__context__)


async def test_a_lost_stream_replays_nothing(venue: BinanceServer, binance: Any) -> None:
    """The connection breaks with the fill that it would have told; a new subscription does not have it, REST has."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    async with listening(binance, venue) as task:
        venue.script.plan(USER, "lose", match={"x": "TRADE"})
        venue.move("BTCUSDT", "48999")
        with pytest.raises(ccxt.NetworkError):
            await soon(task)
    async with listening(binance, venue) as task:
        await nothing(task)
    assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "closed"
    assert [entry["event"]["x"] for entry in venue.journal.all("event", fault="lose")] == ["TRADE"]


async def test_connections_can_be_broken_at_any_moment(venue: BinanceServer, binance: Any) -> None:
    """Without an event."""
    async with listening(binance, venue) as task:
        assert venue.sockets.drop("ws-api") == 1
        with pytest.raises(ccxt.NetworkError):
            await soon(task)


async def test_a_silent_stream_stays_open_and_says_nothing(venue: BinanceServer, binance: Any) -> None:
    """Whatever happens."""
    async with listening(binance, venue) as task:
        venue.script.plan(USER, "silent")
        await binance.create_order(SYMBOL, "market", "buy", 0.01)
        await nothing(task)
        assert len(venue.sockets.of("ws-api")) == 1


async def test_an_event_can_be_missing(venue: BinanceServer, binance: Any) -> None:
    """The fill of a market order, between its acceptance and the new balance."""
    async with listening(binance, venue) as task:
        venue.script.plan(USER, "miss", match={"x": "TRADE"})
        await binance.create_order(SYMBOL, "market", "buy", 0.01)
        (new,) = await soon(task)
        assert new["status"] == "open"
        await nothing(binance.watch_orders())


async def test_events_come_twice_late_and_in_another_order(venue: BinanceServer, binance: Any) -> None:
    """As they leave the server."""
    async with listening(binance, venue):
        seen: list[str] = []
        client = next(client for client in binance.clients.values() if "ws-api" in client.url)
        hear = binance.handle_message
        client.on_message_callback = lambda on, message: (seen.append(_kind(message)), hear(on, message))
        venue.script.plan(USER, "duplicate", match={"x": "TRADE"})
        await binance.create_order(SYMBOL, "market", "buy", 0.01)
        await _until(lambda: len(seen) >= 5)
        assert seen == ["NEW", "outboundAccountPosition", "TRADE", "TRADE", "outboundAccountPosition"]
        seen.clear()
        venue.script.plan(USER, "reorder", match={"x": "NEW"})
        await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
        await _until(lambda: len(seen) >= 2)
        assert seen == ["outboundAccountPosition", "NEW"]
        seen.clear()
        venue.script.plan(USER, "delay", match={"x": "NEW"}, seconds=0.05)
        await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
        await _until(lambda: len(seen) >= 2)
        assert seen == ["outboundAccountPosition", "NEW"]


def _kind(message: dict[str, Any]) -> str:
    event = message.get("event", {})
    return str(event.get("x", event.get("e")))


async def _until(done: Any) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("fault", ["terminate", "shutdown"])
async def test_the_venue_can_end_a_stream_itself(venue: BinanceServer, binance: Any, fault: str) -> None:
    """With `eventStreamTerminated` a pending watch_orders of ccxt stays pending; after `serverShutdown` the end comes."""
    async with listening(binance, venue) as task:
        venue.script.plan(USER, fault)
        await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
        if fault == "terminate":
            await nothing(task)
        else:
            with pytest.raises(ccxt.NetworkError):
                await soon(task)


async def test_orders_go_over_the_websocket_too(venue: BinanceServer, binance: Any) -> None:
    """`order.place` of the WS-API is the same order book; a refusal is the same refusal."""
    order = await soon(binance.create_order_ws(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "ws"}))
    assert (order["status"], order["clientOrderId"]) == ("open", "ws")
    assert (await soon(binance.fetch_order_ws(order["id"], SYMBOL)))["status"] == "open"
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
        await soon(binance.create_order_ws(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "ws"}))
    venue.script.plan("WS order.place", "drop_after")
    with pytest.raises(ccxt.NetworkError):
        await soon(binance.create_order_ws(SYMBOL, "market", "buy", 0.01, None, {"clientOrderId": "lost"}))
    assert len(venue.journal.executions("lost")) == 1


# --- the market --------------------------------------------------------------------------------------


async def test_quotes_bars_trades_and_books_come_by_stream(venue: BinanceServer, connect: Connect) -> None:
    """As they stand when subscribed to, and again when the market moves."""
    exchange = await connect(key=None)
    touch = await soon(exchange.watch_bids_asks([SYMBOL]))
    assert (touch[SYMBOL]["bid"], touch[SYMBOL]["ask"]) == (50000, 50000.01)
    assert (await soon(exchange.watch_ticker(SYMBOL)))["last"] == 50000
    assert (await soon(exchange.watch_ohlcv(SYMBOL, "1m")))[-1][4] == 50000
    book = await soon(exchange.watch_order_book(SYMBOL))
    assert (book["bids"][0][0], book["asks"][0][0]) == (50000, 50000.01)
    waiting = [
        asyncio.create_task(watch)
        for watch in (
            exchange.watch_bids_asks([SYMBOL]),
            exchange.watch_ticker(SYMBOL),
            exchange.watch_ohlcv(SYMBOL, "1m"),
            exchange.watch_order_book(SYMBOL),
            exchange.watch_trades(SYMBOL),
        )
    ]
    await _until(lambda: any("btcusdt@trade" in socket.streams for socket in venue.sockets.of("stream")))
    venue.move("BTCUSDT", "50100")
    touch, ticker, bars, book, trades = [await soon(each) for each in waiting]
    assert touch[SYMBOL]["bid"] == ticker["last"] == bars[-1][4] == trades[-1]["price"] == 50100
    assert (book["bids"][0][0], book["asks"][0][0], len(book["asks"])) == (50100, 50100.01, 50)


async def test_a_book_can_be_shown_level_by_level(venue: BinanceServer, connect: Connect) -> None:
    """Changes only, by number, so that what ccxt keeps is what REST shows."""
    exchange = await connect(key=None)
    await soon(exchange.watch_order_book(SYMBOL))
    for price in ("50000.50", "49990", "50000.02"):
        waiting = asyncio.create_task(exchange.watch_order_book(SYMBOL))
        await asyncio.sleep(0)
        venue.move("BTCUSDT", price)
        kept = await soon(waiting)
        shown = await exchange.fetch_order_book(SYMBOL)
        assert [level[:2] for level in kept["bids"][:10]] == shown["bids"][:10]
        assert kept["nonce"] == shown["nonce"]


async def test_market_streams_break_and_fall_silent(venue: BinanceServer, connect: Connect) -> None:
    """By the same script."""
    exchange = await connect(key=None)
    await soon(exchange.watch_bids_asks([SYMBOL]))
    waiting = asyncio.create_task(exchange.watch_bids_asks([SYMBOL]))
    await asyncio.sleep(0)
    venue.script.plan(MARKET, "lose")
    venue.move("BTCUSDT", "50100")
    with pytest.raises(ccxt.NetworkError):
        await soon(waiting)
    assert (await soon(exchange.watch_bids_asks([SYMBOL])))[SYMBOL]["bid"] == 50100
    venue.script.plan(MARKET, "silent")
    venue.move("BTCUSDT", "50200")
    venue.move("BTCUSDT", "50300")
    await nothing(exchange.watch_bids_asks([SYMBOL]))


async def test_unsubscribing_ends_the_events(venue: BinanceServer, connect: Connect) -> None:
    """UNSUBSCRIBE, on the connection of the subscription."""
    exchange = await connect(key=None)
    await soon(exchange.watch_order_book(SYMBOL))
    await soon(exchange.un_watch_order_book(SYMBOL))
    assert [socket.streams for socket in venue.sockets.of("stream")] == [set()]


async def test_tickers_are_repeated_on_demand(connect: Connect, venue: BinanceServer) -> None:
    """As the real venue does every second, though nothing has moved."""
    exchange = await connect(key=None)
    await soon(exchange.watch_ohlcv(SYMBOL, "1m"))
    waiting = asyncio.create_task(exchange.watch_ohlcv(SYMBOL, "1m"))
    await asyncio.sleep(0)
    for beat in venue.beaters:
        beat()
    assert (await soon(waiting))[-1][4] == 50000


async def test_who_talks_too_much_is_thrown_out(venue: BinanceServer, connect: Connect) -> None:
    """Five messages a second."""
    exchange = await connect(key=None)
    await soon(exchange.watch_bids_asks([SYMBOL]))
    (client,) = exchange.clients.values()
    for number in range(6):
        await client.send({"method": "LIST_SUBSCRIPTIONS", "id": 1000 + number})
    await _until(lambda: not venue.sockets.of("stream"))
