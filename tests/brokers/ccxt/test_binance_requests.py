"""What really goes over the wire for every kind of order, read from the venue's journal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import NotSupported, Rejected
from brokers.order import OrderRequest, OrderType, Side, TimeInForce
from tests.brokers.ccxt.rig import Rig, account

SIGNED = {"timestamp", "recvWindow", "signature", "symbol", "newClientOrderId", "clientAlgoId", "newOrderRespType"}
LATER = datetime(2100, 1, 1, tzinfo=UTC)
PRICE, STOP, TAKE = Decimal("49000.1"), Decimal("51000.2"), Decimal("48000.3")
KINDS: dict[str, dict[str, Any]] = {
    "market": {"type": OrderType.MARKET},
    "limit": {"limit_price": PRICE},
    "ioc": {"limit_price": PRICE, "tif": TimeInForce.IOC},
    "fok": {"limit_price": PRICE, "tif": TimeInForce.FOK},
    "post-only": {"limit_price": PRICE, "post_only": True},
    "stop": {"type": OrderType.STOP, "stop_price": STOP},
    "stop-limit": {"type": OrderType.STOP_LIMIT, "stop_price": STOP, "limit_price": STOP},
    "take-profit": {"type": OrderType.TAKE_PROFIT, "stop_price": TAKE},
    "take-profit-limit": {"type": OrderType.TAKE_PROFIT_LIMIT, "stop_price": TAKE, "limit_price": TAKE},
    "trailing": {"type": OrderType.TRAILING_STOP, "trail_percent": Decimal("1.5")},
    "gtd": {"limit_price": PRICE, "tif": TimeInForce.GTD, "expires_at": LATER},
    "reduce-only": {"limit_price": Decimal(52_000), "reduce_only": True, "side": Side.SELL},
}
SPOT: dict[str, dict[str, str]] = {
    "market": {"type": "MARKET"},
    "limit": {"type": "LIMIT", "price": "49000.1", "timeInForce": "GTC"},
    "ioc": {"type": "LIMIT", "price": "49000.1", "timeInForce": "IOC"},
    "fok": {"type": "LIMIT", "price": "49000.1", "timeInForce": "FOK"},
    "post-only": {"type": "LIMIT_MAKER", "price": "49000.1"},
    "stop": {"type": "STOP_LOSS", "stopPrice": "51000.2"},
    "stop-limit": {"type": "STOP_LOSS_LIMIT", "stopPrice": "51000.2", "price": "51000.2", "timeInForce": "GTC"},
    "take-profit": {"type": "TAKE_PROFIT", "stopPrice": "48000.3"},
    "take-profit-limit": {
        "type": "TAKE_PROFIT_LIMIT",
        "stopPrice": "48000.3",
        "price": "48000.3",
        "timeInForce": "GTC",
    },
    "trailing": {"type": "STOP_LOSS", "trailingDelta": "150"},
}
CROSS = {"sideEffectType": "AUTO_BORROW_REPAY"}
ALGO = {"algoType": "CONDITIONAL"}
USDM: dict[str, dict[str, str]] = {
    **{name: SPOT[name] for name in ("market", "limit", "ioc")},
    "post-only": {"type": "LIMIT", "price": "49000.1", "timeInForce": "GTX"},
    "gtd": {"type": "LIMIT", "price": "49000.1", "timeInForce": "GTD", "goodTillDate": "4102444800000"},
    "stop": {**ALGO, "type": "STOP_MARKET", "triggerPrice": "51000.2"},
    "stop-limit": {**ALGO, "type": "STOP", "triggerPrice": "51000.2", "price": "51000.2", "timeInForce": "GTC"},
    "take-profit": {**ALGO, "type": "TAKE_PROFIT_MARKET", "triggerPrice": "48000.3"},
    "take-profit-limit": {
        **ALGO,
        "type": "TAKE_PROFIT",
        "triggerPrice": "48000.3",
        "price": "48000.3",
        "timeInForce": "GTC",
    },
    "trailing": {**ALGO, "type": "TRAILING_STOP_MARKET", "callbackRate": "1.5"},
    "reduce-only": {"type": "LIMIT", "price": "52000", "timeInForce": "GTC", "reduceOnly": "true"},
}
MARKETS = {
    "spot": (SPOT, "POST /api/v3/order"),
    "margin": (
        {name: {**wire, **CROSS} for name, wire in SPOT.items() if name != "trailing"},
        "POST /sapi/v1/margin/order",
    ),
    "usdm": (USDM, "POST /fapi/v1/order"),
}


@pytest.mark.parametrize("market", MARKETS)
async def test_every_kind_of_order_goes_out_as_the_venue_wants_it(tmp_path: Path, market: str) -> None:
    """Type, prices and time in force exactly; our own id, always; nothing else. And it is found as it was asked for."""
    table, route = MARKETS[market]
    async with account(tmp_path, market) as rig:
        if market == "usdm":
            await rig.place(type=OrderType.MARKET, quantity="0.05")  # something that an order can reduce
        for name, wire in table.items():
            request = rig.request(**KINDS[name])
            await rig.broker.place_order(request)
            sent = rig.venue.journal.requests(
                "POST /fapi/v1/algoOrder" if market == "usdm" and request.type.is_conditional else route
            )[-1]
            params = dict(sent["params"])
            ours = params.get("newClientOrderId") or params.get("clientAlgoId")
            assert (name, ours) == (name, request.client_order_id)
            rest = {key: value for key, value in params.items() if key not in SIGNED}
            assert (name, rest) == (name, {"side": str(request.side).upper(), "quantity": "0.01", **wire})
            await check_found(rig, name, request)


async def check_found(rig: Rig, name: str, request: OrderRequest) -> None:
    """The venue knows it by our id with the terms that we asked for, also for a process that has never seen it."""
    rig.broker._known.forget(request.client_order_id)
    found = await rig.find(request.client_order_id)
    assert found is not None
    got = (found.type, found.side, found.quantity, found.limit_price, found.post_only, found.reduce_only)
    asked = (request.type, request.side, request.quantity, request.limit_price)
    assert (name, got) == (name, (*asked, request.post_only, request.reduce_only))
    assert (name, found.expires_at) == (name, request.expires_at)
    trail = None if rig.market == "usdm" else request.trail_percent  # the Algo service does not tell the rate again
    assert (name, found.trail_percent) == (name, trail)
    if request.stop_price is not None:
        assert (name, found.stop_price) == (name, request.stop_price)
    if request.type.has_limit:
        assert (name, found.time_in_force) == (name, request.time_in_force)


@pytest.mark.parametrize(
    ("market", "terms", "error"),
    [
        ("spot", {"tif": TimeInForce.DAY}, NotSupported),
        ("spot", {"reduce_only": True}, NotSupported),
        ("spot", {"post_only": True, "tif": TimeInForce.IOC}, NotSupported),
        ("spot", {"type": OrderType.TRAILING_STOP, "trail": Decimal(10)}, NotSupported),
        ("spot", {"type": OrderType.TRAILING_STOP, "trail_percent": Decimal("0.123")}, Rejected),
        ("spot", {"oid": "somebody_r01"}, Rejected),
        ("margin", {"type": OrderType.TRAILING_STOP, "trail_percent": Decimal(1)}, NotSupported),
        ("usdm", {"type": OrderType.TRAILING_STOP, "trail_percent": Decimal("0.15")}, Rejected),
        ("usdm", {"type": OrderType.TRAILING_STOP, "trail_percent": Decimal(11)}, Rejected),
        (
            "usdm",
            {"type": OrderType.STOP, "stop_price": STOP, "tif": TimeInForce.GTD, "expires_at": LATER},
            NotSupported,
        ),
    ],
)
async def test_what_the_venue_has_no_words_for_is_refused_unsent(
    tmp_path: Path, market: str, terms: dict[str, Any], error: type[Rejected]
) -> None:
    """Nothing is imitated, and nothing leaves."""
    async with account(tmp_path, market) as rig:
        with pytest.raises(error):
            await rig.place(**terms)
        assert not [
            sent
            for sent in rig.venue.journal.all("request")
            if sent["route"].startswith("POST") and "rder" in sent["route"]
        ]


async def test_connecting_asks_no_more_than_it_needs(tmp_path: Path) -> None:
    """A second account at the venue asks for no markets: they are shared in the process."""
    async with account(tmp_path, "spot") as rig:
        first = [sent["route"] for sent in rig.venue.journal.all("request")]
        await rig.again()
        second = [sent["route"] for sent in rig.venue.journal.all("request")][len(first) :]
    start = ["GET /api/v3/time", "GET /api/v3/exchangeInfo", "GET /sapi/v1/account/apiRestrictions"]
    asked = list(dict.fromkeys(route for route in first if route.startswith("GET")))  # a slow clock is asked again
    assert asked == [*start, "GET /api/v3/openOrders"]
    assert "GET /api/v3/exchangeInfo" not in second
