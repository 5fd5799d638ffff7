"""OKX: what we say to it, what its answers mean, and which of its errors leave an order's fate open."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.parsing import milliseconds
from brokers.errors import ConfigurationError, NotSupported, Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, OrderType, Side, TimeInForce, VenueOrderState
from tests.brokers.venues.rig import NOW, OURS, Account, account, documented

ORDER, ALGO = "POST /api/v5/trade/order", "POST /api/v5/trade/order-algo"
MISSING = {"code": "51603", "msg": "Order does not exist", "data": []}
ALGO_ID, CHILD_ID = "681096944655273984", "680800019749904999"
SAID = {"clOrdId": OURS, "sz": "0.02"}
SPOT = {**SAID, "instId": "BTC-USDT", "tdMode": "cash"}
SWAP = {**SAID, "instId": "BTC-USDT-SWAP", "tdMode": "cross"}
SLEEPS = {"algoClOrdId": OURS, "ordType": "conditional", "side": "sell"}
STOP = {"side": Side.SELL, "kind": OrderType.STOP, "stop_price": Decimal(45000)}
PLAIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"side": "buy", "ordType": "limit", "px": "50000"}),
    ({"post_only": True}, {"side": "buy", "ordType": "post_only", "px": "50000"}),
    ({"tif": TimeInForce.IOC}, {"side": "buy", "ordType": "ioc", "px": "50000"}),
    ({"tif": TimeInForce.FOK}, {"side": "buy", "ordType": "fok", "px": "50000"}),
    ({"kind": OrderType.MARKET}, {"side": "buy", "ordType": "market"}),
    ({"side": Side.SELL, "kind": OrderType.MARKET}, {"side": "sell", "ordType": "market"}),
]
ALGOS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (STOP, {**SLEEPS, "slTriggerPx": "45000", "slOrdPx": "-1", "slTriggerPxType": "last"}),
    (
        {**STOP, "kind": OrderType.STOP_LIMIT, "limit_price": Decimal(44900)},
        {**SLEEPS, "slTriggerPx": "45000", "slOrdPx": "44900", "slTriggerPxType": "last"},
    ),
    (
        {**STOP, "kind": OrderType.TAKE_PROFIT, "stop_price": Decimal(60000)},
        {**SLEEPS, "tpTriggerPx": "60000", "tpOrdPx": "-1", "tpTriggerPxType": "last"},
    ),
    (
        {
            "side": Side.SELL,
            "kind": OrderType.TAKE_PROFIT_LIMIT,
            "stop_price": Decimal(60000),
            "limit_price": Decimal(59900),
        },
        {**SLEEPS, "tpTriggerPx": "60000", "tpOrdPx": "59900", "tpTriggerPxType": "last"},
    ),
]
TRAILS = {"side": Side.SELL, "kind": OrderType.TRAILING_STOP}
TRAILING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({**TRAILS, "trail": Decimal(120)}, {**SLEEPS, "ordType": "move_order_stop", "callbackSpread": "120"}),
    ({**TRAILS, "trail_percent": Decimal(5)}, {**SLEEPS, "ordType": "move_order_stop", "callbackRatio": "0.05"}),
]
OF_SPOT = TRAILING
OF_SWAPS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *TRAILING,
    ({"reduce_only": True}, {"side": "buy", "ordType": "limit", "px": "50000", "reduceOnly": True}),
]


def ok(*data: Any) -> dict[str, Any]:
    """A good answer."""
    return {"code": "0", "msg": "", "data": list(data)}


def swap(folder: Path, **settings: Any) -> Any:
    """An account that trades perpetual swaps."""
    cases = documented("okx")["cases"]
    answers = {
        "GET /api/v5/public/instruments": ok(settings.pop("market_data", cases["swap"])),
        "GET /api/v5/market/ticker": ok(cases["swap_ticker"]),
        **settings.pop("answers", {}),
    }
    return account("okx", folder, "BTC/USDT:USDT", market="swap", answers=answers, **settings)


def book(account: Account, name: str = "") -> None:
    """The ordinary book has this order, or none."""
    account.answer("GET /api/v5/trade/order", ok(account.cases[name]) if name else MISSING)


def asleep(account: Account, name: str) -> None:
    """Among the algo orders is this one, and none in the book."""
    book(account)
    account.answer("GET /api/v5/trade/order-algo", ok(account.cases[name]))


async def test_spot_orders_in_the_venues_words(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        for ours, theirs in PLAIN:  # also a market order to buy is counted in the base currency
            assert await okx.sent(**ours) == (ORDER, {**SPOT, "tgtCcy": "base_ccy", **theirs})
        for ours, theirs in ALGOS:  # in cash, which ccxt would make a margin order of
            assert await okx.sent(**ours) == (ALGO, {**SPOT, **theirs})
        for ours, theirs in TRAILING:
            line, said = await okx.sent(**ours)
            assert (line, {**said, "tgtCcy": ""}) == (ALGO, {**SPOT, **theirs, "tgtCcy": ""})
        line, said = await okx.sent(kind=OrderType.STOP, stop_price=Decimal(55000))
        assert (said["tdMode"], said["tgtCcy"], said["slTriggerPx"]) == ("cash", "base_ccy", "55000")


async def test_orders_of_swaps_in_the_venues_words(tmp_path: Path) -> None:
    async with swap(tmp_path) as okx:
        for ours, theirs in PLAIN:
            assert await okx.sent(**ours) == (ORDER, {**SWAP, **theirs})
        for ours, theirs in ALGOS:
            assert await okx.sent(**ours) == (ALGO, {**SWAP, **theirs})
        for ours, theirs in OF_SWAPS:
            line = ORDER if "reduce_only" in ours else ALGO
            assert await okx.sent(**ours) == (line, {**SWAP, **theirs})
        _, said = await okx.sent(**STOP, reduce_only=True)
        assert said["reduceOnly"] is True


async def test_swaps_are_counted_in_contracts_of_the_right_size(tmp_path: Path) -> None:
    async with swap(tmp_path) as okx:
        instrument = okx.instrument
        assert (instrument.multiplier, instrument.lot, instrument.min_quantity) == (
            Decimal("0.01"),
            Decimal("0.01"),
            Decimal("0.01"),
        )
        assert instrument.notional(Decimal(50), Decimal(50000)) == 25000  # as the venue values this position
    market = {**documented("okx")["cases"]["swap"], "ctMult": "10"}
    async with swap(tmp_path, market_data=market) as okx:
        assert okx.instrument.multiplier == Decimal("0.1")


async def test_a_contract_size_that_the_venue_does_not_share_stops_us(tmp_path: Path) -> None:
    market = {**documented("okx")["cases"]["swap"], "ctVal": "0.1"}
    async with swap(tmp_path, market_data=market) as okx:
        with pytest.raises(Unavailable, match="contract size"):
            await okx.broker.get_account_info()


async def test_ids_with_other_characters_are_computed(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        order = ClientOrderId("contract-1_b")
        _, said = await okx.sent(oid=order)
        assert said["clOrdId"].isalnum()
        assert len(said["clOrdId"]) == 32
        assert okx.dialect.our_id(said["clOrdId"]) == order


STATES = [
    ("working", VenueOrderState.WORKING, OrderType.LIMIT),
    ("post_only", VenueOrderState.WORKING, OrderType.LIMIT),
    ("partly", VenueOrderState.PARTIALLY_FILLED, OrderType.LIMIT),
    ("filled", VenueOrderState.FILLED, OrderType.LIMIT),
    ("market_filled", VenueOrderState.FILLED, OrderType.MARKET),
    ("cancelled", VenueOrderState.CANCELLED, OrderType.LIMIT),
]


@pytest.mark.parametrize(("name", "state", "kind"), STATES, ids=[case[0] for case in STATES])
async def test_an_order_in_each_state_is_read(
    name: str, state: VenueOrderState, kind: OrderType, tmp_path: Path
) -> None:
    async with account("okx", tmp_path) as okx:
        book(okx, name)
        okx.answer("GET /api/v5/trade/fills-history", ok(okx.cases["fill"]))
        found = await okx.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.post_only) == (state, kind, name == "post_only")
        assert sum(fill.quantity for fill in found.fills) == found.filled
        assert all(fill.fee_currency == "BTC" for fill in found.fills)


SLEEPERS = [
    ("stop", VenueOrderState.WORKING, OrderType.STOP, None, Decimal(45000)),
    ("stop_limit", VenueOrderState.WORKING, OrderType.STOP_LIMIT, Decimal(44900), Decimal(45000)),
    ("take_profit", VenueOrderState.WORKING, OrderType.TAKE_PROFIT, None, Decimal(60000)),
    ("take_profit_limit", VenueOrderState.WORKING, OrderType.TAKE_PROFIT_LIMIT, Decimal(59900), Decimal(60000)),
    ("trailing", VenueOrderState.WORKING, OrderType.TRAILING_STOP, None, Decimal(47500)),
    ("stop_cancelled", VenueOrderState.CANCELLED, OrderType.STOP, None, Decimal(45000)),
    ("stop_failed", VenueOrderState.REJECTED, OrderType.STOP, None, Decimal(45000)),
]


@pytest.mark.parametrize(("name", "state", "kind", "limit", "stop"), SLEEPERS, ids=[case[0] for case in SLEEPERS])
async def test_algo_orders_are_read(
    name: str, state: VenueOrderState, kind: OrderType, limit: Decimal | None, stop: Decimal, tmp_path: Path
) -> None:
    async with account("okx", tmp_path) as okx:
        asleep(okx, name)
        found = await okx.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.limit_price, found.stop_price) == (state, kind, limit, stop)
        assert (found.client_order_id, found.venue_order_id) == (OURS, ALGO_ID)
        assert found.trail_percent == (5 if name == "trailing" else None)


async def test_an_algo_order_that_woke_is_what_it_became(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        asleep(okx, "stop_woken")
        okx.answer("GET /api/v5/trade/order", [MISSING, ok(okx.cases["child"])])
        okx.answer("GET /api/v5/trade/fills-history", ok(okx.cases["fill_child"]))
        found = await okx.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.type, found.stop_price) == (VenueOrderState.FILLED, OrderType.STOP, Decimal(45000))
        (fill,) = found.fills  # asked for by the id of what it became: that of the algo order has none
        assert (found.venue_order_id, fill.venue_order_id, fill.client_order_id) == (CHILD_ID, CHILD_ID, OURS)
        assert okx.venue.said("GET /api/v5/trade/fills-history")[-1]["ordId"] == CHILD_ID


async def test_one_that_woke_just_now_and_is_not_to_be_seen_yet_is_not_cancelled(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        now = okx.broker._time_there()
        for hours, is_seen in ((1, False), (3, True)):  # what was never filled is forgotten after two hours
            woke = str(milliseconds(now - timedelta(hours=hours)))
            okx.answer("GET /api/v5/trade/order-algo", ok({**okx.cases["stop_woken"], "triggerTime": woke}))
            book(okx)
            if is_seen:
                found = await okx.broker.find_order(OURS)
                assert found is not None
                assert found.state is VenueOrderState.CANCELLED
            else:
                with pytest.raises(Unavailable, match="not to be seen yet"):
                    await okx.broker.find_order(OURS)


async def test_one_that_woke_and_is_not_in_the_book_yet_is_not_filled(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        woken = {**okx.cases["stop_woken"], "ordIdList": [], "ordId": ""}
        book(okx)
        okx.answer("GET /api/v5/trade/order-algo", ok(woken))
        found = await okx.broker.find_order(OURS)
        assert found is not None
        assert (found.state, found.filled) == (VenueOrderState.WORKING, 0)


async def test_one_that_wakes_while_the_lists_are_read_is_listed_once(tmp_path: Path) -> None:
    """Asleep in the list that is asked first, and in the book that is asked last: as what it has become."""
    async with account("okx", tmp_path) as okx:
        algo = okx.cases["stop"]
        okx.answer("GET /api/v5/trade/orders-algo-pending", [ok(algo), ok(), ok(), ok()])
        child = {**okx.cases["child"], "algoId": algo["algoId"], "state": "live", "accFillSz": "0"}
        okx.answer("GET /api/v5/trade/orders-pending", ok(child))
        okx.answer("GET /api/v5/trade/order-algo", ok(okx.cases["stop_woken"]))
        (report,) = await okx.broker.get_open_orders()
        assert (report.client_order_id, report.venue_order_id) == (OURS, child["ordId"])
        assert (report.type, report.state) == (OrderType.STOP, VenueOrderState.WORKING)


async def test_open_orders_are_listed_from_each_kind_of_algo_and_the_book(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        okx.answer("GET /api/v5/trade/orders-pending", ok(okx.cases["working"]))
        first = {**okx.cases["stop"], "algoClOrdId": "second", "algoId": "2"}
        last = {**okx.cases["trailing"], "algoClOrdId": "third", "algoId": "3"}
        okx.answer("GET /api/v5/trade/orders-algo-pending", [ok(first), ok(), ok(), ok(last)])
        asked: list[Any] = []
        before = len(okx.venue.asked)
        reports = await okx.broker.get_open_orders()
        asked = [each.said.get("ordType") for each in okx.venue.asked[before:]]
        assert asked == ["conditional", "oco", "trigger", "move_order_stop", None]
        assert {report.client_order_id for report in reports} == {OURS, "second", "third"}


async def test_executions_name_their_orders(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        rows = [okx.cases[name] for name in ("fill", "fill_sell", "fill_rebate", "fill_child")]
        okx.answer("GET /api/v5/trade/fills-history", ok(*rows))
        book(okx, "child")
        fills = await okx.broker.get_fills(NOW)
        assert [fill.fee for fill in fills] == [Decimal("0.00001"), Decimal("0.5"), Decimal("-0.05"), Decimal("0.44")]
        assert {fill.client_order_id for fill in fills} == {OURS}


async def test_executions_of_swaps_cost_what_they_are_margined_with(tmp_path: Path) -> None:
    async with swap(tmp_path) as okx:
        row = {**okx.cases["fill"], "instId": "BTC-USDT-SWAP", "instType": "SWAP", "feeCcy": "USDT", "fee": "-0.25"}
        okx.answer("GET /api/v5/trade/fills-history", ok(row))
        (fill,) = await okx.broker.get_fills(NOW)
        assert (fill.symbol, fill.fee, fill.fee_currency) == ("BTC/USDT:USDT", Decimal("0.25"), "USDT")


async def test_older_pages_are_asked_for(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        base = okx.cases["fill"]
        newest, at = [], 1780315400000
        for number in range(101):
            stamp = str(at - number * 10)
            newest.append({**base, "tradeId": str(5000 - number), "ts": stamp, "fillTime": stamp})
        okx.answer("GET /api/v5/trade/fills-history", [ok(*newest[:100]), ok(*newest[99:])])
        fills = await okx.broker.get_fills(NOW)
        assert len(fills) == 101
        assert okx.venue.said("GET /api/v5/trade/fills-history")[-1]["end"] == str(at - 990 + 1)


async def test_cancelling_in_both_worlds(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        where = {"instId": "BTC-USDT"}
        await okx.sent()
        book(okx, "cancelled")
        asked = await okx.asked(okx.broker.cancel_order(OURS))
        assert asked[0] == ("POST /api/v5/trade/cancel-order", {**where, "clOrdId": OURS})
        await okx.sent(**STOP)
        asleep(okx, "stop_cancelled")
        asked = await okx.asked(okx.broker.cancel_order(OURS))
        assert asked[0] == ("POST /api/v5/trade/cancel-algos", [{**where, "algoClOrdId": OURS}])


async def test_cancelling_what_woke_in_the_meantime(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        asleep(okx, "stop_woken")
        child = {**okx.cases["child"], "state": "live", "accFillSz": "0"}
        okx.answer("GET /api/v5/trade/order", [MISSING, ok(child)])
        await okx.broker.find_order(OURS)
        gone = {"code": "1", "msg": "", "data": [{"algoId": "", "sCode": "51400", "sMsg": "Cancellation failed"}]}
        okx.answer("POST /api/v5/trade/cancel-algos", gone)
        asked = await okx.asked(okx.broker.cancel_order(OURS))
        assert asked[1] == ("POST /api/v5/trade/cancel-order", {"instId": "BTC-USDT", "ordId": CHILD_ID})


async def test_changing_in_place_but_not_what_sleeps(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        book(okx, "working")
        change = okx.broker.modify_order(OURS, quantity=Decimal("0.03"), limit_price=Decimal(50100))
        amended = {"instId": "BTC-USDT", "clOrdId": OURS, "newSz": "0.03", "newPx": "50100"}
        assert ("POST /api/v5/trade/amend-order", amended) in await okx.asked(change)
        okx.broker._connected().known.forget(OURS)
        asleep(okx, "stop")
        with pytest.raises(NotSupported):
            await okx.broker.modify_order(OURS, stop_price=Decimal(44000))


async def test_the_account_counts_cash_and_not_what_positions_have_gained(tmp_path: Path) -> None:
    async with account("okx", tmp_path) as okx:
        info = await okx.broker.get_account_info()
        assert (info.balances["USDT"].total, info.balances["USDT"].locked) == (Decimal("2000.5"), Decimal("1000.5"))
        assert info.positions["BTC/USDT"].quantity == Decimal("1.2435")
    async with swap(tmp_path) as okx:
        info = await okx.broker.get_account_info()
        assert info.balances["USDT"].total == Decimal("2000.5")
        assert info.positions["BTC/USDT:USDT"].quantity == -50


async def test_the_timer_is_set_when_we_come_and_ended_when_we_go(tmp_path: Path) -> None:
    async with account("okx", tmp_path, dead_man_seconds=60) as okx:
        await okx.broker.disconnect()
        assert okx.venue.said("POST /api/v5/trade/cancel-all-after") == [{"timeOut": 60}, {"timeOut": 0}]
    for seconds in (5, 121):
        with pytest.raises(ConfigurationError, match="dead_man_seconds"):
            async with account("okx", tmp_path, dead_man_seconds=seconds):
                pass


async def test_the_demo_is_a_header(tmp_path: Path) -> None:
    for mode, header in (("live", None), ("demo", "1")):
        for made in (account("okx", tmp_path, mode=mode), swap(tmp_path, mode=mode)):
            async with made as okx:
                await okx.sent()
                asked = okx.venue.changes()[-1]
                assert (asked.host, asked.headers.get("x-simulated-trading")) == ("www.okx.com", header)


@pytest.mark.parametrize(("word", "value"), [("posMode", "long_short_mode"), ("acctLv", "1")])
async def test_an_account_that_swaps_do_not_fit_is_refused(word: str, value: str, tmp_path: Path) -> None:
    told = documented("okx")["answers"]["GET /api/v5/account/config"]["data"][0]
    with pytest.raises(ConfigurationError, match="this account at OKX"):
        async with swap(tmp_path, answers={"GET /api/v5/account/config": ok({**told, word: value})}):
            pass


ERRORS = [
    ("51008", Rejected, "INSUFFICIENT_FUNDS"),
    ("51020", Rejected, "MIN_NOTIONAL"),
    ("51121", Rejected, "LOT_SIZE"),
    ("51006", Rejected, "PRICE_FILTER"),
    ("51280", Rejected, "WOULD_TRIGGER"),
    ("51205", Rejected, "REDUCE_ONLY"),
    ("51022", Rejected, "MARKET_CLOSED"),
    ("50111", Rejected, "KEY_REFUSED"),
    ("50110", Rejected, "NO_PERMISSION"),
    ("50011", Unavailable, ""),
    ("50061", Unavailable, ""),
    ("50102", Unavailable, ""),
    ("50004", Uncertain, ""),
    ("50013", Uncertain, ""),
    ("51149", Uncertain, ""),
    ("59999", Uncertain, ""),
]


@pytest.mark.parametrize("inner", [True, False], ids=["of the order", "of the request"])
@pytest.mark.parametrize(("code", "error", "word"), ERRORS, ids=[case[0] for case in ERRORS])
async def test_what_an_error_means_for_an_order(
    code: str, error: type[Exception], word: str, inner: bool, tmp_path: Path
) -> None:
    told = {"code": code, "msg": "said", "data": []}
    if inner:
        told = {"code": "1", "msg": "All operations failed", "data": [{"ordId": "", "sCode": code, "sMsg": "said"}]}
    async with account("okx", tmp_path, answers={ORDER: told}) as okx:
        with pytest.raises(error) as raised:
            await okx.broker.place_order(okx.order())
        assert type(raised.value) is error
        assert getattr(raised.value, "code", "") == word
