"""What is particular about what a venue pushes of orders: events that say less than they seem to, or more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.ccxt.streams.tap import Tap
from brokers.ccxt.streams.wire import Wire
from brokers.errors import Unavailable
from brokers.order import OrderType, Side, VenueOrderState
from tests.brokers.venues import test_coinbase, test_kraken, test_okx
from tests.brokers.venues.private import (
    BYBIT,
    COINBASE,
    KRAKEN,
    KUCOIN,
    OKX,
    OKX_ALGOS,
    TALKS,
    Chapter,
    coinbase_event,
    kraken_events,
    kucoin_event,
    okx_row,
)
from tests.brokers.venues.rig import OURS, Account, account, documented
from tests.brokers.venues.test_private_streams import (
    CALM,
    chapters,
    feed_of,
    happens,
    heard,
    lost,
    nothing_more,
    told_until,
)
from tests.brokers.venues.test_requests import at

STOP = {"side": Side.SELL, "kind": OrderType.STOP, "stop_price": Decimal(45000)}


def asked_for(here: Account, line: str) -> int:
    """How often this was asked so far."""
    return len(here.venue.said(line))


async def pushed(here: Account, place: str, *messages: Any) -> None:
    """Pushed, and read: the last message has been handled when its echo is answered."""
    seen = here.broker._connected().feeds._tap
    assert seen is not None
    before = sum(seen.seen.values())
    await here.venue.push(place, *messages)
    async with asyncio.timeout(30):
        while sum(seen.seen.values()) < before + len(messages):
            await asyncio.sleep(0.002)


def test_a_pong_is_dated_by_the_clock_that_it_is_compared_with() -> None:
    """Ccxt dates it by the venue's, which may be minutes from ours, and takes it for missing then."""

    def handle(client: Any, message: Any) -> None:
        client.lastPong = 5 if message == "pong" else client.lastPong

    tap = Tap(SimpleNamespace(handle_message=handle), Wire())
    client = SimpleNamespace(url="wss://venue", lastPong=1000, last_message_at=90_000)
    tap.hear(client, "news")
    assert client.lastPong == 1000
    tap.hear(client, "pong")
    assert client.lastPong == 90_000


# --- Bybit --------------------------------------------------------------------------------------------


