"""Orders on spot as unmodified ccxt places, finds, changes and cancels them; money and truth follow."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt
import pytest

from tests.venues.binance.app import BinanceServer
from tests.venues.conftest import Connect

SYMBOL = "BTC/USDT"


async def test_markets_load_with_keys_over_the_pages_that_ccxt_asks(venue: BinanceServer, connect: Connect) -> None:
    """With keys and ccxt's defaults for spot, the wallet and margin pages are read, and every filter arrives."""
    options = {"fetchCurrencies": True, "fetchMargins": True}
    exchange = await connect(load=False, options=options)
    markets = await exchange.load_markets()
    market = markets[SYMBOL]
    assert market["precision"] == {"amount": 1e-05, "price": 0.01, "base": 1e-08, "quote": 1e-08}
    assert market["limits"]["cost"]["min"] == 5
    assert market["margin"]
    asked = [entry["route"] for entry in venue.journal.requests()]
    assert sorted(asked) == [
        "GET /api/v3/exchangeInfo",
        "GET /sapi/v1/capital/config/getall",
        "GET /sapi/v1/margin/allPairs",
        "GET /sapi/v1/margin/allPairs",
        "GET /sapi/v1/margin/isolated/allPairs",
    ]
    assert exchange.currencies["BTC"]["active"]


async def test_a_market_order_fills_at_once_with_its_fee_in_what_was_bought(venue: BinanceServer, binance: Any) -> None:
    """The answer has the fills; the commission is taken from the coins."""
    order = await binance.create_order(SYMBOL, "market", "buy", 0.01, params={"clientOrderId": "mine-1"})
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.01, 50000.01)
    assert order["trades"][0]["fee"] == {"currency": "BTC", "cost": 0.00001}
    wallet = venue.spot.desk.wallet
    assert wallet.of("BTC").free == Decimal("1.00999")
    assert wallet.of("USDT").free == Decimal(100000) - Decimal("500.0001")
    (execution,) = venue.journal.executions("mine-1")
    assert (execution["quantity"], execution["price"]) == (Decimal("0.01"), Decimal("50000.01"))


async def test_a_fee_is_paid_in_bnb_where_that_is_chosen(venue: BinanceServer, binance: Any) -> None:
    """A quarter off, out of the BNB balance; without BNB in the received asset as ever."""
    venue.spot.desk.bnb_fees = True
    sold = await binance.create_order(SYMBOL, "market", "sell", 0.01)
    assert sold["fees"] == [{"currency": "BNB", "cost": 0.000625}]
    venue.spot.desk.wallet.add("BNB", -venue.spot.desk.wallet.of("BNB").free)
    sold = await binance.create_order(SYMBOL, "market", "sell", 0.01)
    assert sold["fees"] == [{"currency": "USDT", "cost": 0.5}]


async def test_a_limit_order_rests_and_fills_at_its_price_when_the_market_goes_through(
    venue: BinanceServer, binance: Any
) -> None:
    """Its money is locked until then."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    assert order["status"] == "open"
    assert venue.spot.desk.wallet.of("USDT").locked == 490
    venue.move("BTCUSDT", "49000")
    assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "open"
    venue.move("BTCUSDT", "48999")
    found = await binance.fetch_order(order["id"], SYMBOL)
    assert (found["status"], found["average"], found["cost"]) == ("closed", 49000, 490)
    assert venue.spot.desk.wallet.of("USDT").locked == 0


async def test_a_limit_order_that_crosses_takes_and_pays_the_better_price(venue: BinanceServer, binance: Any) -> None:
    """What was locked above the price comes back."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 51000)
    assert (order["status"], order["average"]) == ("closed", 50000.01)
    assert venue.spot.desk.wallet.of("USDT").free == Decimal("99499.9999")


async def test_orders_fill_in_parts(venue: BinanceServer, binance: Any) -> None:
    """A taker gets what the book shows and rests; a rester gets what has traded."""
    venue.spot.book("BTCUSDT", [("50000", "1")], [("50000.01", "0.3"), ("50001", "0.2")])
    taken = await binance.create_order(SYMBOL, "limit", "buy", 1, 50001)
    assert (taken["status"], taken["filled"], len(taken["trades"])) == ("open", 0.5, 2)
    venue.move("BTCUSDT", "50000", volume="0.1")
    assert (await binance.fetch_order(taken["id"], SYMBOL))["filled"] == 0.6
    after = await binance.cancel_order(taken["id"], SYMBOL)
    assert (after["status"], after["filled"]) == ("canceled", 0.6)


