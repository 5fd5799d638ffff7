"""KuCoin: what we say to it, what its answers mean, and which of its errors leave an order's fate open."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.adapters import kucoin as kucoin_adapter
from brokers.errors import ConfigurationError, NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.order import OrderType, Side, TimeInForce, VenueOrderState
from tests.brokers.resilience.by_hand import HandClock
from tests.brokers.venues.rig import NOW, OURS, Account, account

BOOK, STOPS = "POST /api/v1/hf/orders", "POST /api/v1/stop-order"
FIND, FIND_STOP = f"GET /api/v1/hf/orders/client-order/{OURS}", "GET /api/v1/stop-order/queryOrderByClientOid"
SAID = {"clientOid": OURS, "symbol": "BTC-USDT", "size": "0.02"}
LIMIT = {**SAID, "side": "buy", "type": "limit", "price": "50000"}
SELL = {**SAID, "side": "sell"}
STOP = {"side": Side.SELL, "kind": OrderType.STOP, "stop_price": Decimal(45000)}
PLACED: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, BOOK, {**LIMIT, "timeInForce": "GTC"}),
    ({"post_only": True}, BOOK, {**LIMIT, "postOnly": True}),
    ({"tif": TimeInForce.IOC}, BOOK, {**LIMIT, "timeInForce": "IOC"}),
    ({"tif": TimeInForce.FOK}, BOOK, {**LIMIT, "timeInForce": "FOK"}),
    ({"kind": OrderType.MARKET}, BOOK, {**SAID, "side": "buy", "type": "market"}),
    (STOP, STOPS, {**SELL, "type": "market", "stop": "loss", "stopPrice": "45000"}),
    (
        {"kind": OrderType.STOP, "stop_price": Decimal(55000)},
        STOPS,
        {**SAID, "side": "buy", "type": "market", "stop": "entry", "stopPrice": "55000"},
    ),
    (
        {**STOP, "kind": OrderType.STOP_LIMIT, "limit_price": Decimal(44900)},
        STOPS,
        {**SELL, "type": "limit", "price": "44900", "stop": "loss", "stopPrice": "45000", "timeInForce": "GTC"},
    ),
    (
        {**STOP, "kind": OrderType.TAKE_PROFIT, "stop_price": Decimal(60000)},
        STOPS,
        {**SELL, "type": "market", "stop": "entry", "stopPrice": "60000"},
    ),
    (
        {"kind": OrderType.TAKE_PROFIT_LIMIT, "stop_price": Decimal(40000), "limit_price": Decimal(40100)},
        STOPS,
        {**LIMIT, "price": "40100", "stop": "loss", "stopPrice": "40000", "timeInForce": "GTC"},
    ),
]


def ok(data: Any) -> dict[str, Any]:
    """A good answer."""
    return {"code": "200000", "data": data}


def asleep(account: Account, name: str) -> None:
    """Among the stop orders is this one."""
    account.answer(FIND_STOP, ok([account.cases[name]] if name else []))


async def test_every_order_is_said_in_the_venues_words(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        for ours, line, theirs in PLACED:
            assert await kucoin.sent(**ours) == (line, theirs)
        assert {asked.host for asked in kucoin.venue.asked} == {"api.kucoin.com"}


async def test_what_is_not_offered_is_not_sent(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        before = len(kucoin.venue.asked)
        trailing = {"side": Side.SELL, "kind": OrderType.TRAILING_STOP, "trail": Decimal(100)}
        for more in (trailing, {"reduce_only": True}, {"kind": OrderType.MARKET, "tif": TimeInForce.FOK}):
            with pytest.raises(NotSupported):
                await kucoin.broker.place_order(kucoin.order(**more))
        assert len(kucoin.venue.asked) == before


async def test_an_order_that_is_nowhere_is_answered_with_nothing(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        asked = await kucoin.asked(kucoin.broker.find_order(OURS))
        stop = (FIND_STOP, {"clientOid": OURS, "symbol": "BTC-USDT"})
        assert asked == [(FIND, {"symbol": "BTC-USDT"}), stop, (FIND, {"symbol": "BTC-USDT"})]
        assert await kucoin.broker.find_order(OURS) is None
        with pytest.raises(OrderNotFound):
            await kucoin.broker.cancel_order(OURS)


STATES = [
    ("working", VenueOrderState.WORKING, OrderType.LIMIT),
    ("post_only", VenueOrderState.WORKING, OrderType.LIMIT),
    ("partly", VenueOrderState.PARTIALLY_FILLED, OrderType.LIMIT),
    ("filled", VenueOrderState.FILLED, OrderType.LIMIT),
    ("market_filled", VenueOrderState.FILLED, OrderType.MARKET),
    ("cancelled", VenueOrderState.CANCELLED, OrderType.LIMIT),
    ("cancelled_partly", VenueOrderState.CANCELLED, OrderType.LIMIT),
]


@pytest.mark.parametrize(("name", "state", "kind"), STATES, ids=[case[0] for case in STATES])
async def test_an_order_in_each_state_is_read(
    name: str, state: VenueOrderState, kind: OrderType, tmp_path: Path
) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        kucoin.answer(FIND, ok(kucoin.cases[name]))
        kucoin.answer("GET /api/v1/hf/fills", ok({"lastId": 1, "items": [kucoin.cases["fill"]]}))
        found = await kucoin.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.post_only) == (state, kind, name == "post_only")
        assert sum(fill.quantity for fill in found.fills) == found.filled


SLEEPERS = [
    ("stop", OrderType.STOP, Side.SELL, None, Decimal(45000)),
    ("stop_limit", OrderType.STOP_LIMIT, Side.SELL, Decimal(44900), Decimal(45000)),
    ("take_profit", OrderType.TAKE_PROFIT, Side.SELL, None, Decimal(60000)),
    ("take_profit_limit", OrderType.TAKE_PROFIT_LIMIT, Side.SELL, Decimal(59900), Decimal(60000)),
    ("entry", OrderType.STOP, Side.BUY, None, Decimal(55000)),
]


@pytest.mark.parametrize(("name", "kind", "side", "limit", "stop"), SLEEPERS, ids=[case[0] for case in SLEEPERS])
async def test_stop_orders_are_read(
    name: str, kind: OrderType, side: Side, limit: Decimal | None, stop: Decimal, tmp_path: Path
) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        asleep(kucoin, name)
        found = await kucoin.broker.find_order(OURS)
        assert found is not None
        assert (found.type, found.side, found.limit_price, found.stop_price) == (kind, side, limit, stop)
        assert (found.state, found.venue_order_id) == (VenueOrderState.WORKING, "vs8hoo8q2ceshiue003b67c0")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    made = HandClock()
    monkeypatch.setattr(kucoin_adapter, "ticks", made)
    return made


async def test_a_stop_that_is_gone_for_a_while_was_cancelled(tmp_path: Path, clock: HandClock) -> None:
    """However long ago it was placed, two looks must miss it, ten seconds apart; a sighting in between counts."""
    async with account("kucoin", tmp_path) as kucoin:
        long_ago = {**kucoin.cases["stop"], "createdAt": 1780315200500 - 3_600_000}
        kucoin.answer(FIND_STOP, ok([long_ago]))
        await kucoin.broker.find_order(OURS)
        asleep(kucoin, "")
        for seconds in (0, 5, 4.9):
            clock.pass_(seconds)
            with pytest.raises(Unavailable, match="may be waking"):
                await kucoin.broker.find_order(OURS)
        kucoin.answer(FIND_STOP, ok([long_ago]))
        await kucoin.broker.find_order(OURS)
        asleep(kucoin, "")
        clock.pass_(60)
        with pytest.raises(Unavailable, match="may be waking"):
            await kucoin.broker.find_order(OURS)
        clock.pass_(10)
        found = await kucoin.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.stop_price) == (
            VenueOrderState.CANCELLED,
            OrderType.STOP,
            Decimal(45000),
        )


async def test_a_stop_that_is_waking_is_not_ordered_again(tmp_path: Path, clock: HandClock) -> None:
    """Out of the one list and not yet in the other, an hour after it was placed: it is filled, and never cancelled."""
    async with account("kucoin", tmp_path) as kucoin:
        long_ago = {**kucoin.cases["stop"], "createdAt": 1780315200500 - 3_600_000}
        kucoin.answer(FIND_STOP, ok([long_ago]))
        await kucoin.broker.find_order(OURS)
        asleep(kucoin, "")
        with pytest.raises(Unavailable):
            await kucoin.broker.find_order(OURS)
        clock.pass_(30)
        kucoin.answer(FIND, ok({**kucoin.cases["market_filled"], "side": "sell"}))
        kucoin.answer("GET /api/v1/hf/fills", ok({"items": [kucoin.cases["fill_sell"]]}))
        found = await kucoin.broker.find_order(OURS)
        assert found is not None
        assert (found.state, len(found.fills)) == (VenueOrderState.FILLED, 1)


async def test_a_stop_that_was_placed_just_now_is_not_taken_for_cancelled(tmp_path: Path, clock: HandClock) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        await kucoin.broker.place_order(kucoin.order(**STOP))
        clock.pass_(60)
        with pytest.raises(Unavailable, match="not be there yet"):
            await kucoin.broker.find_order(OURS)


async def test_a_stop_that_woke_is_found_in_the_book(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        await kucoin.broker.place_order(kucoin.order(**STOP))
        woken = {**kucoin.cases["market_filled"], "side": "sell"}
        kucoin.answer(FIND, [ok(None), ok(woken)])  # it moves while we look
        kucoin.answer("GET /api/v1/hf/fills", ok({"items": [kucoin.cases["fill_sell"]]}))
        found = await kucoin.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, len(found.fills)) == (VenueOrderState.FILLED, OrderType.STOP, 1)


async def test_open_orders_of_each_symbol_and_those_that_sleep(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        kucoin.answer("GET /api/v1/hf/orders/active", ok([kucoin.cases["working"]]))
        kucoin.answer("GET /api/v1/stop-order", ok({"items": [{**kucoin.cases["stop"], "clientOid": "second"}]}))
        reports = await kucoin.broker.get_open_orders()
        assert {report.client_order_id for report in reports} == {OURS, "second"}
        assert kucoin.venue.said("GET /api/v1/hf/orders/active")[-1]["symbol"] == "BTC-USDT"


async def test_one_that_wakes_while_the_lists_are_read_is_listed_once(tmp_path: Path) -> None:
    """Those that sleep are asked for first: it is in both lists, never in neither."""
    async with account("kucoin", tmp_path) as kucoin:
        kucoin.answer("GET /api/v1/stop-order", ok({"items": [kucoin.cases["stop"]]}))
        kucoin.answer("GET /api/v1/hf/orders/active", ok([kucoin.cases["working"]]))
        before = len(kucoin.venue.asked)
        (report,) = await kucoin.broker.get_open_orders()
        assert (report.client_order_id, report.venue_order_id) == (OURS, kucoin.cases["working"]["id"])
        assert "stop-order" in kucoin.venue.asked[before].line


async def test_executions_are_told_without_our_id_and_looked_up(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        rows = [kucoin.cases[name] for name in ("fill", "fill_sell", "fill_third")]
        kucoin.answer("GET /api/v1/hf/fills", ok({"lastId": 1, "items": rows}))
        fills = await kucoin.broker.get_fills(NOW)
        assert kucoin.venue.asked[-1].line == "GET /api/v1/hf/orders/67120bbef094e200070976f6"
        usdt = (Decimal("0.5"), "USDT")
        assert [(fill.fee, fill.fee_currency) for fill in fills] == [usdt, usdt, (Decimal("0.002"), "KCS")]
        assert {fill.client_order_id for fill in fills} == {OURS}


async def test_cancelling_in_both_places(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        await kucoin.sent()
        kucoin.answer(FIND, ok(kucoin.cases["cancelled"]))
        asked = await kucoin.asked(kucoin.broker.cancel_order(OURS))
        assert asked[0] == (FIND.replace("GET", "DELETE"), {"symbol": "BTC-USDT"})
        kucoin.answer(FIND, ok(None))
        await kucoin.sent(**STOP)
        cancelled = await kucoin.broker.cancel_order(OURS)  # asleep, by its own word: nothing of it can be filled
        assert (cancelled.state, cancelled.filled) == (VenueOrderState.CANCELLED, 0)
        said = {"clientOid": OURS, "symbol": "BTC-USDT"}
        assert kucoin.venue.said("DELETE /api/v1/stop-order/cancelOrderByClientOid") == [said]


async def test_changing_is_not_offered(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        with pytest.raises(NotSupported):
            await kucoin.broker.modify_order(OURS, limit_price=Decimal(50100))


async def test_the_timer_is_set_when_we_come_and_ended_when_we_go(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path, dead_man_seconds=60) as kucoin:
        await kucoin.broker.disconnect()
        assert kucoin.venue.said("POST /api/v1/hf/orders/dead-cancel-all") == [{"timeout": 60}, {"timeout": -1}]


async def test_the_account_and_market_data(tmp_path: Path) -> None:
    async with account("kucoin", tmp_path) as kucoin:
        info = await kucoin.broker.get_account_info()
        assert kucoin.venue.said("GET /api/v1/accounts") == [{"type": "trade_hf"}]
        assert (info.balances["USDT"].total, info.balances["USDT"].locked) == (Decimal("2000.5"), Decimal("1000.5"))
        assert info.positions["BTC/USDT"].quantity == Decimal("1.2435")
        quote = await kucoin.broker.get_quote("BTC/USDT")
        assert (quote.bid, quote.ask) == (Decimal("49999.9"), Decimal("50000.1"))
        book = await kucoin.broker.get_orderbook("BTC/USDT", 1)
        assert (book.asks[0].price, len(book.bids)) == (Decimal("50000.1"), 1)
        bars = await kucoin.broker.get_bars("BTC/USDT", until=NOW, count=2)
        assert [(bar.open, bar.high, bar.low, bar.close) for bar in bars] == [
            (49000, 49900, 48900, 49500),
            (49500, 50500, 49400, 50000),
        ]


@pytest.mark.parametrize(
    ("line", "told", "words"),
    [
        ("GET /api/v1/hf/accounts/opened", False, "high-frequency"),
        ("GET /api/ua/v1/account/mode", {"selfAccountMode": "UNIFIED"}, "unified"),
    ],
)
async def test_an_account_of_another_kind_is_refused(line: str, told: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        async with account("kucoin", tmp_path, answers={line: ok(told)}):
            pass


ERRORS = [
    ("200004", "Balance insufficient!", Rejected, "INSUFFICIENT_FUNDS"),
    ("400100", "Order size below the minimum requirement.", Rejected, "LOT_SIZE"),
    ("600100", "Order size increment invalid.", Rejected, "LOT_SIZE"),
    ("600101", "The order funds should more then 0.1 USDT.", Rejected, "MIN_NOTIONAL"),
    ("400370", "Max. price: 0.02500000000000000000", Rejected, "PRICE_FILTER"),
    ("400600", "validation.createOrder.symbolNotAvailable", Rejected, "MARKET_CLOSED"),
    ("400003", "KC-API-KEY not exists", Rejected, "KEY_REFUSED"),
    ("400007", "Access denied--require more permission", Rejected, "NO_PERMISSION"),
    ("429000", "Too many requests", Unavailable, ""),
    ("400002", "KC-API-TIMESTAMP Invalid", Unavailable, ""),
    ("408000", "Network timeout, please try again later", Uncertain, ""),  # ccxt: a bad request
    ("500000", "Internal Server Error", Uncertain, ""),
    ("126039", "Third-party service call failed", Uncertain, ""),
    ("999999", "Nobody has named it", Uncertain, ""),
]


@pytest.mark.parametrize(("code", "said", "error", "word"), ERRORS, ids=[case[0] + case[1][:9] for case in ERRORS])
async def test_what_an_error_means_for_an_order(
    code: str, said: str, error: type[Exception], word: str, tmp_path: Path
) -> None:
    async with account("kucoin", tmp_path, answers={BOOK: {"code": code, "msg": said}}) as kucoin:
        with pytest.raises(error) as raised:
            await kucoin.broker.place_order(kucoin.order())
        assert type(raised.value) is error
        assert getattr(raised.value, "code", "") == word
