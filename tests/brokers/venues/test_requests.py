"""Every question that we ask a venue, word for word; orders, cancels and changes are in the tests of each venue."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.broker import CcxtBroker
from brokers.errors import BrokerError
from brokers.order import OrderType, TimeInForce
from tests.brokers.venues import test_bybit, test_coinbase, test_kraken, test_kucoin, test_okx
from tests.brokers.venues.rig import NOW, Account, account, documented
from tests.evidence.accounts import accounts

Asked = list[tuple[str, dict[str, Any]]]


def get(path: str, **said: Any) -> tuple[str, dict[str, Any]]:
    return f"GET {path}", said


def post(path: str, **said: Any) -> tuple[str, dict[str, Any]]:
    return f"POST {path}", said


V5, CB, KU, OK = "/v5", "/api/v3/brokerage", "/api/v1", "/api/v5"


def bybit(category: str) -> dict[str, Asked]:
    one = {"symbol": "BTCUSDT", "category": category}
    all_ = {"category": category, "limit": "50"} | ({"settleCoin": "USDT"} if category == "linear" else {})
    kinds = ("Trade", "BustTrade", "AdlTrade") if category == "linear" else ("Trade",)
    quote = get(f"{V5}/market/tickers", **one)
    positions = get(f"{V5}/position/list", settleCoin="USDT", limit="200", category=category)
    return {
        "rights": [get(f"{V5}/user/query-api")],
        "quote": [quote],
        "book": [get(f"{V5}/market/orderbook", **one, limit="5")],
        "bars": [get(f"{V5}/market/kline", **one, start="1780099200000", limit="2", interval="D")],
        "account": [
            get(f"{V5}/account/wallet-balance", accountType="UNIFIED"),
            positions if category == "linear" else quote,
            get(f"{V5}/order/realtime", **all_),
        ],
        "open": [get(f"{V5}/order/realtime", **all_)],
        "closed": [get(f"{V5}/order/history", **one, limit="50", startTime="1780228800000")],
        "fills": [
            get(f"{V5}/execution/list", **one, execType=kind, limit="100", startTime="1780315200000") for kind in kinds
        ],
        "fills of an order": [get(f"{V5}/execution/list", **one, execType="Trade", limit="100", orderId="ID")],
        "whose a fill is": [],  # every execution says it
    }


def okx(kind: str, name: str) -> dict[str, Asked]:
    one, all_ = {"instId": name}, {"limit": "100", "instType": kind}
    pending = [
        *(
            get(f"{OK}/trade/orders-algo-pending", **all_, ordType=each)
            for each in ("conditional", "oco", "trigger", "move_order_stop")
        ),
        get(f"{OK}/trade/orders-pending", **all_),
    ]
    history = {**one, **all_, "begin": "1780228800000"}
    algos = {**one, **all_, "state": "canceled"}
    account = [get(f"{OK}/account/balance")]
    account += [get(f"{OK}/account/positions")] if kind == "SWAP" else [get(f"{OK}/market/ticker", **one)]
    return {
        "rights": [get(f"{OK}/account/config")],
        "quote": [get(f"{OK}/market/ticker", **one)],
        "book": [get(f"{OK}/market/books", **one, sz="5")],
        "bars": [
            get(f"{OK}/market/candles", **one, bar="1Dutc", limit="2", before="1780099199999", after="1780272000000")
        ],
        "account": [*account, *pending],
        "open": pending,
        "closed": [
            get(f"{OK}/trade/orders-history", **history, state="filled"),
            get(f"{OK}/trade/orders-history", **history, state="canceled"),
            get(f"{OK}/trade/orders-algo-history", **algos, ordType="conditional"),
            get(f"{OK}/trade/orders-algo-history", **algos, ordType="move_order_stop"),
        ],
        "fills": [get(f"{OK}/trade/fills-history", **one, begin="1780315200000", instType=kind)],
        "fills of an order": [get(f"{OK}/trade/fills-history", **one, **all_, ordId="ID")],
        "whose a fill is": [get(f"{OK}/trade/order", **one, ordId="ID")],
    }


COINBASE_OPEN = [
    get(f"{CB}/orders/historical/batch", limit="250", order_status=state)
    for state in ("OPEN", "PENDING", "QUEUED", "CANCEL_QUEUED")
]
COINBASE: dict[str, Asked] = {
    "rights": [get(f"{CB}/key_permissions")],
    "quote": [get(f"{CB}/market/products/BTC-USDT/ticker", limit="1")],
    "book": [get(f"{CB}/market/product_book", product_id="BTC-USDT", limit="5")],
    "bars": [
        get(f"{CB}/market/products/BTC-USDT/candles", granularity="ONE_DAY", start="1780099200", end="1780272000")
    ],
    "account": [
        get(f"{CB}/accounts", limit="250"),
        get(f"{CB}/market/products/BTC-USDT/ticker", limit="1"),
        *COINBASE_OPEN,
    ],
    "open": COINBASE_OPEN,
    "closed": [
        get(f"{CB}/orders/historical/batch", product_id="BTC-USDT", limit="100", start_date="2026-05-31T12:00:00.000Z")
    ],
    "fills": [
        get(
            f"{CB}/orders/historical/fills",
            product_id="BTC-USDT",
            limit="100",
            start_sequence_timestamp="2026-06-01T12:00:00.000Z",
        )
    ],
    "fills of an order": [get(f"{CB}/orders/historical/fills", product_id="BTC-USDT", limit="100", order_ids="ID")],
    "whose a fill is": [get(f"{CB}/orders/historical/ID")],
}
KRAKEN_OPEN = post("/0/private/OpenOrders", trades="true")
KRAKEN: dict[str, Asked] = {
    "rights": [post("/0/private/GetApiKeyInfo")],
    "quote": [get("/0/public/Ticker", pair="XBTUSDT")],
    "book": [get("/0/public/Depth", pair="XBTUSDT", count="5")],
    "bars": [get("/0/public/OHLC", pair="XBTUSDT", interval="1440", since="1780012800")],
    "account": [post("/0/private/BalanceEx"), get("/0/public/Ticker", pair="XBTUSDT"), KRAKEN_OPEN],
    "open": [KRAKEN_OPEN],
    "closed": [post("/0/private/ClosedOrders", trades="true", start="1780228800", closetime="close")],
    "fills": [post("/0/private/TradesHistory", start="1780315199")],
    "fills of an order": [post("/0/private/QueryTrades", txid="T1")],
    "whose a fill is": [post("/0/private/QueryOrders", trades="True", txid="ID")],
}
KUCOIN_OPEN = [
    get(f"{KU}/stop-order", tradeType="TRADE", status="active", pageSize="500"),
    get(f"{KU}/hf/orders/active", symbol="BTC-USDT", tradeType="TRADE", status="active"),
]
KUCOIN: dict[str, Asked] = {
    "rights": [get(f"{KU}/user/api-key")],
    "quote": [get(f"{KU}/market/stats", symbol="BTC-USDT")],
    "book": [get(f"{KU}/market/orderbook/level2_20", symbol="BTC-USDT")],
    "bars": [get(f"{KU}/market/candles", symbol="BTC-USDT", type="1day", startAt="1780099200", endAt="1780272000")],
    "account": [get(f"{KU}/accounts", type="trade_hf"), get(f"{KU}/market/stats", symbol="BTC-USDT"), *KUCOIN_OPEN],
    "open": KUCOIN_OPEN,
    "closed": [
        get(
            f"{KU}/hf/orders/done",
            symbol="BTC-USDT",
            tradeType="TRADE",
            status="done",
            startAt="1780228800000",
            limit="100",
        )
    ],
    "fills": [get(f"{KU}/hf/fills", symbol="BTC-USDT", limit="100", startAt="1780315200000")],
    "fills of an order": [get(f"{KU}/hf/fills", symbol="BTC-USDT", limit="100", orderId="ID")],
    "whose a fill is": [get(f"{KU}/hf/orders/ID", symbol="BTC-USDT")],
}
QUESTIONS: dict[str, dict[str, Asked]] = {
    "bybit spot": bybit("spot"),
    "bybit linear": bybit("linear"),
    "coinbase": COINBASE,
    "kraken": KRAKEN,
    "kucoin": KUCOIN,
    "okx spot": okx("SPOT", "BTC-USDT"),
    "okx swap": okx("SWAP", "BTC-USDT-SWAP"),
}
DERIVATIVES = {"linear": test_bybit.linear, "swap": test_okx.swap}


@asynccontextmanager
async def at(key: str, folder: Path, **more: Any) -> AsyncIterator[Account]:
    """An account of this kind."""
    venue, _, market = key.partition(" ")
    made = DERIVATIVES[market](folder, **more) if market in DERIVATIVES else account(venue, folder, **more)
    async with made as here:
        yield here


def questions(here: Account) -> dict[str, Callable[[], Awaitable[object]]]:
    """What the program asks, by its name here."""
    broker, dialect, symbol = here.broker, here.dialect, here.instrument.symbol
    inquiry = broker._connected().lookup.inquiry
    order = {"id": "ID", "symbol": symbol, "trades": [{"id": "T1"}]}
    return {
        "rights": broker.inspect,
        "quote": lambda: broker.get_quote(symbol),
        "book": lambda: broker.get_orderbook(symbol, 5),
        "bars": lambda: broker.get_bars(symbol, until=NOW, count=2),
        "account": broker.get_account_info,
        "open": broker.get_open_orders,
        "closed": lambda: broker.get_closed_orders(NOW),
        "fills": lambda: broker.get_fills(NOW),
        "fills of an order": lambda: inquiry.ask(dialect.fills_of_order_call(order)),
        "whose a fill is": lambda: dialect.name_fill(inquiry, symbol, "ID"),
    }


def _place(asked: tuple[str, dict[str, Any]]) -> tuple[str, list[tuple[str, Any]]]:
    return asked[0], sorted(asked[1].items())


@pytest.mark.parametrize("key", QUESTIONS)
async def test_every_question_in_the_venues_words(key: str, tmp_path: Path) -> None:
    """Method, path, and all that is said; of questions that are asked together the order does not matter."""
    async with at(key, tmp_path) as here:
        for name, ask in questions(here).items():
            before = len(here.venue.asked)
            try:
                await ask()
            except BrokerError:
                assert name == "whose a fill is"  # nobody has an order of that id
            asked = [(each.line, each.said) for each in here.venue.asked[before:]]
            expected = QUESTIONS[key][name]
            if name == "account":
                asked, expected = sorted(asked, key=_place), sorted(expected, key=_place)
            assert (name, asked) == (name, expected)


PLACED: dict[str, list[tuple[Any, ...]]] = {
    "bybit spot": [*test_bybit.PLAIN, ({"kind": OrderType.MARKET},)],
    "bybit linear": [*test_bybit.PLAIN, *test_bybit.CONDITIONAL],
    "coinbase": [*test_coinbase.PLACED],
    "kraken": [*test_kraken.PLACED],
    "kucoin": [*test_kucoin.PLACED],
    "okx spot": [*test_okx.PLAIN, *test_okx.ALGOS, *test_okx.OF_SPOT],
    "okx swap": [*test_okx.PLAIN, *test_okx.ALGOS, *test_okx.OF_SWAPS],
}
"""The orders whose words each venue's own test has."""


