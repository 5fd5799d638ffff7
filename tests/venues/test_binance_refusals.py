"""Every error of the reference's table, from the server through unmodified ccxt: which class it becomes, and what is true."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.venues.binance.app import BinanceServer
from tests.venues.binance.limits import Window
from tests.venues.conftest import Connect

SYMBOL = "BTC/USDT"
PLACE, FIND, CANCEL = "POST /api/v3/order", "GET /api/v3/order", "DELETE /api/v3/order"


async def buy(exchange: Any, amount: float = 0.01, price: float | None = None, **params: Any) -> Any:
    """A market order, or one with a limit."""
    return await exchange.create_order(SYMBOL, "limit" if price else "market", "buy", amount, price, params)


# --- what the venue itself refuses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        ({"quantity": "0.000001"}, ccxt.InvalidOrder, "LOT_SIZE"),
        ({"quantity": "0.000015"}, ccxt.InvalidOrder, "LOT_SIZE"),
        ({"quantity": "9001"}, ccxt.InvalidOrder, "LOT_SIZE"),
        ({"price": "49000.001"}, ccxt.InvalidOrder, "PRICE_FILTER"),
        ({"price": "0.001"}, ccxt.InvalidOrder, "PRICE_FILTER"),
        ({"price": "9000"}, ccxt.InvalidOrder, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "250001"}, ccxt.InvalidOrder, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.00010", "price": "49000"}, ccxt.BadRequest, "NOTIONAL"),
        ({"quantity": "0.0100000001"}, ccxt.BadRequest, "-1111"),
        ({"price": "49000.0000000001"}, ccxt.BadRequest, "-1111"),
        ({"price": ""}, ccxt.BadRequest, "-1102"),
        ({"price": "4e4"}, ccxt.BadRequest, "-1100"),
        ({"timeInForce": ""}, ccxt.BadRequest, "-1102"),
        ({"timeInForce": "DAY"}, ccxt.BadRequest, "-1115"),
        ({"type": "ICEBERG"}, ccxt.BadRequest, "-1116"),
        ({"side": "SHORT"}, ccxt.BadRequest, "-1117"),
        ({"symbol": "BTCUSD"}, ccxt.BadSymbol, "-1121"),
        ({"newClientOrderId": "a" * 37}, ccxt.BadRequest, "-1100"),
        ({"quantity": "3"}, ccxt.InsufficientFunds, "insufficient balance"),
        ({"quantity": "1", "side": "SELL", "price": "50000.01", "newClientOrderId": "x"}, None, ""),
    ],
)
async def test_orders_that_break_a_rule_are_refused_in_binances_words(
    venue: BinanceServer, binance: Any, request_: dict[str, str], error: type[Exception] | None, says: str
) -> None:
    """Nothing is accepted but the last, which breaks none."""
    usual = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "49000",
        "newClientOrderId": "rule",
    }
    if error is None:
        await binance.private_post_order({**usual, **request_})
        assert len(venue.journal.accepted()) == 1
        return
    with pytest.raises(error) as refused:
        await binance.private_post_order({**usual, **request_})
    assert type(refused.value) is error
    assert says in str(refused.value)
    assert venue.journal.accepted() == []


async def test_too_many_orders(venue: BinanceServer, binance: Any) -> None:
    """Five conditional ones, two hundred in all."""
    for _ in range(5):
        await binance.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": 49000})
    with pytest.raises(ccxt.BadRequest, match="MAX_NUM_ALGO_ORDERS"):
        await binance.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": 49000})
    venue.limits.of("api").orders_10s.limit = 1000
    for _ in range(195):
        await buy(binance, 0.001, 20000)
    with pytest.raises(ccxt.BadRequest, match="MAX_NUM_ORDERS"):
        await buy(binance, 0.001, 20000)


async def test_a_client_id_is_free_again_once_its_order_is_over(venue: BinanceServer, binance: Any) -> None:
    """Documented, and dangerous: a blind second send of a filled market order doubles it."""
    await buy(binance, 0.01, 49000, clientOrderId="twice")
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        await buy(binance, 0.01, 48000, clientOrderId="twice")
    await buy(binance, 0.01, clientOrderId="again")
    await buy(binance, 0.01, clientOrderId="again")
    assert len(venue.journal.executions("again")) == 2
    newest = await binance.fetch_order(None, SYMBOL, {"clientOrderId": "again"})
    assert newest["id"] == str(venue.journal.executions("again")[-1]["order_id"])


async def test_cancels_and_queries_of_what_is_not_there(binance: Any) -> None:
    """-2011 and -2013."""
    with pytest.raises(ccxt.OrderNotFound, match="Unknown order sent"):
        await binance.cancel_order("42", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound, match="Order does not exist"):
        await binance.fetch_order("42", SYMBOL)


# --- keys, signatures, time --------------------------------------------------------------------------


async def test_a_wrong_signature(connect: Connect, venue: BinanceServer) -> None:
    """-1022: another secret signs something else."""
    exchange = await connect()
    exchange.secret = "f" * 64
    with pytest.raises(ccxt.AuthenticationError, match="-1022"):
        await buy(exchange)
    assert venue.journal.accepted() == []


async def test_no_key_of_any_kind(connect: Connect) -> None:
    """-2014: this is no key."""
    exchange = await connect()
    exchange.apiKey = "nonsense"
    with pytest.raises(ccxt.AuthenticationError, match="-2014"):
        await exchange.fetch_balance()


async def test_a_key_of_another_mode_is_refused(connect: Connect, venue: BinanceServer) -> None:
    """-2015, and looks like rate limiting once something has worked before: ccxt's own trap."""
    exchange = await connect("testnet")
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await exchange.fetch_balance()
    exchange.apiKey, exchange.secret = venue.key.api_key, venue.key.secret
    await exchange.fetch_balance()
    venue.script.plan("GET /api/v3/account", "code_2015")
    with pytest.raises(ccxt.DDoSProtection, match="-2015"):
        await exchange.fetch_balance()


