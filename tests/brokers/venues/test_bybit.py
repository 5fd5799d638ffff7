"""Bybit: what we say to it, what its answers mean, and which of its errors leave an order's fate open."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import ConfigurationError, NotSupported, Rejected, Unavailable, Uncertain
from brokers.order import OrderType, Side, TimeInForce, VenueOrderState
from tests.brokers.venues.rig import NOW, OURS, Account, account, documented

CREATE = "POST /v5/order/create"
SPOT = {"symbol": "BTCUSDT", "category": "spot", "orderLinkId": OURS, "qty": "0.02"}
LINEAR = {**SPOT, "category": "linear"}
LIMIT = {"side": "Buy", "orderType": "Limit", "price": "50000", "timeInForce": "GTC"}
MARKET = {"orderType": "Market"}
STOP = {"side": Side.SELL, "stop_price": Decimal(45000)}
TARGET = {"side": Side.SELL, "stop_price": Decimal(60000)}
PLAIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, LIMIT),
    ({"post_only": True}, {**LIMIT, "timeInForce": "PostOnly"}),
    ({"tif": TimeInForce.IOC}, {**LIMIT, "timeInForce": "IOC"}),
    ({"tif": TimeInForce.FOK}, {**LIMIT, "timeInForce": "FOK"}),
]
CONDITIONAL: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": OrderType.MARKET}, {**MARKET, "side": "Buy"}),
    (
        {**STOP, "kind": OrderType.STOP, "reduce_only": True},
        {**MARKET, "side": "Sell", "triggerPrice": "45000", "triggerDirection": 2, "reduceOnly": True},
    ),
    (  # a stop that opens is not made reduce-only behind our back
        {"kind": OrderType.STOP, "stop_price": Decimal(55000)},
        {**MARKET, "side": "Buy", "triggerPrice": "55000", "triggerDirection": 1},
    ),
    (
        {**STOP, "kind": OrderType.STOP_LIMIT, "limit_price": Decimal(44900)},
        {**LIMIT, "side": "Sell", "price": "44900", "triggerPrice": "45000", "triggerDirection": 2},
    ),
    (
        {**TARGET, "kind": OrderType.TAKE_PROFIT},
        {**MARKET, "side": "Sell", "triggerPrice": "60000", "triggerDirection": 1},
    ),
    (
        {"kind": OrderType.TAKE_PROFIT_LIMIT, "stop_price": Decimal(40000), "limit_price": Decimal(40100)},
        {**LIMIT, "price": "40100", "triggerPrice": "40000", "triggerDirection": 2},
    ),
]


def perpetual() -> dict[str, Any]:
    """The venue's answer about its linear instruments."""
    market = documented("bybit")["cases"]["linear_market"]
    return {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": [market], "nextPageCursor": ""}}


def linear(folder: Path, **settings: Any) -> Any:
    """An account that trades perpetuals."""
    answers = {"GET /v5/market/instruments-info": perpetual(), **settings.pop("answers", {})}
    return account("bybit", folder, "BTC/USDT:USDT", market="linear", answers=answers, **settings)


def lists(account: Account, place: str, *names: str) -> None:
    """One of the venue's lists (order/realtime, order/history, execution/list) has these."""
    rows = [account.cases[name] for name in names]
    account.answer(f"GET /v5/{place}", {"retCode": 0, "result": {"nextPageCursor": "", "list": rows}})


async def test_spot_orders_in_the_venues_words(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        for ours, theirs in PLAIN:
            assert await bybit.sent(**ours) == (CREATE, {**SPOT, **theirs})
        for side in Side:  # in the base coin, also when it buys
            said = {**SPOT, **MARKET, "side": side.value.title(), "marketUnit": "baseCoin"}
            assert await bybit.sent(side, OrderType.MARKET) == (CREATE, said)


async def test_orders_of_perpetuals_in_the_venues_words(tmp_path: Path) -> None:
    async with linear(tmp_path) as bybit:
        for ours, theirs in (*PLAIN, *CONDITIONAL):
            assert await bybit.sent(**ours) == (CREATE, {**LINEAR, **theirs})


async def test_what_is_not_offered_is_not_sent(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        before = len(bybit.venue.asked)
        for more in (
            {**STOP, "kind": OrderType.STOP},
            {"reduce_only": True},
            {"kind": OrderType.MARKET, "tif": TimeInForce.FOK},
        ):
            with pytest.raises(NotSupported):
                await bybit.broker.place_order(bybit.order(**more))
        assert len(bybit.venue.asked) == before
    async with linear(tmp_path) as bybit:
        trailing = bybit.order(Side.SELL, OrderType.TRAILING_STOP, trail=Decimal(100))
        with pytest.raises(NotSupported):
            await bybit.broker.place_order(trailing)


async def test_an_order_is_looked_for_by_our_id_in_three_places(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        words = {"symbol": "BTCUSDT", "category": "spot", "orderLinkId": OURS}
        asked = await bybit.asked(bybit.broker.find_order(OURS))
        assert asked == [
            ("GET /v5/order/realtime", words),
            ("GET /v5/order/realtime", {**words, "openOnly": "1"}),
            ("GET /v5/order/history", words),
        ]
        lists(bybit, "order/history", "cancelled")
        found = await bybit.broker.find_order(OURS)
        assert found is not None
        assert found.state is VenueOrderState.CANCELLED


SPOT_CASES = [
    ("working", VenueOrderState.WORKING, OrderType.LIMIT, Decimal(50000)),
    ("partly", VenueOrderState.PARTIALLY_FILLED, OrderType.LIMIT, Decimal(50000)),
    ("filled", VenueOrderState.FILLED, OrderType.LIMIT, Decimal(50000)),
    ("market_filled", VenueOrderState.FILLED, OrderType.MARKET, None),
    ("cancelled", VenueOrderState.CANCELLED, OrderType.LIMIT, Decimal(50000)),
    ("cancelled_partly", VenueOrderState.CANCELLED, OrderType.LIMIT, Decimal(50000)),
    ("rejected", VenueOrderState.REJECTED, OrderType.LIMIT, Decimal(50000)),
]


@pytest.mark.parametrize(("name", "state", "kind", "limit"), SPOT_CASES, ids=[case[0] for case in SPOT_CASES])
async def test_an_order_in_each_state_is_read(
    name: str, state: VenueOrderState, kind: OrderType, limit: Decimal | None, tmp_path: Path
) -> None:
    async with account("bybit", tmp_path) as bybit:
        lists(bybit, "order/realtime", name)
        lists(bybit, "execution/list", "trade")
        found = await bybit.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.limit_price, found.client_order_id) == (state, kind, limit, OURS)
        assert sum(fill.quantity for fill in found.fills) == found.filled


LINEAR_CASES = [
    ("stop", OrderType.STOP, None, Decimal(45000), True),
    ("stop_limit", OrderType.STOP_LIMIT, Decimal(44900), Decimal(45000), False),
    ("take_profit", OrderType.TAKE_PROFIT, None, Decimal(60000), True),
    ("entry", OrderType.STOP_LIMIT, Decimal(60100), Decimal(60000), False),
]


async def test_conditional_orders_are_read(tmp_path: Path) -> None:
    async with linear(tmp_path) as bybit:
        for name, kind, limit, stop, reduces in LINEAR_CASES:
            lists(bybit, "order/realtime", name)
            bybit.broker._connected().known.forget(OURS)
            found = await bybit.broker.find_order(OURS)
            assert found is not None
            assert (found.type, found.limit_price, found.stop_price) == (kind, limit, stop)
            assert (found.state, found.reduce_only) == (VenueOrderState.WORKING, reduces)
        lists(bybit, "order/realtime", "deactivated")
        found = await bybit.broker.find_order(OURS)
        assert found is not None
        assert found.state is VenueOrderState.CANCELLED


async def test_fees_are_told_in_the_currency_that_they_were_paid_in(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        lists(bybit, "execution/list", "trade", "trade_sell", "trade_third", "liquidation")
        fills = await bybit.broker.get_fills(NOW)
        told = [(fill.fee, fill.fee_currency) for fill in fills]
        usdt = (Decimal("0.5"), "USDT")
        assert told == [(Decimal("0.00001"), "BTC"), usdt, (Decimal("0.02"), "MNT"), usdt]
        assert [fill.client_order_id for fill in fills] == [OURS, OURS, OURS, ""]


@pytest.mark.parametrize("missing", ["feeCoin", "feeCurrency"])
async def test_either_name_of_a_fees_currency_will_do(missing: str, tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        trade = {name: value for name, value in bybit.cases["trade_third"].items() if name != missing}
        bybit.answer("GET /v5/execution/list", {"retCode": 0, "result": {"list": [trade]}})
        (fill,) = await bybit.broker.get_fills(NOW)
        assert (fill.fee, fill.fee_currency) == (Decimal("0.02"), "MNT")


async def test_perpetuals_are_asked_for_liquidations_too(tmp_path: Path) -> None:
    async with linear(tmp_path) as bybit:
        asked = await bybit.asked(bybit.broker.get_fills(NOW))
        assert [said["execType"] for _, said in asked] == ["Trade", "BustTrade", "AdlTrade"]

        def busts(said: Any) -> Any:
            rows = [bybit.cases["liquidation"]] if said["execType"] == "BustTrade" else []
            return {"retCode": 0, "result": {"nextPageCursor": "", "list": rows}}

        bybit.answer("GET /v5/execution/list", busts)
        (fill,) = await bybit.broker.get_fills(NOW)
        assert (fill.client_order_id, fill.fee, fill.fee_currency) == ("", Decimal("0.5"), "USDT")


async def test_cancelling_and_changing(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        lists(bybit, "order/realtime", "working")
        change = bybit.broker.modify_order(OURS, quantity=Decimal("0.03"), limit_price=Decimal(50100))
        asked = await bybit.asked(change)
        words = {"symbol": "BTCUSDT", "category": "spot", "orderLinkId": OURS}
        assert ("POST /v5/order/amend", {**words, "qty": "0.03", "price": "50100"}) in asked
        lists(bybit, "order/realtime", "cancelled")
        asked = await bybit.asked(bybit.broker.cancel_order(OURS))
        assert asked[0] == ("POST /v5/order/cancel", {**words, "orderFilter": "Order"})


async def test_the_trigger_of_a_sleeping_order_is_changed_in_place(tmp_path: Path) -> None:
    async with linear(tmp_path) as bybit:
        lists(bybit, "order/realtime", "stop")
        asked = await bybit.asked(bybit.broker.modify_order(OURS, stop_price=Decimal(44000)))
        words = {"symbol": "BTCUSDT", "category": "linear", "orderLinkId": OURS}
        assert ("POST /v5/order/amend", {**words, "triggerPrice": "44000", "triggerBy": "LastPrice"}) in asked


async def test_the_unified_wallet(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        info = await bybit.broker.get_account_info()
        assert info.positions["BTC/USDT"].quantity == Decimal("1.2435")
        assert info.balances["USDT"].total == Decimal("2000.5")
    async with linear(tmp_path) as bybit:
        info = await bybit.broker.get_account_info()
        position = info.positions["BTC/USDT:USDT"]
        assert (position.quantity, position.average_price, position.mark_price) == (Decimal("-0.5"), 50500, 50000)
        assert info.balances["USDT"].total == Decimal("2000.5")  # the wallet, without what the position has gained


async def test_a_classic_account_is_refused(tmp_path: Path) -> None:
    told = {"retCode": 0, "result": {"uta": 0, "permissions": {"Spot": ["SpotTrade"]}, "ips": ["*"], "readOnly": 0}}
    with pytest.raises(ConfigurationError, match="classic"):
        async with account("bybit", tmp_path, answers={"GET /v5/user/query-api": told}):
            pass


@pytest.mark.parametrize(("mode", "host"), [("testnet", "api-testnet.bybit.com"), ("demo", "api-demo.bybit.com")])
async def test_each_mode_has_an_address_of_its_own(mode: str, host: str, tmp_path: Path) -> None:
    for made in (account("bybit", tmp_path, mode=mode), linear(tmp_path, mode=mode)):
        async with made as bybit:
            await bybit.sent()
            assert bybit.venue.changes()[-1].host == host


ERRORS = [
    (170131, Rejected, "INSUFFICIENT_FUNDS"),
    (170136, Rejected, "LOT_SIZE"),
    (170140, Rejected, "MIN_NOTIONAL"),
    (170193, Rejected, "PRICE_FILTER"),
    (170218, Rejected, "POST_ONLY_WOULD_TAKE"),
    (110093, Rejected, "WOULD_TRIGGER"),
    (110017, Rejected, "REDUCE_ONLY"),
    (10005, Rejected, "NO_PERMISSION"),
    (10003, Rejected, "KEY_REFUSED"),
    (10006, Unavailable, ""),
    (10002, Unavailable, ""),
    (170222, Unavailable, ""),
    (10000, Uncertain, ""),
    (10016, Uncertain, ""),
    (170007, Uncertain, ""),
    (170146, Uncertain, ""),  # "order creation timeout", which ccxt calls an invalid order
    (170147, Uncertain, ""),
    (199999, Uncertain, ""),
]


@pytest.mark.parametrize(("code", "error", "word"), ERRORS, ids=[str(case[0]) for case in ERRORS])
async def test_what_an_error_means_for_an_order(code: int, error: type[Exception], word: str, tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        bybit.answer(CREATE, {"retCode": code, "retMsg": "said", "result": {}, "retExtInfo": {}, "time": 1})
        with pytest.raises(error) as raised:
            await bybit.broker.place_order(bybit.order())
        assert type(raised.value) is error
        assert getattr(raised.value, "code", "") == word


async def test_an_id_that_exists_is_the_order_that_we_sent(tmp_path: Path) -> None:
    async with account("bybit", tmp_path) as bybit:
        bybit.answer(CREATE, {"retCode": 170141, "retMsg": "Duplicate clientOrderId", "result": {}})
        lists(bybit, "order/realtime", "working")
        report = await bybit.broker.place_order(bybit.order())
        assert (report.venue_order_id, report.state) == ("1321052653536515584", VenueOrderState.WORKING)