@pytest.mark.parametrize(("force", "filled", "status"), [("IOC", 0.3, "expired"), ("FOK", 0, "expired")])
async def test_what_cannot_fill_at_once_expires(
    venue: BinanceServer, binance: Any, force: str, filled: float, status: str
) -> None:
    """IOC takes what is there, FOK nothing."""
    venue.spot.book("BTCUSDT", [("50000", "1")], [("50000.01", "0.3")])
    order = await binance.create_order(SYMBOL, "limit", "buy", 1, 50000.01, {"timeInForce": force})
    assert (order["status"], order["filled"]) == (status, filled)
    assert venue.spot.desk.wallet.of("USDT").locked == 0


async def test_post_only_rests_or_is_refused(binance: Any) -> None:
    """ccxt sends LIMIT_MAKER."""
    order = await binance.create_order(SYMBOL, "limit", "sell", 0.01, 50001, {"postOnly": True})
    assert (order["status"], order["info"]["type"]) == ("open", "LIMIT_MAKER")
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await binance.create_order(SYMBOL, "limit", "sell", 0.01, 50000, {"postOnly": True})


@pytest.mark.parametrize(
    ("side", "kind", "params", "price", "wakes_at", "wire"),
    [
        ("sell", "market", {"stopLossPrice": 49000}, None, "48990", "STOP_LOSS"),
        ("buy", "market", {"stopLossPrice": 51000}, None, "51010", "STOP_LOSS"),
        ("sell", "limit", {"stopLossPrice": 49000}, 48500, "48990", "STOP_LOSS_LIMIT"),
        ("sell", "market", {"takeProfitPrice": 51000}, None, "51010", "TAKE_PROFIT"),
        ("sell", "limit", {"takeProfitPrice": 51000}, 50500, "51010", "TAKE_PROFIT_LIMIT"),
        ("buy", "limit", {"triggerPrice": 51000}, 51500, "51010", "STOP_LOSS_LIMIT"),
    ],
)
async def test_conditional_orders_wait_for_their_price(
    venue: BinanceServer,
    binance: Any,
    side: str,
    kind: str,
    params: dict[str, Any],
    price: float | None,
    wakes_at: str,
    wire: str,
) -> None:
    """They are open and fill nothing before it, and fill at it."""
    order = await binance.create_order(SYMBOL, kind, side, 0.01, price, params)
    assert (order["status"], order["info"]["type"]) == ("open", wire)
    assert not (await binance.fetch_order(order["id"], SYMBOL))["info"]["isWorking"]
    venue.move("BTCUSDT", "50100")
    assert len(await binance.fetch_open_orders(SYMBOL)) == 1
    venue.move("BTCUSDT", wakes_at)
    found = await binance.fetch_order(order["id"], SYMBOL)
    assert (found["status"], found["filled"]) == ("closed", 0.01)
    assert [entry.kind for entry in venue.journal if entry.get("order_id") == int(order["id"])] == [
        "accepted",
        "triggered",
        "execution",
    ]


async def test_a_stop_that_would_wake_at_once_is_refused(binance: Any) -> None:
    """-2010 in the words that ccxt knows."""
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await binance.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": 50100})


async def test_a_trailing_stop_follows_the_market(venue: BinanceServer, binance: Any) -> None:
    """One percent below the best price since it was placed."""
    params = {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}
    order = await binance.create_order(SYMBOL, "market", "sell", 0.01, None, params)
    for price in ("51000", "50600"):
        venue.move("BTCUSDT", price)
        assert (await binance.fetch_order(order["id"], SYMBOL))["status"] == "open"
    venue.move("BTCUSDT", "50490")
    assert (await binance.fetch_order(order["id"], SYMBOL))["average"] == 50490