async def test_a_testnet_key_works_on_the_testnet_and_a_demo_key_in_the_demo(connect: Connect) -> None:
    """The same server under the names that ccxt uses in those modes."""
    for mode, enter in (("testnet", "set_sandbox_mode"), ("demo", "enable_demo_trading")):
        exchange = await connect(mode, load=False)
        getattr(exchange, enter)(True)
        await exchange.load_markets()
        assert (await buy(exchange))["status"] == "closed"


async def test_what_a_key_may_not_do(connect: Connect, venue: BinanceServer) -> None:
    """A key that may only read cannot trade, and no usual key can withdraw."""
    reader = await connect(venue.keys.add("live", frozenset({"read"})))
    await reader.fetch_balance()
    with pytest.raises(ccxt.BaseError, match="-2015"):
        await buy(reader)
    with pytest.raises(ccxt.BaseError, match="-2015"):
        await (await connect()).withdraw("BTC", 0.1, "address")
    assert venue.journal.all("withdrawal") == []


async def test_the_page_of_a_keys_rights(connect: Connect, venue: BinanceServer) -> None:
    """Withdrawal and the list of addresses show."""
    rich = await connect(venue.keys.add("live", frozenset({"read", "spot", "withdraw"}), is_restricted=False))
    rights = await rich.sapi_get_account_apirestrictions()
    names = ("ipRestrict", "enableReading", "enableWithdrawals", "enableSpotAndMarginTrading", "enableFutures")
    assert [rights[name] for name in names] == [False, True, True, True, False]


@pytest.mark.parametrize("offset", [11_000, -2_000])
async def test_clocks_that_differ(venue: BinanceServer, binance: Any, offset: int) -> None:
    """-1021 for what is too old (ccxt asks for ten seconds) or a second ahead; ccxt's own correction of the difference helps."""
    venue.clock.offset_ms = offset
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        await buy(binance)
    await binance.load_time_difference()
    binance.options["adjustForTimeDifference"] = True
    assert (await buy(binance))["status"] == "closed"
    assert len(venue.journal.accepted()) == 1


async def test_a_window_longer_than_a_minute_is_refused(binance: Any) -> None:
    """-1131."""
    with pytest.raises(ccxt.BadRequest, match="-1131"):
        await binance.fetch_balance({"recvWindow": 60_001})


# --- limits ------------------------------------------------------------------------------------------


