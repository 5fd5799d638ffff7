"""Coinbase: what we say to it, what its answers mean, and which of its errors leave an order's fate open."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.order import Liquidity, OrderType, Side, TimeInForce, VenueOrderState
from tests.brokers.venues.rig import NOW, OURS, Account, account

API = "/api/v3/brokerage"
PLACE, CANCEL = f"POST {API}/orders", f"POST {API}/orders/batch_cancel"
LIST, FILLS = f"GET {API}/orders/historical/batch", f"GET {API}/orders/historical/fills"
VENUE_ID = "9bc1eb3b-5b46-4b71-9628-ae2ed0cca75b"
ONE = f"GET {API}/orders/historical/{VENUE_ID}"
LIMIT = {"base_size": "0.02", "limit_price": "50000"}
STOP_TERMS = {**LIMIT, "limit_price": "44900", "stop_price": "45000", "stop_direction": "STOP_DIRECTION_STOP_DOWN"}
TARGET_TERMS = {**LIMIT, "limit_price": "59900", "stop_price": "60000", "stop_direction": "STOP_DIRECTION_STOP_UP"}
PLACED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": OrderType.MARKET}, {"market_market_ioc": {"base_size": "0.02"}}),  # ccxt would tell the quote currency
    ({"side": Side.SELL, "kind": OrderType.MARKET}, {"market_market_ioc": {"base_size": "0.02"}}),
    ({}, {"limit_limit_gtc": {**LIMIT, "post_only": False}}),
    ({"post_only": True}, {"limit_limit_gtc": {**LIMIT, "post_only": True}}),
    ({"tif": TimeInForce.IOC}, {"sor_limit_ioc": LIMIT}),
    (
        {"tif": TimeInForce.GTD, "expires_at": NOW},
        {"limit_limit_gtd": {**LIMIT, "end_time": "2026-06-01T12:00:00Z", "post_only": False}},
    ),
    (
        {"side": Side.SELL, "kind": OrderType.STOP_LIMIT, "stop_price": Decimal(45000), "limit_price": Decimal(44900)},
        {"stop_limit_stop_limit_gtc": STOP_TERMS},
    ),
    (
        {
            "side": Side.SELL,
            "kind": OrderType.TAKE_PROFIT_LIMIT,
            "stop_price": Decimal(60000),
            "limit_price": Decimal(59900),
        },
        {"stop_limit_stop_limit_gtc": TARGET_TERMS},
    ),
]


def lists(account: Account, *names: str) -> None:
    """The venue's list of orders."""
    account.answer(LIST, {"orders": [account.cases[name] for name in names], "has_next": False, "cursor": ""})