@pytest.mark.parametrize(
    ("side", "kind", "stop", "prices", "wakes"),
    [  # the scenarios A to E of Binance's own page on trailing stops, around 50,000 instead of 40,000
        ("BUY", "STOP_LOSS", "55000", ["46000", "55000", "57500", "52500", "55124", "55125"], 5),
        ("SELL", "STOP_LOSS", "48750", ["52000", "48750", "46000", "51000", "45901", "45900"], 5),
        ("BUY", "TAKE_PROFIT", "47500", ["52500", "47500", "46000", "49000", "49909", "49910"], 5),
        ("SELL", "TAKE_PROFIT", "52500", ["51000", "48000", "52500", "56000", "55000", "51800"], 5),
        ("SELL", "STOP_LOSS", None, ["52500", "49000", "56000", "52081", "52080"], 4),
    ],
)
async def test_trailing_stops_of_every_kind(
    venue: BinanceServer, binance: Any, side: str, kind: str, stop: str | None, prices: list[str], wakes: int
) -> None:
    """A buy wakes on a rise from the lowest, a sell on a fall from the highest, once the stop price was met."""
    delta = {"55000": 500, "48750": 1000, "47500": 850, "52500": 750, None: 700}[stop]
    request = {"symbol": "BTCUSDT", "side": side, "type": kind, "quantity": "0.01", "trailingDelta": delta}
    await binance.private_post_order({**request, **({} if stop is None else {"stopPrice": stop})})
    for number, price in enumerate(prices):
        assert len(venue.journal.all("triggered")) == 0
        venue.move("BTCUSDT", price)
        assert len(venue.journal.all("triggered")) == int(number == wakes)


async def test_orders_are_found_by_both_ids_and_listed(binance: Any) -> None:
    """By number, by our id, among the open, among all; executions by symbol."""
    rests = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "rests"})
    await binance.create_order(SYMBOL, "market", "sell", 0.02, None, {"clientOrderId": "sold"})
    assert (await binance.fetch_order(rests["id"], SYMBOL))["clientOrderId"] == "rests"
    assert (await binance.fetch_order(None, SYMBOL, {"clientOrderId": "sold"}))["status"] == "closed"
    assert [order["clientOrderId"] for order in await binance.fetch_open_orders(SYMBOL)] == ["rests"]
    assert [order["clientOrderId"] for order in await binance.fetch_orders(SYMBOL)] == ["rests", "sold"]
    (trade,) = await binance.fetch_my_trades(SYMBOL)
    assert (trade["amount"], trade["side"], trade["takerOrMaker"]) == (0.02, "sell", "taker")
    with pytest.raises(ccxt.OrderNotFound):
        await binance.fetch_order(None, SYMBOL, {"clientOrderId": "nobody"})


async def test_cancels(venue: BinanceServer, binance: Any) -> None:
    """One by our id, all of a symbol; what is over cannot be cancelled, and nothing open is -2011."""
    await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "one"})
    for price in (48000, 47000):
        await binance.create_order(SYMBOL, "limit", "buy", 0.01, price)
    cancelled = await binance.cancel_order(None, SYMBOL, {"clientOrderId": "one"})
    assert (cancelled["status"], cancelled["info"]["origClientOrderId"]) == ("canceled", "one")
    assert cancelled["clientOrderId"] != "one"  # as Binance has it: the cancel has an id of its own
    assert len(await binance.cancel_all_orders(SYMBOL)) == 2
    with pytest.raises(ccxt.OrderNotFound):
        await binance.cancel_all_orders(SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        await binance.cancel_order(None, SYMBOL, {"clientOrderId": "one"})
    assert venue.spot.desk.wallet.of("USDT").locked == 0
    assert len(venue.journal.all("cancelled")) == 3


async def test_an_edit_is_a_cancel_and_a_new_order(venue: BinanceServer, binance: Any) -> None:
    """Another number, another id of ours."""
    old = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "first"})
    new = await binance.edit_order(old["id"], SYMBOL, "limit", "buy", 0.02, 48000, {"clientOrderId": "second"})
    assert (new["status"], new["amount"], new["price"]) == ("open", 0.02, 48000)
    assert new["id"] != old["id"]
    assert [order["clientOrderId"] for order in await binance.fetch_open_orders(SYMBOL)] == ["second"]
    assert (await binance.fetch_order(old["id"], SYMBOL))["status"] == "canceled"
    assert venue.spot.desk.wallet.of("USDT").locked == 960