@pytest.mark.parametrize("key", PLACED)
def test_every_kind_of_order_that_is_offered_has_its_words_in_a_test(key: str) -> None:
    """Each type, time in force and flag."""
    (offered,) = [each for each in accounts() if each.key == key]
    said = [terms[0] for terms in PLACED[key]]
    kinds = {terms.get("kind", OrderType.LIMIT) for terms in said}
    assert kinds == offered.can.order_types
    times = {terms["tif"] for terms in said if "tif" in terms} | {TimeInForce.GTC}
    assert times == offered.can.times_in_force
    flags = {name for terms in said for name in ("post_only", "reduce_only") if terms.get(name)}
    assert flags == {name for name in ("post_only", "reduce_only") if getattr(offered.can, name)}
    trails = {name for terms in said for name in ("trail", "trail_percent") if name in terms}
    takes = {name for name in ("trail", "trail_percent") if offered.takes(OrderType.TRAILING_STOP, **{name: 1})}
    assert trails == takes


def test_nothing_is_called_that_no_test_asks_for() -> None:
    """Every method of ccxt that an adapter names is one of these; a new one needs its words in a test."""
    tested = {
        "create_order", "cancel_order", "edit_order", "fetch_order", "fetch_orders", "fetch_open_orders",
        "fetch_closed_orders", "fetch_canceled_orders", "fetch_canceled_and_closed_orders", "fetch_my_trades",
        "fetch_order_trades", "cancel_all_orders_after", "private_post_hf_orders_dead_cancel_all",
        "private_get_v5_user_query_api", "private_get_account_config", "private_get_account_balance", "private_get_hf_accounts_opened",
        "utaprivate_get_account_mode", "subscribe",
    }  # fmt: skip
    called = set()
    for venue in ("bybit", "coinbase", "kraken", "kucoin", "okx"):
        adapters = Path(__file__).parents[3] / "brokers" / "adapters"
        for file in (*adapters.glob(f"{venue}.py"), *adapters.glob(f"{venue}/*.py")):
            called |= set(re.findall(r'\bCall\(\s*"(\w+)"', file.read_text(encoding="utf-8")))
    assert called == tested


def test_every_account_of_these_venues_is_here() -> None:
    """A new market must be asked for, too."""
    keys = {each.key for each in accounts() if isinstance(each.broker, CcxtBroker) and each.adapter != "binance"}
    assert keys == set(QUESTIONS) == set(PLACED)
    assert {key.partition(" ")[0] for key in keys} == {
        path.stem for path in (Path(__file__).parent / "data").glob("*.json")
    }
    assert all(documented(key.partition(" ")[0])["provenance"][0].startswith("documented") for key in keys)