async def test_every_order_is_said_in_the_venues_words_under_our_id(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        for ours, terms in PLACED:
            side = ours.get("side", Side.BUY).value.upper()
            said = {"client_order_id": OURS, "product_id": "BTC-USDT", "side": side, "order_configuration": terms}
            assert await coinbase.sent(**ours) == (PLACE, said)
        assert {asked.host for asked in coinbase.venue.asked} == {"api.coinbase.com"}


async def test_what_is_not_offered_is_not_sent(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        before = len(coinbase.venue.asked)
        for more in (
            {"side": Side.SELL, "kind": OrderType.STOP, "stop_price": Decimal(45000)},
            {"side": Side.SELL, "kind": OrderType.TRAILING_STOP, "trail": Decimal(100)},
            {"tif": TimeInForce.FOK},
            {"reduce_only": True},
        ):
            with pytest.raises(NotSupported):
                await coinbase.broker.place_order(coinbase.order(**more))
        assert len(coinbase.venue.asked) == before


STATES = [
    ("working", VenueOrderState.WORKING, OrderType.LIMIT, None),
    ("pending", VenueOrderState.WORKING, OrderType.LIMIT, None),
    ("queued", VenueOrderState.WORKING, OrderType.LIMIT, None),
    ("cancel_queued", VenueOrderState.WORKING, OrderType.LIMIT, None),
    ("partly", VenueOrderState.PARTIALLY_FILLED, OrderType.LIMIT, None),
    ("filled", VenueOrderState.FILLED, OrderType.LIMIT, None),
    ("market_filled", VenueOrderState.FILLED, OrderType.MARKET, None),
    ("cancelled", VenueOrderState.CANCELLED, OrderType.LIMIT, None),
    ("expired", VenueOrderState.EXPIRED, OrderType.LIMIT, None),
    ("failed", VenueOrderState.REJECTED, OrderType.LIMIT, None),
    ("stop_limit", VenueOrderState.WORKING, OrderType.STOP_LIMIT, Decimal(45000)),
    ("take_profit_limit", VenueOrderState.WORKING, OrderType.TAKE_PROFIT_LIMIT, Decimal(60000)),
    ("entry", VenueOrderState.WORKING, OrderType.STOP_LIMIT, Decimal(55000)),
]


@pytest.mark.parametrize(("name", "state", "kind", "stop"), STATES, ids=[case[0] for case in STATES])
async def test_an_order_in_each_state_is_read(
    name: str, state: VenueOrderState, kind: OrderType, stop: Decimal | None, tmp_path: Path
) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        lists(coinbase, name)
        coinbase.answer(FILLS, {"fills": [coinbase.cases["fill"]], "cursor": ""})
        found = await coinbase.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.stop_price) == (state, kind, stop)
        assert (found.client_order_id, found.venue_order_id) == (OURS, VENUE_ID)
        assert sum(fill.quantity for fill in found.fills) == found.filled


async def test_an_end_date_is_read(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        lists(coinbase, "until")
        found = await coinbase.broker.find_order(OURS)
        assert found is not None
        assert (found.time_in_force, found.expires_at) == (TimeInForce.GTD, datetime(2026, 6, 2, 12, tzinfo=UTC))


async def test_an_order_of_which_we_know_the_venues_id_is_asked_for_by_it(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        await coinbase.sent()
        assert await coinbase.asked(coinbase.broker.find_order(OURS)) == [(ONE, {})]


async def test_an_order_that_is_not_to_be_seen_is_never_said_not_to_exist(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        assert not coinbase.broker.capabilities.find_by_client_id
        with pytest.raises(Unavailable, match="not among the newest"):
            await coinbase.broker.find_order(OURS)
        with pytest.raises(Unavailable):
            await coinbase.broker.cancel_order(OURS)


async def test_open_orders_are_those_that_the_venue_leaves_out_too(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        asked = await coinbase.asked(coinbase.broker.get_open_orders())
        assert [said["order_status"] for _, said in asked] == ["OPEN", "PENDING", "QUEUED", "CANCEL_QUEUED"]


async def test_executions_cost_the_quote_currency_and_are_looked_up(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        rows = [coinbase.cases[name] for name in ("fill", "fill_sell")]
        coinbase.answer(FILLS, {"fills": rows, "cursor": ""})
        fills = await coinbase.broker.get_fills(NOW)
        assert coinbase.venue.asked[-1].line == ONE
        assert [(fill.fee, fill.fee_currency) for fill in fills] == [(Decimal(3), "USDT")] * 2
        assert [fill.liquidity for fill in fills] == [Liquidity.TAKER, Liquidity.MAKER]
        assert {fill.client_order_id for fill in fills} == {OURS}


async def test_cancelling_by_the_venues_id_found_in_the_lists_after_a_restart(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        lists(coinbase, "working")
        coinbase.answer(ONE, {"order": coinbase.cases["cancelled"]})
        await coinbase.broker.cancel_order(OURS)
        assert coinbase.venue.said(CANCEL) == [{"order_ids": [VENUE_ID]}]


CANCELS = [
    ("UNKNOWN_CANCEL_ORDER", OrderNotFound),
    ("COMMANDER_REJECTED_CANCEL_ORDER", Rejected),
    ("DUPLICATE_CANCEL_REQUEST", Uncertain),
    ("UNKNOWN_CANCEL_FAILURE_REASON", Uncertain),
]


@pytest.mark.parametrize(("reason", "error"), CANCELS, ids=[case[0] for case in CANCELS])
async def test_what_a_cancel_that_failed_means(reason: str, error: type[Exception], tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        await coinbase.sent()
        told = {"results": [{"success": False, "failure_reason": reason, "order_id": VENUE_ID}]}
        coinbase.answer(CANCEL, told)
        coinbase.answer(ONE, (404, {"error": "NOT_FOUND", "error_details": "", "message": "order not found"}))
        with pytest.raises(error):
            await coinbase.broker.cancel_order(OURS)


async def test_changing_is_not_offered(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        with pytest.raises(NotSupported):
            await coinbase.broker.modify_order(OURS, limit_price=Decimal(50100))


async def test_the_account_and_market_data(tmp_path: Path) -> None:
    async with account("coinbase", tmp_path) as coinbase:
        info = await coinbase.broker.get_account_info()
        assert (info.balances["USDT"].total, info.balances["USDT"].locked) == (Decimal("2000.5"), Decimal("1000.5"))
        assert info.positions["BTC/USDT"].quantity == Decimal("1.2435")
        quote = await coinbase.broker.get_quote("BTC/USDT")
        assert (quote.bid, quote.ask, quote.last) == (Decimal("49999.99"), Decimal("50000.01"), 50000)
        book = await coinbase.broker.get_orderbook("BTC/USDT", 1)
        assert (book.asks[0].price, len(book.bids)) == (Decimal("50000.01"), 1)
        bars = await coinbase.broker.get_bars("BTC/USDT", until=NOW, count=2)
        assert [bar.close for bar in bars] == [49500, 50000]


REASONS = [
    ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND", Rejected, "INSUFFICIENT_FUNDS"),
    ("INVALID_LIMIT_PRICE_POST_ONLY", "UNKNOWN_PREVIEW_FAILURE_REASON", Rejected, "POST_ONLY_WOULD_TAKE"),
    ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", Rejected, "LOT_SIZE"),
    ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", Rejected, "MIN_NOTIONAL"),
    ("UNKNOWN_FAILURE_REASON", "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE", Rejected, "WOULD_TRIGGER"),
    ("INVALID_PRODUCT_ID", "UNKNOWN_PREVIEW_FAILURE_REASON", Rejected, "UNKNOWN_SYMBOL"),
    ("SOMETHING_NEW", "UNKNOWN_PREVIEW_FAILURE_REASON", Rejected, "REFUSED"),
    ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON", Uncertain, ""),
]


@pytest.mark.parametrize(("reason", "preview", "error", "word"), REASONS, ids=[f"{r[0]}-{r[1]}" for r in REASONS])
async def test_what_a_refusal_means_for_an_order(
    reason: str, preview: str, error: type[Exception], word: str, tmp_path: Path
) -> None:
    response = {"error": reason, "message": "said", "error_details": "", "preview_failure_reason": preview}
    told = {"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": "", "error_response": response}
    async with account("coinbase", tmp_path, answers={PLACE: told}) as coinbase:
        with pytest.raises(error) as raised:
            await coinbase.broker.place_order(coinbase.order())
        assert type(raised.value) is error
        assert getattr(raised.value, "code", "") == word


STATUSES = [
    ((400, {"error": "INVALID_ARGUMENT", "error_details": "", "message": "bad"}), Rejected),
    ((401, {"error": "Unauthorized", "error_details": "", "message": "no"}), Rejected),
    ((429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}), Unavailable),
    ((500, {"error": "INTERNAL", "error_details": "", "message": "oops"}), Uncertain),
    ((503, "<html>unavailable</html>"), Uncertain),
    ({"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON"}, Uncertain),
    ({"success": True}, Uncertain),
]


@pytest.mark.parametrize(("told", "error"), STATUSES, ids=[str(index) for index in range(len(STATUSES))])
async def test_what_a_status_means_for_an_order(told: Any, error: type[Exception], tmp_path: Path) -> None:
    async with account("coinbase", tmp_path, answers={PLACE: told}) as coinbase:
        with pytest.raises(error) as raised:
            await coinbase.broker.place_order(coinbase.order())
        assert type(raised.value) is error