async def test_bybit_events_of_another_market_are_not_ours(tmp_path: Path) -> None:
    """All markets of an account come on one socket, and BTCUSDT is the name of several."""
    async with at("bybit linear", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        for _, message in TALKS["bybit linear"].push(here, chapters(here)["filled"]):
            (row,) = message["data"]
            await pushed(here, BYBIT, {**message, "data": [{**row, "category": "spot", "orderLinkId": "else"}]})
        await nothing_more(reports)


async def test_bybit_tells_funding_among_the_executions(tmp_path: Path) -> None:
    """It is no fill; a liquidation is one."""
    async with at("bybit linear", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        message = {"topic": "execution", "id": "1", "creationTime": 1780315201500}
        row = {**here.cases["trade"], "category": "linear", "execQty": "0.02"}
        for kind in ("Funding", "Settle"):
            await pushed(here, BYBIT, {**message, "data": [{**row, "execType": kind, "execId": kind}]})
        await pushed(here, BYBIT, {**message, "data": [{**row, "execType": "BustTrade", "execId": "B"}]})
        told = await told_until(reports, VenueOrderState.FILLED)
        assert [fill.fill_id for each in told for fill in each.fills] == ["B"]


async def test_bybit_market_orders_whose_unit_is_not_told_are_asked_for(tmp_path: Path) -> None:
    """Ccxt takes the quantity of such a buy for one of the quote currency: how much was wanted would be a guess."""
    async with at("bybit spot", tmp_path, pace=CALM) as here:
        reports, talk = here.broker.reports(), TALKS["bybit spot"]
        await here.broker.place_order(here.order(kind=OrderType.MARKET))
        talk.answer(here, chapters(here)["filled"])
        (_, message), *_ = talk.push(here, Chapter("cancelled", Decimal("0.01")))
        row = {**message["data"][0], "orderType": "Market", "timeInForce": "IOC", "leavesQty": "0"}
        await pushed(here, BYBIT, {**message, "data": [row]})
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert [(each.quantity, each.filled) for each in told] == [(Decimal("0.02"), Decimal("0.02"))]


# --- OKX ----------------------------------------------------------------------------------------------


async def test_okx_algo_orders_are_looked_up_when_their_stream_tells_of_them(tmp_path: Path) -> None:
    """One that has woken is not filled: what it has become is."""
    async with at("okx spot", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        here.answer("GET /api/v5/trade/order-algo", test_okx.ok(here.cases["stop_woken"]))
        here.answer("GET /api/v5/trade/order", test_okx.ok(here.cases["child"]))
        here.answer("GET /api/v5/trade/fills-history", test_okx.ok(here.cases["fill_child"]))
        await here.broker.place_order(here.order(**STOP))
        event = {"arg": {"channel": "orders-algo", "instType": "SPOT"}, "data": [here.cases["stop_woken"]]}
        await here.venue.push(OKX_ALGOS, event)
        told = await told_until(reports, VenueOrderState.FILLED)
        assert {(each.client_order_id, each.type, each.stop_price) for each in told} == {
            (OURS, OrderType.STOP, Decimal(45000))
        }
        assert [fill.fill_id for each in told for fill in each.fills] == [here.cases["fill_child"]["tradeId"]]


async def test_okx_fills_have_their_own_price_and_fee(tmp_path: Path) -> None:
    """Ccxt's are the average and the sum of the whole order."""
    async with at("okx spot", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        row = {**okx_row(here, Chapter("filled", Decimal("0.02"))), "avgPx": "49990", "fee": "-0.00003"}
        last = {"tradeId": "T2", "fillSz": "0.01", "fillPx": "49980", "fillFee": "0.5", "fillFeeCcy": "USDT"}
        event = {**row, **last, "execType": "M", "fillTime": "1780315201400"}
        await pushed(here, OKX, {"arg": {"channel": "orders", "instType": "SPOT"}, "data": [event]})
        (fill,) = (await told_until(reports, VenueOrderState.FILLED, fills=1))[-1].fills
        assert (fill.quantity, fill.price, fill.fee, fill.fee_currency, str(fill.liquidity)) == (
            Decimal("0.01"), Decimal(49980), Decimal("-0.5"), "USDT", "maker",
        )  # fmt: skip


# --- Kraken -------------------------------------------------------------------------------------------


async def test_kraken_orders_that_are_changed_are_asked_for(tmp_path: Path) -> None:
    """An amendment does not tell the whole order."""
    async with at("kraken", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        here.cases = {**here.cases, "now": here.cases["working"]}
        test_kraken.listed(here, "now", vol="0.05")
        event = {**kraken_events(here, Chapter("working"))[1], "exec_type": "amended", "limit_price": 50000.0}
        await here.venue.push(KRAKEN, {"channel": "executions", "type": "update", "data": [event], "sequence": 9})
        async with asyncio.timeout(30):
            report = await anext(reports)
        assert (report.client_order_id, report.quantity) == (OURS, Decimal("0.05"))


async def test_kraken_numbers_are_read_as_they_are_written(tmp_path: Path) -> None:
    """They come as numbers of JSON, the smallest with an exponent."""
    async with at("kraken", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        event = {
            **kraken_events(here, Chapter("partly", Decimal("0.01"), "T1"))[0],
            **{"last_qty": 0.00000001, "last_price": 67123.123456789},  # noqa: PIE800
            "fees": [{"asset": "USDT", "qty": 0.0000012345}],
        }
        await pushed(here, KRAKEN, {"channel": "executions", "type": "update", "data": [event], "sequence": 9})
        async with asyncio.timeout(30):
            (fill,) = (await anext(reports)).fills
        assert (fill.quantity, fill.price, fill.fee) == (
            Decimal("0.00000001"), Decimal("67123.123456789"), Decimal("0.0000012345"),
        )  # fmt: skip


@pytest.mark.parametrize("field", ["last_qty", "last_price", "cum_qty"])
async def test_kraken_numbers_that_a_float_cannot_hold_are_asked_for(field: str, tmp_path: Path) -> None:
    """17 digits, of which the last would be a guess: an answer has them as text."""
    async with at("kraken", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        TALKS["kraken"].answer(here, chapters(here)["filled"])
        traded, done = kraken_events(here, Chapter("filled", Decimal("0.02"), "T2"))
        event = {**(done if field == "cum_qty" else traded), field: 123456789.12345678}
        await here.venue.push(KRAKEN, {"channel": "executions", "type": "update", "data": [event], "sequence": 9})
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert [(fill.fill_id, fill.quantity) for each in told for fill in each.fills] == [
            ("T1", Decimal("0.01")), ("T2", Decimal("0.01")),
        ]  # fmt: skip


async def test_kraken_executions_with_several_fees_are_asked_for(tmp_path: Path) -> None:
    """What they have cost in one currency, an answer tells."""
    async with at("kraken", tmp_path, pace=CALM) as here:
        await here.broker.place_order(here.order())
        reports = here.broker.reports()
        feed_of(here)._pace = replace(CALM, grace=0.05)
        event = kraken_events(here, Chapter("partly", Decimal("0.01"), "T1"))[0]
        event["fees"] = [*event["fees"], {"asset": "BTC", "qty": 0.1}]
        await pushed(here, KRAKEN, {"channel": "executions", "type": "update", "data": [event], "sequence": 9})
        here.cases = {**here.cases, "now": here.cases["working"]}
        test_kraken.listed(here, "now", vol_exec="0.01", trades=["T1"])
        here.answer("POST /0/private/QueryTrades", {"error": [], "result": {"T1": here.cases["trade"]}})
        async with asyncio.timeout(30):
            fills = [fill for _ in range(2) for fill in (await anext(reports)).fills]
        assert [(fill.fill_id, fill.fee) for fill in fills] == [("T1", None), ("T1", Decimal("1.25"))]


async def test_kraken_subscription_that_is_refused_is_no_stream(tmp_path: Path) -> None:
    """Ccxt would wait for ever, and the program believe that it hears."""
    async with at("kraken", tmp_path, pace=CALM) as here:
        refused = {"method": "subscribe", "success": False, "error": "Session has expired", "req_id": 1}
        here.venue.replies[:] = [
            {"when": {"method": "subscribe", "params": {"channel": "executions"}}, "say": [refused]},
        ]
        reports = here.broker.reports()
        here.broker._connected().feeds.lose("for the test")
        await lost(reports)
        try:
            await here.broker.connect()
            why = await lost(here.broker.reports())
        except Unavailable as error:
            why = str(error)
        assert "Session has expired" in why
        assert not here.broker._connected().feeds.is_open


@pytest.mark.parametrize("name", ["partly", "cancelled"])
async def test_kraken_orders_of_an_earlier_life_are_ours_once_they_are_asked_for(name: str, tmp_path: Path) -> None:
    """After a restart nobody knows whose a derived id is, until the program asks for its own orders."""
    case = {**documented("kraken")["cases"]["working"], "cl_ord_id": test_kraken.WIRE}
    box = {"error": [], "result": {"open": {test_kraken.TXID: case}}}
    async with at("kraken", tmp_path, pace=CALM, answers={"POST /0/private/OpenOrders": box}) as here:
        reports = here.broker.reports()
        found = await here.broker.find_order(OURS)
        assert found is not None
        chapter = chapters(here)[name]
        here.cases = {**here.cases, "now": here.cases["working"]}
        over = {"status": "canceled"} if name == "cancelled" else {"vol_exec": "0.01", "trades": ["T1"]}
        test_kraken.listed(here, "now", **over)
        here.answer("POST /0/private/QueryTrades", {"error": [], "result": {"T1": here.cases["trade"]}})
        for event in kraken_events(here, chapter):
            await here.venue.push(KRAKEN, {"channel": "executions", "type": "update", "data": [event], "sequence": 9})
        async with asyncio.timeout(30):
            report = await anext(reports)
        assert (report.client_order_id, report.filled) == (OURS, chapter.filled)
        assert [fill.fill_id for fill in report.fills] == [chapter.trade] * bool(chapter.trade)


async def test_kraken_takes_a_new_token_for_each_stream(tmp_path: Path) -> None:
    """Ccxt would use the old one for a quarter of an hour, also one that was refused."""
    async with at("kraken", tmp_path, pace=CALM) as here:
        token = "POST /0/private/GetWebSocketsToken"
        assert asked_for(here, token) == 1
        here.broker._connected().feeds.lose("for the test")
        await here.broker.connect()
        assert asked_for(here, token) == 2


# --- KuCoin -------------------------------------------------------------------------------------------


async def test_kucoin_stops_are_looked_up_by_the_venues_id(tmp_path: Path) -> None:
    """Their events have no id of ours."""
    async with at("kucoin", tmp_path, pace=CALM) as here:
        stop = here.cases["stop"]
        here.answer("POST /api/v1/stop-order", {"code": "200000", "data": {"orderId": stop["id"], "clientOid": OURS}})
        await here.broker.place_order(here.order(**STOP))
        reports = here.broker.reports()
        TALKS["kucoin"].answer(here, chapters(here)["filled"])
        event = {"createdAt": 1780315200500, "orderId": stop["id"], "orderPrice": "0", "orderType": "stop"}
        event |= {"side": "sell", "size": "0.02", "stop": "loss", "stopPrice": "45000", "symbol": "BTC-USDT"}
        event |= {"tradeType": "TRADE", "triggerSuccess": True, "ts": 1780315201500000000, "type": "TRIGGERED"}
        head = {"type": "message", "topic": "/spotMarket/advancedOrders", "subject": "stopOrder"}
        await here.venue.push(KUCOIN, {**head, "channelType": "private", "data": event})
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert {each.client_order_id for each in told} == {OURS}


async def test_kucoin_takes_a_new_token_for_each_stream(tmp_path: Path) -> None:
    """The address that ccxt keeps has one that has ended."""
    async with at("kucoin", tmp_path, pace=CALM) as here:
        token = "POST /api/v1/bullet-private"
        assert asked_for(here, token) == 1
        reports = here.broker.reports()
        await here.venue.sockets[KUCOIN].close()
        await lost(reports)
        await here.broker.connect()
        assert asked_for(here, token) == 2


@pytest.mark.parametrize("key", ["kucoin", "coinbase"])
async def test_answers_that_lag_behind_the_stream_are_asked_for_again(key: str, tmp_path: Path) -> None:
    """The stream has told how much is filled, and the venue's lists do not have it yet."""
    async with at(key, tmp_path, pace=CALM) as here:
        reports, talk = here.broker.reports(), TALKS[key]
        await here.broker.place_order(here.order())
        talk.answer(here, chapters(here)["filled"])
        line = {"kucoin": "GET /api/v1/hf/fills", "coinbase": test_coinbase.FILLS}[key]
        empty = {"kucoin": {"code": "200000", "data": {"items": []}}, "coinbase": {"fills": [], "cursor": ""}}[key]
        here.answer(line, [empty, empty, here.venue.answers[line]])
        await happens(here, key, "filled")
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert [fill.fill_id for each in told for fill in each.fills] == ["T1", "T2"]
        await heard(here)


async def test_kucoin_executions_are_told_by_answers_alone(tmp_path: Path) -> None:
    """A push has no fee, and nobody says that its id is the one in the list: two names would be two fills."""
    async with at("kucoin", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        event = kucoin_event(here, Chapter("partly", Decimal("0.01"), "T1"), "match")
        head = {"type": "message", "topic": "/spotMarket/tradeOrders", "subject": "orderChange"}
        await pushed(here, KUCOIN, {**head, "channelType": "private", "data": event})
        async with asyncio.timeout(30):
            report = await anext(reports)
        assert (report.state, report.filled, report.fills) == (
            VenueOrderState.PARTIALLY_FILLED, Decimal("0.01"), (),
        )  # fmt: skip


# --- Coinbase -----------------------------------------------------------------------------------------


async def test_coinbase_says_nothing_of_the_size_of_an_order_that_has_ended(tmp_path: Path) -> None:
    """Cancelled with a half filled: ccxt would have it whole, and filled."""
    async with at("coinbase", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        half = Chapter("cancelled", Decimal("0.01"))
        TALKS["coinbase"].answer(here, half)
        here.answer(test_coinbase.FILLS, {"fills": [here.cases["fill"]], "cursor": ""})
        message = {"channel": "user", "client_id": "", "timestamp": "2026-06-01T12:00:01Z", "sequence_num": 3}
        await here.venue.push(
            COINBASE, {**message, "events": [{"type": "update", "orders": [coinbase_event(here, half)]}]}
        )
        told = await told_until(reports, VenueOrderState.CANCELLED, fills=1)
        assert [(each.quantity, each.filled) for each in told] == [(Decimal("0.02"), Decimal("0.01"))]


async def test_coinbase_snapshot_has_nobody_look_up_every_open_order(tmp_path: Path) -> None:
    """They are listed when the stream opens."""
    async with account("coinbase", tmp_path, pace=CALM) as here:
        await here.broker.place_order(here.order())
        before = len(here.venue.asked)
        message = {"channel": "user", "client_id": "", "timestamp": "2026-06-01T12:00:01Z", "sequence_num": 0}
        events = [{"type": "snapshot", "orders": [coinbase_event(here, Chapter("working"))]}]
        await pushed(here, COINBASE, {**message, "events": events})
        await asyncio.sleep(0.05)
        assert here.venue.asked[before:] == []


async def test_coinbase_orders_of_others_that_have_ended_are_left_to_the_answers(tmp_path: Path) -> None:
    """Cancelled after a fill, they would look filled; nobody needs to look them up at once."""
    async with account("coinbase", tmp_path, pace=CALM) as here:
        reports, before = here.broker.reports(), len(here.venue.asked)
        event = coinbase_event(here, Chapter("cancelled", Decimal("0.01")))
        message = {"channel": "user", "client_id": "", "timestamp": "2026-06-01T12:00:01Z", "sequence_num": 3}
        theirs = {**event, "client_order_id": "by hand", "order_id": "another"}
        await pushed(here, COINBASE, {**message, "events": [{"type": "update", "orders": [theirs]}]})
        await nothing_more(reports)
        assert here.venue.asked[before:] == []


async def test_coinbase_reports_are_subscribed_anew_also_where_prices_share_the_socket(tmp_path: Path) -> None:
    """Ccxt would think that they are."""
    replies = documented("coinbase")["streams"]["spot"]["replies"]
    async with account("coinbase", tmp_path, pace=CALM, replies=replies) as here:
        quotes = here.broker.quotes(["BTC/USDT"])
        await here.venue.heard({"channel": "ticker_batch"})
        here.venue.told.clear()
        here.broker._connected().feeds.lose("for the test")
        await here.broker.connect()
        assert (await here.venue.heard({"channel": "user"})).place == COINBASE
        await here.venue.heard({"channel": "ticker_batch"})
        await anext(quotes)


async def test_coinbase_error_ends_the_stream(tmp_path: Path) -> None:
    """A login that is refused is told by a message, and ccxt goes on as if it were nothing."""
    async with account("coinbase", tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.venue.push(COINBASE, {"type": "error", "message": "authentication failure"})
        assert "error" in await lost(reports)