async def test_the_weight_of_every_request_is_told(venue: BinanceServer, binance: Any) -> None:
    """And the count of orders with every new one."""
    await buy(binance)
    headers = binance.last_response_headers
    before = int(headers["X-MBX-USED-WEIGHT-1M"])
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1D"]) == ("1", "1")
    await binance.fetch_balance()
    assert int(binance.last_response_headers["X-MBX-USED-WEIGHT-1M"]) in {before + 20, 20}  # 20: a minute began
    assert "X-MBX-ORDER-COUNT-10S" not in binance.last_response_headers


async def test_too_much_weight_is_429_and_who_goes_on_is_banned(venue: BinanceServer, binance: Any) -> None:
    """With Retry-After, which counts for everything that is asked; a 429 that is ignored becomes a 418."""
    venue.limits.patience = 3
    venue.limits.of("api").weight.limit = 10
    with pytest.raises(ccxt.DDoSProtection, match="429"):
        await binance.fetch_balance()
    assert 0 < int(binance.last_response_headers["Retry-After"]) <= 60
    venue.limits.of("api").weight.limit = 6000
    for status in ("429", "429", "429", "418"):
        with pytest.raises(ccxt.DDoSProtection, match=status):
            await binance.fetch_time()
    with pytest.raises(ccxt.DDoSProtection, match="IP banned until"):
        await buy(binance)
    assert 100 < int(binance.last_response_headers["Retry-After"]) <= 120
    assert venue.journal.accepted() == []


@pytest.mark.parametrize(("fault", "status"), [("limit_429", "429"), ("ban_418", "418")])
async def test_a_planned_ban_lasts_as_long_as_it_says(
    venue: BinanceServer, binance: Any, fault: str, status: str
) -> None:
    """By the venue's clock."""
    venue.script.plan("GET /api/v3/account", fault, retry_after=30)
    for _ in range(2):
        with pytest.raises(ccxt.DDoSProtection, match=status):
            await binance.fetch_balance()
    venue.clock.offset_ms += 31_000
    await binance.fetch_ticker(SYMBOL)


async def test_too_many_new_orders(venue: BinanceServer, binance: Any) -> None:
    """-1015 with 429, when the ten seconds' orders are used up."""
    venue.limits.of("api").orders_10s = Window(10_000, 0)
    with pytest.raises(ccxt.DDoSProtection, match="-1015"):
        await buy(binance)
    assert int(binance.last_response_headers["Retry-After"]) <= 10
    await binance.fetch_balance()
    assert venue.journal.accepted() == []


# --- faults that are a definite no -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("http_503_unavailable", ccxt.ExchangeNotAvailable, "Service Unavailable."),
        ("http_503_internal", ccxt.OperationFailed, "Internal error; unable to process your request"),
        ("http_403_waf", ccxt.ExchangeNotAvailable, "403"),
        ("code_1008", ccxt.OperationFailed, "-1008"),
        ("code_1021", ccxt.InvalidNonce, "-1021"),
        ("code_1022", ccxt.AuthenticationError, "-1022"),
        ("code_1015", ccxt.DDoSProtection, "-1015"),
        ("code_2015", ccxt.AuthenticationError, "-2015"),
    ],
)
async def test_what_is_refused_before_it_is_accepted(
    venue: BinanceServer, binance: Any, fault: str, error: type[Exception], says: str
) -> None:
    """Nothing has happened at the venue, and the next order goes through."""
    venue.script.plan(PLACE, fault)
    with pytest.raises(error, match=says) as refused:
        await buy(binance)
    assert type(refused.value) is error
    assert venue.journal.accepted() == []
    assert (await buy(binance))["status"] == "closed"


async def test_any_other_error_can_be_planned(venue: BinanceServer, binance: Any) -> None:
    """A code and text of one's own, for the request with certain parameters only."""
    venue.script.plan(
        PLACE, "error", match={"side": "BUY"}, code=-2010, msg="This symbol is restricted for this account."
    )
    assert (await binance.create_order(SYMBOL, "market", "sell", 0.01))["status"] == "closed"
    with pytest.raises(ccxt.BaseError, match="restricted for this account"):
        await buy(binance)
    with pytest.raises(ValueError, match="no fault 'nonsense'"):
        venue.script.plan(PLACE, "nonsense")
