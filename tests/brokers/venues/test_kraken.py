"""Kraken: what we say to it, what its answers mean, and which of its errors leave an order's fate open."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, Liquidity, OrderType, Side, TimeInForce, VenueOrderState
from tests.brokers.venues.rig import NOW, OURS, Account, account

WIRE = "b18e9517-1b07-5264-a616-0c264b32ea68"
"""What our id becomes: the same in every life of the program."""
TXID = "OU22CG-KLAF2-FWUDD7"
ADD = {"pair": "XBTUSDT", "volume": "0.02", "cl_ord_id": WIRE, "oflags": "fciq"}
BUY, SELL = {**ADD, "type": "buy"}, {**ADD, "type": "sell"}
PLACED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": OrderType.MARKET}, {**BUY, "ordertype": "market"}),
    ({}, {**BUY, "ordertype": "limit", "price": "50000"}),
    ({"post_only": True}, {**BUY, "ordertype": "limit", "price": "50000", "oflags": "fciq,post"}),
    ({"tif": TimeInForce.IOC}, {**BUY, "ordertype": "limit", "price": "50000", "timeinforce": "IOC"}),
    ({"tif": TimeInForce.FOK}, {**BUY, "ordertype": "limit", "price": "50000", "timeinforce": "FOK"}),
    (
        {"tif": TimeInForce.GTD, "expires_at": NOW},
        {**BUY, "ordertype": "limit", "price": "50000", "timeinforce": "GTD", "expiretm": "1780315200"},
    ),
    (
        {"side": Side.SELL, "kind": OrderType.STOP, "stop_price": Decimal(45000)},
        {**SELL, "ordertype": "stop-loss", "price": "45000"},
    ),
    (
        {"side": Side.SELL, "kind": OrderType.STOP_LIMIT, "stop_price": Decimal(45000), "limit_price": Decimal(44900)},
        {**SELL, "ordertype": "stop-loss-limit", "price": "45000", "price2": "44900"},
    ),
    (
        {"side": Side.SELL, "kind": OrderType.TAKE_PROFIT, "stop_price": Decimal(60000)},
        {**SELL, "ordertype": "take-profit", "price": "60000"},
    ),
    (
        {"kind": OrderType.TAKE_PROFIT_LIMIT, "stop_price": Decimal(40000), "limit_price": Decimal(40100)},
        {**BUY, "ordertype": "take-profit-limit", "price": "40000", "price2": "40100"},
    ),
    (
        {"side": Side.SELL, "kind": OrderType.TRAILING_STOP, "trail_percent": Decimal(5)},
        {**SELL, "ordertype": "trailing-stop", "price": "+5%", "trigger": "last"},
    ),
    (
        {"side": Side.SELL, "kind": OrderType.TRAILING_STOP, "trail": Decimal(120)},
        {**SELL, "ordertype": "trailing-stop", "price": "+120", "trigger": "last"},
    ),
]


def listed(account: Account, *names: str, **more: Any) -> None:
    """The venue has these orders: open ones in the one list, the others in the other."""
    boxes: dict[str, dict[str, Any]] = {"open": {}, "closed": {}}
    for number, name in enumerate(names):
        case = {"cl_ord_id": WIRE, **account.cases[name], **more}
        case["cl_ord_id"] = account.cases[name]["cl_ord_id"] and WIRE
        boxes["open" if case["status"] == "open" else "closed"][TXID if not number else f"{TXID}{number}"] = case
    account.answer("POST /0/private/OpenOrders", {"error": [], "result": {"open": boxes["open"]}})
    account.answer("POST /0/private/ClosedOrders", {"error": [], "result": {"closed": boxes["closed"], "count": 0}})


async def test_every_order_is_said_in_the_venues_words(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        for ours, theirs in PLACED:
            assert await kraken.sent(**ours) == ("POST /0/private/AddOrder", theirs)
        for asked in kraken.venue.asked:
            assert asked.host == "api.kraken.com"


async def test_a_placed_order_is_working_and_has_the_venues_id(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        report = await kraken.broker.place_order(kraken.order())
        assert (report.venue_order_id, report.state, report.client_order_id) == (TXID, VenueOrderState.WORKING, OURS)
        assert (report.quantity, report.limit_price) == (Decimal("0.02"), Decimal(50000))


async def test_what_it_cannot_do_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        sent = len(kraken.venue.asked)
        stop = {"side": Side.SELL, "kind": OrderType.STOP, "stop_price": Decimal(45000)}
        for order in (
            kraken.order(**stop, tif=TimeInForce.IOC),
            kraken.order(kind=OrderType.MARKET, tif=TimeInForce.FOK),
            kraken.order(reduce_only=True),
            kraken.order(tif=TimeInForce.DAY),
        ):
            with pytest.raises(NotSupported):
                await kraken.broker.place_order(order)
        with pytest.raises(Rejected, match="LOT_SIZE"):
            await kraken.broker.place_order(kraken.order(quantity=Decimal("0.00001")))
        assert len(kraken.venue.asked) == sent


async def test_an_order_is_looked_for_in_both_lists_by_our_id(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        words = {"cl_ord_id": WIRE, "trades": "true"}
        assert (await kraken.asked(kraken.broker.find_order(OURS)))[-2:] == [
            ("POST /0/private/OpenOrders", words),
            ("POST /0/private/ClosedOrders", words),
        ]
        listed(kraken, "filled")
        found = await kraken.broker.find_order(OURS)
        assert found is not None
        assert kraken.venue.asked[-1].line == "POST /0/private/QueryTrades"
        assert kraken.venue.asked[-1].said == {"txid": "TZX2WP-XSEOP-FP7WYR"}
        (fill,) = found.fills
        assert (found.state, found.filled, fill.fill_id) == (
            VenueOrderState.FILLED,
            Decimal("0.01"),
            "TZX2WP-XSEOP-FP7WYR",
        )
        assert (fill.fee, fill.fee_currency, fill.liquidity) == (Decimal("1.25"), "USDT", Liquidity.MAKER)
        assert fill.client_order_id == OURS


CASES = [
    ("working", VenueOrderState.WORKING, OrderType.LIMIT, Decimal(50000), None),
    ("partly", VenueOrderState.PARTIALLY_FILLED, OrderType.LIMIT, Decimal(50000), None),
    ("cancelled", VenueOrderState.CANCELLED, OrderType.LIMIT, Decimal(50000), None),
    ("expired", VenueOrderState.EXPIRED, OrderType.LIMIT, Decimal(50000), None),
    ("stop", VenueOrderState.WORKING, OrderType.STOP, None, Decimal(45000)),
    ("stop_limit", VenueOrderState.WORKING, OrderType.STOP_LIMIT, Decimal(44900), Decimal(45000)),
    ("take_profit", VenueOrderState.WORKING, OrderType.TAKE_PROFIT, None, Decimal(60000)),
    ("take_profit_limit", VenueOrderState.WORKING, OrderType.TAKE_PROFIT_LIMIT, Decimal(59900), Decimal(60000)),
    ("trailing", VenueOrderState.WORKING, OrderType.TRAILING_STOP, None, None),
]


@pytest.mark.parametrize(("name", "state", "kind", "limit", "stop"), CASES, ids=[case[0] for case in CASES])
async def test_an_order_in_each_state_is_read(
    name: str, state: VenueOrderState, kind: OrderType, limit: Decimal | None, stop: Decimal | None, tmp_path: Path
) -> None:
    async with account("kraken", tmp_path) as kraken:
        listed(kraken, name)
        found = await kraken.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.limit_price, found.stop_price) == (state, kind, limit, stop)
        assert (found.client_order_id, found.venue_order_id, found.symbol) == (OURS, TXID, "BTC/USDT")
        assert (found.trail_percent, found.trail) == ((Decimal(5), None) if kind.is_trailing else (None, None))


async def test_a_trailing_distance_in_price_is_read(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        listed(kraken, "trailing_price")
        found = await kraken.broker.find_order(OURS)
        assert found is not None
        assert (found.trail, found.trail_percent) == (Decimal(120), None)


async def test_an_end_date_is_read(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        listed(kraken, "working", expiretm=1780315200)
        (found,) = await kraken.broker.get_open_orders()
        assert (found.time_in_force, found.expires_at) == (TimeInForce.GTD, NOW)


async def test_ids_that_are_not_ours_are_nobodys(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        listed(kraken, "foreign", "working")
        assert {report.client_order_id for report in await kraken.broker.get_open_orders()} == {""}  # not taught yet
        await kraken.broker.find_order(OURS)
        assert {report.client_order_id for report in await kraken.broker.get_open_orders()} == {"", OURS}


async def test_short_ids_go_as_they_are_and_come_back(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        short = ClientOrderId("qd-stop-7")
        _, said = await kraken.sent(oid=short)
        assert said["cl_ord_id"] == "qd-stop-7"
        assert kraken.dialect.our_id("qd-stop-7") == short
        assert kraken.dialect.our_id("123948576") == ""  # a number is somebody's userref


async def test_cancelling_by_our_id(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        await kraken.broker.place_order(kraken.order())
        listed(kraken, "cancelled")
        asked = await kraken.asked(kraken.broker.cancel_order(OURS))
        assert asked[0] == ("POST /0/private/CancelOrder", {"cl_ord_id": WIRE})
        kraken.answer("POST /0/private/CancelOrder", {"error": ["EOrder:Unknown order"]})
        with pytest.raises(Rejected, match="ORDER_CLOSED"):
            await kraken.broker.cancel_order(OURS)


async def test_an_order_that_nobody_knows_is_not_found(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        with pytest.raises(OrderNotFound):
            await kraken.broker.cancel_order(OURS)


async def test_changing_in_place(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        await kraken.broker.place_order(kraken.order())
        listed(kraken, "working")
        asked = await kraken.asked(
            kraken.broker.modify_order(OURS, quantity=Decimal("0.03"), limit_price=Decimal(50100))
        )
        amended = {"cl_ord_id": WIRE, "order_qty": "0.03", "limit_price": "50100"}
        assert ("POST /0/private/AmendOrder", amended) in asked
        await kraken.sent(Side.SELL, OrderType.STOP, stop_price=Decimal(45000))
        listed(kraken, "stop")
        asked = await kraken.asked(kraken.broker.modify_order(OURS, stop_price=Decimal(44000)))
        assert ("POST /0/private/AmendOrder", {"cl_ord_id": WIRE, "trigger_price": "44000"}) in asked


async def test_the_timer_is_set_when_we_come_and_ended_when_we_go(tmp_path: Path) -> None:
    async with account("kraken", tmp_path, dead_man_seconds=60) as kraken:
        await kraken.broker.disconnect()
        said = kraken.venue.said("POST /0/private/CancelAllOrdersAfter")
        assert [each["timeout"] for each in said] == ["60", "0"]


async def test_the_account(tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        info = await kraken.broker.get_account_info()
        assert info.positions["BTC/USDT"].quantity == Decimal("1.2435")
        assert info.positions["BTC/USDT"].mark_price == Decimal(50000)
        assert (info.balances["USDT"].total, info.balances["USDT"].locked) == (Decimal("2000.5"), Decimal("1000.5"))
        assert set(info.balances) == {"USDT", "USD"}


async def test_market_data(tmp_path: Path) -> None:
    async with account("kraken", tmp_path, keys=False) as kraken:
        quote = await kraken.broker.get_quote("BTC/USDT")
        assert (quote.bid, quote.ask, quote.last) == (Decimal("49999.9"), Decimal("50000.1"), Decimal(50000))
        book = await kraken.broker.get_orderbook("BTC/USDT", 1)
        assert (book.bids[0].price, book.asks[0].quantity, len(book.asks)) == (Decimal("49999.9"), Decimal(1), 1)
        bars = await kraken.broker.get_bars("BTC/USDT", until=NOW, count=2)
        assert [bar.close for bar in bars] == [Decimal(49500), Decimal(50000)]
        assert bars[-1].at == datetime(2026, 6, 1, tzinfo=UTC)
        assert kraken.venue.said("GET /0/public/OHLC")[0]["interval"] == "1440"


ERRORS = [
    ("EOrder:Insufficient funds", Rejected, "INSUFFICIENT_FUNDS"),
    ("EOrder:Order minimum not met", Rejected, "LOT_SIZE"),
    ("EOrder:Post only order", Rejected, "POST_ONLY_WOULD_TAKE"),
    ("EOrder:Invalid price:Invalid price argument", Rejected, "PRICE_FILTER"),
    ("EService:Market in cancel_only mode", Rejected, "MARKET_CLOSED"),
    ("EGeneral:Permission denied", Rejected, "NO_PERMISSION"),
    ("EGeneral:Invalid arguments:volume", Rejected, "LOT_SIZE"),
    ("EOrder:Rate limit exceeded", Unavailable, ""),
    ("EAPI:Rate limit exceeded", Unavailable, ""),
    ("EGeneral:Temporary lockout", Unavailable, ""),
    ("EAPI:Invalid nonce", Unavailable, ""),
    ("EService:Unavailable", Uncertain, ""),
    ("EService:Busy", Uncertain, ""),
    ("EGeneral:Internal error", Uncertain, ""),
    ("ESomething:Nobody has named", Uncertain, ""),
]


@pytest.mark.parametrize(("said", "error", "code"), ERRORS, ids=[case[0] for case in ERRORS])
async def test_what_an_error_means_for_an_order(said: str, error: type[Exception], code: str, tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        kraken.answer("POST /0/private/AddOrder", {"error": [said]})
        with pytest.raises(error) as raised:
            await kraken.broker.place_order(kraken.order())
        assert type(raised.value) is error
        assert getattr(raised.value, "code", "") == code


@pytest.mark.parametrize("status", [502, 520, 504])
async def test_a_gateway_that_fails_leaves_it_open(status: int, tmp_path: Path) -> None:
    async with account("kraken", tmp_path) as kraken:
        kraken.answer("POST /0/private/AddOrder", (status, "<html>Bad gateway</html>"))
        with pytest.raises(Uncertain):
            await kraken.broker.place_order(kraken.order())