async def test_an_edit_may_end_half_done(venue: BinanceServer, binance: Any) -> None:
    """-2021: the old order is gone and there is no new one; -2022: nothing has happened."""
    old = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    with pytest.raises(ccxt.OperationFailed) as half:
        await binance.edit_order(old["id"], SYMBOL, "limit", "buy", 5, 49000)
    assert '"code": -2021' in str(half.value)
    assert '"cancelResult": "SUCCESS"' in str(half.value)
    assert await binance.fetch_open_orders(SYMBOL) == []
    with pytest.raises(ccxt.OperationFailed) as whole:
        await binance.edit_order(old["id"], SYMBOL, "limit", "buy", 0.01, 48000)
    assert '"code": -2022' in str(whole.value)
    assert '"newOrderResult": "NOT_ATTEMPTED"' in str(whole.value)
    assert len(venue.journal.accepted()) == 1


async def test_an_edit_that_breaks_a_filter_leaves_the_order_alone(binance: Any) -> None:
    """Filters are looked at before anything is cancelled."""
    old = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
    with pytest.raises(ccxt.BadRequest):
        await binance.edit_order(old["id"], SYMBOL, "limit", "buy", 0.00001, 49000)
    assert (await binance.fetch_order(old["id"], SYMBOL))["status"] == "open"


async def test_an_order_is_made_smaller_in_its_place(venue: BinanceServer, binance: Any) -> None:
    """`amend/keepPriority` keeps number and price, and unlocks the difference."""
    order = await binance.create_order(SYMBOL, "limit", "buy", 0.02, 49000)
    request = {"symbol": "BTCUSDT", "orderId": order["id"], "newQty": "0.01"}
    amend = ("order/amend/keepPriority", ["private"], "PUT")
    answer = await binance.request(*amend, request)
    assert (answer["amendedOrder"]["qty"], answer["amendedOrder"]["origClientOrderId"]) == (
        "0.01000000",
        order["clientOrderId"],
    )
    assert answer["amendedOrder"]["clientOrderId"] != order["clientOrderId"]  # a new one, unless one is sent
    assert venue.spot.desk.wallet.of("USDT").locked == 490
    with pytest.raises(ccxt.BaseError):
        await binance.request(*amend, {**request, "newQty": "0.05"})


async def test_an_order_never_meets_one_of_the_same_account(venue: BinanceServer, binance: Any) -> None:
    """The usual mode lets the resting one expire."""
    venue.spot.book("BTCUSDT", [("49000", "1")], [("51000", "1")])
    rests = await binance.create_order(SYMBOL, "limit", "sell", 0.01, 50000)
    taker = await binance.create_order(SYMBOL, "limit", "buy", 0.01, 50500)
    assert taker["status"] == "open"
    assert (await binance.fetch_order(rests["id"], SYMBOL))["info"]["status"] == "EXPIRED_IN_MATCH"


async def test_the_balance_tells_free_and_locked(binance: Any) -> None:
    """As much as there is."""
    await binance.create_order(SYMBOL, "limit", "sell", 0.4, 60000)
    balance = await binance.fetch_balance()
    assert (balance["BTC"]["free"], balance["BTC"]["used"], balance["BTC"]["total"]) == (0.6, 0.4, 1)


async def test_market_data(venue: BinanceServer, connect: Connect) -> None:
    """Without keys: tickers, book, bars, trades, time."""
    exchange = await connect(key=None)
    venue.move("BTCUSDT", "50500")
    ticker = await exchange.fetch_ticker(SYMBOL)
    assert (ticker["bid"], ticker["ask"], ticker["last"], ticker["open"]) == (50500, 50500.01, 50500, 50000)
    book = await exchange.fetch_order_book(SYMBOL, 5)
    assert (len(book["bids"]), book["bids"][0][0], book["asks"][0][0]) == (5, 50500, 50500.01)
    bars = await exchange.fetch_ohlcv(SYMBOL, "1m", limit=10)
    assert len(bars) == 10
    assert bars[-1][4] == 50500
    assert all(later[0] - earlier[0] == 60_000 for earlier, later in pairwise(bars))
    assert (await exchange.fetch_bids_asks([SYMBOL]))[SYMBOL]["bid"] == 50500
    assert (await exchange.fetch_trades(SYMBOL))[-1]["price"] == 50500
    assert abs(await exchange.fetch_time() - venue.clock.now_ms()) < 2000
