"""What people order in the venue's own app may have forms that we never use: it is told, and blinds nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.order import OrderReport, OrderType, Side, VenueOrderState
from tests.brokers.venues.rig import NOW, Account, account

BATCH = "GET /api/v3/brokerage/orders/historical/batch"
ONE = "GET /api/v3/brokerage/orders/historical/9bc1eb3b-5b46-4b71-9628-ae2ed0cca75b"
BRACKET = {"trigger_bracket_gtc": {"base_size": "0.3", "limit_price": "60000", "stop_trigger_price": "45000"}}
FOK = {"limit_limit_fok": {"base_size": "0.3", "limit_price": "60000"}}
TWAP = {"twap_limit_gtd": {"base_size": "0.3", "limit_price": "60000", "number_buckets": "5"}}
IN_MONEY = {"market_market_ioc": {"quote_size": "100"}}
SINCE = NOW - timedelta(hours=1)


def by_hand(coinbase: Account, terms: dict[str, Any], **facts: Any) -> None:
    """The only order there."""
    order = deepcopy(coinbase.venue.answers[ONE]["order"])
    order |= {"order_configuration": terms, "client_order_id": "a7a9e6f0-1111-4222-8333-444455556666", **facts}
    coinbase.answer(BATCH, {"orders": [order], "sequence": "0", "has_next": False, "cursor": ""})


async def the_one(work: Awaitable[Sequence[OrderReport]]) -> OrderReport:
    (found,) = {report.venue_order_id: report for report in await work}.values()
    return found


@pytest.mark.parametrize("terms", [BRACKET, FOK, TWAP], ids=["bracket", "fok", "twap"])
async def test_coinbase_an_order_of_a_form_that_our_library_does_not_know(
    tmp_path: Path, terms: dict[str, Any]
) -> None:
    """A bracket that rests is what the app sets for exits: it is open, and of how much is told."""
    async with account("coinbase", tmp_path) as coinbase:
        by_hand(coinbase, terms, side="SELL", filled_size="0.1")
        report = await the_one(coinbase.broker.get_open_orders())
        assert (report.quantity, report.filled, report.side) == (Decimal("0.3"), Decimal("0.1"), Side.SELL)
        assert (report.state, report.type) == (VenueOrderState.PARTIALLY_FILLED, OrderType.LIMIT)
        assert report.limit_price == 60_000


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("CANCELLED", "0", VenueOrderState.CANCELLED),
        ("CANCELLED", "0.001", VenueOrderState.FILLED),
        ("FAILED", "0", VenueOrderState.REJECTED),
        ("EXPIRED", "0", VenueOrderState.EXPIRED),
    ],
)
async def test_coinbase_an_order_over_an_amount_of_money(
    tmp_path: Path, status: str, filled: str, state: VenueOrderState
) -> None:
    """One that has come to nothing, too, is for what it has filled; it hides no other."""
    async with account("coinbase", tmp_path) as coinbase:
        coinbase.answer("GET /api/v3/brokerage/orders/historical/fills", {"fills": [], "cursor": ""})
        by_hand(coinbase, IN_MONEY, status=status, order_type="MARKET", filled_size=filled)
        report = await the_one(coinbase.broker.get_closed_orders(SINCE))
        assert (report.quantity, report.filled) == (Decimal(filled), Decimal(filled))
        assert report.state is state


OKX_ORDER = {
    "instType": "SPOT", "instId": "BTC-USDT", "ordId": "680800019749904999", "clOrdId": "", "tag": "", "px": "",
    "sz": "100", "ordType": "market", "side": "buy", "posSide": "", "tdMode": "cash", "tgtCcy": "quote_ccy",
    "accFillSz": "0", "fillPx": "", "tradeId": "", "fillSz": "0", "fillTime": "", "avgPx": "", "state": "live",
    "fee": "0", "feeCcy": "BTC", "cTime": "1780315200000", "uTime": "1780315200000", "algoId": "", "algoClOrdId": "",
}  # fmt: skip
OKX_ALGO = {
    "instType": "SPOT", "instId": "BTC-USDT", "algoId": "681096944655273984", "algoClOrdId": "", "ordId": "",
    "ordType": "conditional", "side": "buy", "sz": "100", "tgtCcy": "quote_ccy", "tdMode": "cash", "state": "live",
    "slTriggerPx": "", "slOrdPx": "", "tpTriggerPx": "45000", "tpOrdPx": "-1", "triggerTime": "",
    "cTime": "1780315200000", "uTime": "1780315200000",
}  # fmt: skip


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    """A good answer."""
    return {"code": "0", "msg": "", "data": list(rows)}


@pytest.mark.parametrize("state", ["canceled", "mmp_canceled"])
@pytest.mark.parametrize("filled", ["0", "0.001"])
async def test_okx_an_order_over_an_amount_of_money_that_was_cancelled(tmp_path: Path, state: str, filled: str) -> None:
    """The market was too thin for the rest: what ended around it is told all the same."""
    async with account("okx", tmp_path) as okx:
        okx.answer("GET /api/v5/trade/orders-history", listed({**OKX_ORDER, "state": state, "accFillSz": filled}))
        report = await the_one(okx.broker.get_closed_orders(SINCE))
        assert (report.quantity, report.filled) == (Decimal(filled), Decimal(filled))
        assert not report.state.is_open


async def test_okx_an_order_over_an_amount_of_money_that_waits(tmp_path: Path) -> None:
    """It is open, and not one for a hundred coins."""
    async with account("okx", tmp_path) as okx:
        okx.answer("GET /api/v5/trade/orders-pending", listed(OKX_ORDER))
        okx.answer("GET /api/v5/trade/orders-algo-pending", listed(OKX_ALGO))
        reports = {report.venue_order_id: report for report in await okx.broker.get_open_orders()}
        assert {ident: report.quantity for ident, report in reports.items()} == {
            OKX_ORDER["ordId"]: 0,
            OKX_ALGO["algoId"]: 0,
        }
        assert {report.state for report in reports.values()} == {VenueOrderState.WORKING}


STOPS, HF_DONE = "GET /api/v1/stop-order", "GET /api/v1/hf/orders/done"
KUCOIN_STOP = {
    "id": "vs8hoo8q2ceshiue003b67c0", "symbol": "BTC-USDT", "userId": "60fe4956c43cbc0006562c2c", "status": "NEW",
    "type": "market", "side": "buy", "price": "0.00000000000000000000", "size": None, "funds": "100", "stp": None,
    "timeInForce": "GTC", "cancelAfter": -1, "postOnly": False, "hidden": False, "iceberg": False,
    "visibleSize": None, "channel": "WEB", "clientOid": "web1", "remark": None, "tags": None, "relatedNo": None,
    "orderTime": 1780315200000000000, "domainId": "kucoin", "tradeSource": "USER", "tradeType": "TRADE",
    "feeCurrency": "USDT", "takerFeeRate": "0.001", "makerFeeRate": "0.001", "createdAt": 1780315200000,
    "stop": "entry", "stopTriggerTime": None, "stopPrice": "70000",
}  # fmt: skip
KUCOIN_DONE = {
    "id": "6717422bd51c29000775ea03", "clientOid": "web2", "symbol": "BTC-USDT", "opType": "DEAL", "type": "market",
    "side": "buy", "price": "0", "size": None, "funds": "100", "dealSize": "0", "dealFunds": "0",
    "remainSize": "0", "remainFunds": "100", "cancelledSize": "0", "cancelledFunds": "100", "fee": "0",
    "feeCurrency": "USDT", "stp": "", "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False,
    "cancelAfter": 0, "channel": "WEB", "tradeType": "TRADE", "cancelExist": True, "active": False,
    "createdAt": 1780315200000, "lastUpdatedAt": 1780315200000,
}  # fmt: skip


async def test_kucoin_an_order_over_an_amount_of_money(tmp_path: Path) -> None:
    """Asleep, and cancelled: it has no size there."""
    async with account("kucoin", tmp_path) as kucoin:
        page = {"currentPage": 1, "pageSize": 500, "totalNum": 1, "totalPage": 1, "items": [KUCOIN_STOP]}
        kucoin.answer(STOPS, {"code": "200000", "data": page})
        kucoin.answer(HF_DONE, {"code": "200000", "data": {"lastId": 1, "items": [KUCOIN_DONE]}})
        asleep = await the_one(kucoin.broker.get_open_orders())
        assert (asleep.quantity, asleep.state, asleep.stop_price) == (
            Decimal(0),
            VenueOrderState.WORKING,
            Decimal(70_000),
        )
        over = await the_one(kucoin.broker.get_closed_orders(SINCE))
        assert (over.quantity, over.state) == (Decimal(0), VenueOrderState.CANCELLED)


@pytest.mark.parametrize(
    "terms",
    [
        {"ordertype": "trailing-stop-limit", "price": "+5.0%", "price2": "-1.0%", "primaryprice": "+5.0%"},
        {"ordertype": "trailing-stop-limit", "price": "+120.0", "price2": "-10.0"},
        {"ordertype": "take-profit", "price": "+5.0%", "price2": "0"},
        {"ordertype": "stop-loss", "price": "#5.0%", "price2": "0"},
        {"ordertype": "iceberg", "price": "45000.0", "price2": "0"},
    ],
    ids=lambda terms: f"{terms['ordertype']} {terms['price']}",
)
async def test_kraken_prices_that_follow_another(tmp_path: Path, terms: dict[str, str]) -> None:
    """Kraken tells a distance where others tell a price; the order is open all the same."""
    async with account("kraken", tmp_path) as kraken:
        descr = {"pair": "XBTUSDT", "aclass": "forex", "type": "sell", "leverage": "none", "close": "", **terms}
        words = f"sell 0.30000000 XBTUSDT @ {terms['ordertype'].replace('-', ' ', 1)} {terms['price']}"
        order = {
            "refid": None, "userref": 0, "status": "open", "opentm": 1780315200.5, "starttm": 0, "expiretm": 0,
            "descr": {**descr, "order": words}, "vol": "0.30000000", "vol_exec": "0.00000000",
            "cost": "0.00000", "fee": "0.00000", "price": "0.00000", "stopprice": "48000.0", "limitprice": "0.00000",
            "misc": "", "oflags": "fciq",
        }  # fmt: skip
        kraken.answer("POST /0/private/OpenOrders", {"error": [], "result": {"open": {"OABC-DEF-GHI": order}}})
        report = await the_one(kraken.broker.get_open_orders())
        assert (report.quantity, report.side, report.state) == (Decimal("0.3"), Side.SELL, VenueOrderState.WORKING)


async def test_bybit_an_order_over_an_amount_of_money_that_waits(tmp_path: Path) -> None:
    """It is open, and not one for a hundred coins."""
    order = {
        "orderId": "fd4300ae-7847-404e-b947-b46980a4d140", "orderLinkId": "", "symbol": "BTCUSDT", "price": "0",
        "qty": "100", "side": "Buy", "orderStatus": "Untriggered", "orderType": "Market", "marketUnit": "quoteCoin",
        "avgPrice": "0", "leavesQty": "100", "leavesValue": "", "cumExecQty": "0", "cumExecValue": "0",
        "cumExecFee": "0", "timeInForce": "IOC", "stopOrderType": "tpslOrder", "triggerPrice": "45000",
        "triggerDirection": 2, "reduceOnly": False, "createdTime": "1780315200000", "updatedTime": "1780315200000",
    }  # fmt: skip
    async with account("bybit", tmp_path) as bybit:
        page = {"nextPageCursor": "", "category": "spot", "list": [order]}
        bybit.answer("GET /v5/order/realtime", {"retCode": 0, "retMsg": "OK", "result": page})
        report = await the_one(bybit.broker.get_open_orders())
        assert (report.quantity, report.state) == (Decimal(0), VenueOrderState.WORKING)
