"""The reference's table of error codes, row by row, over the wire: what each means for an order.

An error class is not an outcome: the code and the text decide, and what they leave open is in doubt.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from ssl import SSLCertVerificationError
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from brokers.ccxt.dialect import Answer
from brokers.errors import OrderNotFound, Unavailable, Uncertain
from brokers.order import OrderType, VenueOrderState
from tests.brokers.ccxt.rig import account
from tests.brokers.ccxt.test_outcomes_on_the_wire import QUERIES, patient, told

LATER, OPEN = "Unavailable", "Uncertain"
BUSY = "Internal error; unable to process your request. Please try again."
# (market, status, code, message, what it means)
PLACING: list[tuple[str, int, int, str, str]] = [
    ("spot", 500, -1006, "An unexpected response was received from the message bus. Execution status unknown.", OPEN),
    ("spot", 504, -1007, "Timeout waiting for response from backend server.", OPEN),
    ("spot", 400, -1007, "Timeout waiting for response from backend server.", OPEN),
    ("spot", 500, -1001, BUSY, OPEN),
    ("spot", 503, -1001, BUSY, OPEN),
    ("usdm", 500, -1001, BUSY, OPEN),
    ("usdm", 503, -1001, BUSY, LATER),
    ("usdm", 503, -1000, "Unknown error, please check your request or try again later.", OPEN),
    ("usdm", 503, -1008, "Request throttled by system-level protection. Reduce-only orders are exempt.", LATER),
    ("spot", 400, -1021, "Timestamp for this request is outside of the recvWindow.", LATER),
    ("usdm", 400, -5028, "Timestamp for this request is outside of the ME recvWindow.", LATER),
    ("spot", 400, -1015, "Too many new orders; current limit is 100 orders per 10 SECOND.", LATER),
    ("spot", 400, -1003, "Too much request weight used.", LATER),
    ("spot", 451, 0, "Service unavailable from a restricted location.", LATER),
    ("spot", 401, -2015, "Invalid API-key, IP, or permissions for action.", "Rejected KEY_REFUSED"),
    ("spot", 400, -1013, "Filter failure: LOT_SIZE", "Rejected LOT_SIZE"),
    ("spot", 400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", "Rejected PRICE_FILTER"),
    ("spot", 400, -1013, "Filter failure: NOTIONAL", "Rejected MIN_NOTIONAL"),
    ("spot", 400, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS", "Rejected TOO_MANY_ORDERS"),
    ("spot", 400, -1111, "Parameter 'price' has too much precision.", "Rejected INVALID_ORDER"),
    ("spot", 400, -1102, "Mandatory parameter 'side' was not sent.", "Rejected INVALID_ORDER"),
    ("spot", 400, -2010, "Account has insufficient balance for requested action.", "Rejected INSUFFICIENT_FUNDS"),
    ("spot", 400, -2010, "Order would immediately match and take.", "Rejected POST_ONLY_WOULD_TAKE"),
    ("spot", 400, -2010, "Stop price would trigger immediately.", "Rejected WOULD_TRIGGER"),
    ("spot", 400, -2010, "This action is disabled on this account.", "Rejected REFUSED"),
    ("spot", 400, -1010, "Account has insufficient balance for requested action.", "Rejected INSUFFICIENT_FUNDS"),
    ("spot", 400, -1014, "Unsupported order combination.", "Rejected INVALID_ORDER"),
    ("spot", 400, -1121, "Invalid symbol.", "Rejected UNKNOWN_SYMBOL"),
    ("spot", 400, -9999, "A code that nobody has written down.", OPEN),
    (
        "usdm",
        400,
        -4120,
        "Order type not supported for this endpoint. Use the Algo Order API.",
        "Rejected INVALID_ORDER",
    ),
    ("usdm", 400, -2019, "Margin is insufficient.", "Rejected INSUFFICIENT_FUNDS"),
    ("usdm", 400, -2021, "Order would immediately trigger.", "Rejected WOULD_TRIGGER"),
    ("usdm", 400, -2022, "ReduceOnly Order is rejected.", "Rejected REDUCE_ONLY"),
    ("usdm", 400, -5022, "The order could not be executed as maker.", "Rejected POST_ONLY_WOULD_TAKE"),
    ("usdm", 400, -5037, "Invalid price match.", "Rejected INVALID_ORDER"),
    ("usdm", 400, -4164, "Order's notional must be no smaller than 100.", "Rejected MIN_NOTIONAL"),
    (
        "usdm",
        400,
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter.",
        "Rejected PRICE_FILTER",
    ),
    ("usdm", 400, -4045, "Reach max stop order limit.", "Rejected TOO_MANY_ORDERS"),
    ("usdm", 400, -4400, "Futures Trading Quantitative Rules violated.", "Rejected NO_PERMISSION"),
    ("usdm", 400, -4061, "Order's position side does not match user's setting.", "Rejected POSITION_MODE"),
    ("usdm", 400, -4111, "A code that ccxt does not know.", "Rejected INVALID_ORDER"),
]


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_every_code_means_what_the_reference_says(tmp_path: Path, market: str) -> None:
    """Of a placement; and nothing is sent twice for any of them."""
    async with account(tmp_path, market) as rig:
        patient(rig)
        limits = rig.broker._client.limits
        assert limits is not None
        limits._common.ban.too_fast = lambda: None  # type: ignore[method-assign]
        for _, status, code, message, meaning in [row for row in PLACING if row[0] == market]:
            rig.venue.script.plan(f"POST {rig.path}", "error", status=status, code=code, msg=message)
            request = rig.request()
            outcome = await told(rig.broker.place_order(request))
            assert (code, message, outcome) == (code, message, meaning)
            assert rig.accepted(request.client_order_id) == 0
        posts = len(rig.venue.journal.requests(f"POST {rig.path}"))
        assert posts == sum(row[0] == market for row in PLACING)


async def test_a_page_of_something_between_is_not_binances_word(tmp_path: Path) -> None:
    """ "503 Service Unavailable" as HTML comes from a proxy, which may have passed the order on."""
    async with account(tmp_path, "usdm") as rig:
        dialect = rig.broker._dialect
        for body, is_open in (("Service Unavailable.", False), ("<h1>503 Service Unavailable</h1>", None)):
            answer = Answer(sent=True, status=503, body=body)
            assert dialect.is_unknown(answer, "", "") is is_open


@pytest.mark.parametrize("market", ["spot", "usdm"])
@pytest.mark.parametrize("shape", ["list_after", "object_after", "word_after", "number_after"])
async def test_an_answer_of_another_shape_is_no_order_and_no_crash(tmp_path: Path, market: str, shape: str) -> None:
    """The order is there; so it is in doubt, and asking finds it. A cancel that is answered so has worked."""
    async with account(tmp_path, market) as rig:
        rig.venue.script.plan(f"POST {rig.path}", shape)
        request = rig.request()
        assert await told(rig.broker.place_order(request)) == OPEN
        found = await rig.find(request.client_order_id)
        assert found is not None
        rig.venue.script.plan(f"DELETE {rig.path}", shape)
        assert await told(rig.broker.cancel_order(request.client_order_id)) in ("done", OPEN)
        found = await rig.find(request.client_order_id)
        assert found is not None
        assert found.state is VenueOrderState.CANCELLED


LISTS = ("open orders", "closed orders", "fills", "account")


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
async def test_an_answer_of_another_shape_is_never_an_empty_list(tmp_path: Path, market: str) -> None:
    """Ccxt makes "no orders" of any object; taking that for true would forget what is open."""
    async with account(tmp_path, market) as rig:
        patient(rig)
        await rig.place()
        wrong = {}
        since = datetime.now(UTC) - timedelta(hours=1)
        for shape in ("object_after", "word_after", "number_after"):
            for name in LISTS:
                rig.venue.script.plan("GET *", shape, times=None)
                if (outcome := await told(QUERIES[name](rig, since))) != "Unavailable":
                    wrong[shape, name] = outcome
                rig.venue.script.clear()
        assert wrong == {}
        assert len(await rig.broker.get_open_orders()) == 1


async def test_a_key_that_fails_later_is_no_rate_limit(tmp_path: Path) -> None:
    """After a success ccxt calls -2015 DDoSProtection: it is the key all the same, and nothing pauses for it."""
    async with account(tmp_path, "spot") as rig:
        await rig.place()
        rig.venue.script.plan("* /api/v3/*", "code_2015", times=None)
        assert await told(rig.place()) == "Rejected KEY_REFUSED"
        with pytest.raises(Unavailable, match="-2015"):
            await rig.broker.get_open_orders()
        assert rig.broker.health.banned_until is None


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_no_such_order_is_three_things(tmp_path: Path, market: str) -> None:
    """-2013 for a question (none), -2011 for a cancel (look what became of it), and never "cancelled" for either."""
    async with account(tmp_path, market) as rig:
        assert await rig.find("never-placed") is None
        with pytest.raises(OrderNotFound):
            await rig.broker.cancel_order(rig.request(oid="never-placed").client_order_id)
        filled = await rig.place()
        rig.venue.move(
            "BTCUSDT", rig.instrument.tick * 400_000 if market == "usdm" else rig.instrument.tick * 4_000_000
        )
        assert await told(rig.broker.cancel_order(filled.client_order_id)) == "Rejected ORDER_CLOSED"
        resting = await rig.place(limit_price=rig.instrument.tick * 100_000 * (1 if market == "usdm" else 10))
        rig.venue.script.plan(f"DELETE {rig.path}", "error", code=-2011, msg="Unknown order sent.", times=None)
        assert await told(rig.broker.cancel_order(resting.client_order_id)) == "Rejected NOT_CANCELLED"


# --- errors that are none of ccxt's ------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError("status"), TypeError("NoneType"), ValueError("x"), IndexError(), OSError()])
async def test_a_parser_that_stumbles_over_the_answer_leaves_the_order_in_doubt(
    tmp_path: Path, error: Exception
) -> None:
    """It was sent and taken; what our library makes of the answer changes nothing about that."""
    async with account(tmp_path, "spot") as rig:
        request = rig.request()
        with patch.object(rig.broker._client.exchange, "parse_order", side_effect=error), pytest.raises(Uncertain):
            await rig.broker.place_order(request)
        assert rig.accepted(request.client_order_id) == 1
        assert await rig.find(request.client_order_id) is not None
        with patch.object(rig.broker._client.exchange, "parse_order", side_effect=error), pytest.raises(Unavailable):
            await rig.broker.get_open_orders()


async def test_a_parser_that_stumbles_before_anything_is_sent_is_no_doubt(tmp_path: Path) -> None:
    """Nothing left: it may be tried again."""
    async with account(tmp_path, "spot") as rig:
        with patch.object(rig.broker._client.exchange, "create_order_request", side_effect=KeyError("x")):
            assert await told(rig.place()) == LATER
        assert rig.venue.journal.requests("POST /api/v3/order") == []


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_an_order_in_doubt_is_never_sent_again(tmp_path: Path, market: str) -> None:
    """A filled order leaves its id free at Binance: the same request would be filled a second time."""
    async with account(tmp_path, market) as rig:
        rig.venue.script.plan(f"POST {rig.path}", "drop_after")
        request = rig.request(type=OrderType.MARKET)
        with pytest.raises(Uncertain):
            await rig.broker.place_order(request)
        assert await told(rig.broker.place_order(request)) == "Rejected DUPLICATE_ORDER"
        assert len(rig.venue.journal.requests(f"POST {rig.path}")) == 1
        assert rig.executed(request.client_order_id) == request.quantity


async def test_who_stops_waiting_has_not_cancelled(tmp_path: Path) -> None:
    """The caller's task is cancelled while the answer is on its way: the order is known as sent, and is found."""
    async with account(tmp_path, "spot") as rig:
        rig.venue.script.plan("POST /api/v3/order", "delay", seconds=60)
        request = rig.request()
        task = asyncio.create_task(rig.broker.place_order(request))
        async with asyncio.timeout(30):
            while not rig.accepted(request.client_order_id):
                await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await told(rig.broker.place_order(request)) == "Rejected DUPLICATE_ORDER"
        assert await rig.find(request.client_order_id) is not None
        assert rig.accepted(request.client_order_id) == 1


def _errors_of_aiohttp() -> dict[str, tuple[BaseException, str]]:
    """How a request may fail below ccxt, and whether it may have arrived."""
    key = ConnectionKey("api.binance.com", 443, True, True, None, None, None)
    refused = OSError(111, "refused")
    return {
        "name": (aiohttp.ClientConnectorDNSError(key, OSError(-2, "name")), LATER),
        "refused": (aiohttp.ClientConnectorError(key, refused), LATER),
        "tls": (aiohttp.ClientConnectorSSLError(key, refused), LATER),
        "certificate": (aiohttp.ClientConnectorCertificateError(key, SSLCertVerificationError("bad")), LATER),
        "no connection in time": (aiohttp.ConnectionTimeoutError("slow"), LATER),
        "no answer in time": (TimeoutError(), OPEN),
        "silence": (aiohttp.SocketTimeoutError("slow"), OPEN),
        "closed": (aiohttp.ServerDisconnectedError(), OPEN),
        "reset": (aiohttp.ClientOSError(104, "reset"), OPEN),
        "half a body": (aiohttp.ClientPayloadError("half"), OPEN),
        "gibberish": (aiohttp.ClientResponseError(None, (), message="gibberish"), OPEN),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("name", list(_errors_of_aiohttp()))
async def test_below_ccxt_only_a_connection_that_never_stood_is_certain(tmp_path: Path, name: str) -> None:
    """Names, certificates and refused connections: nothing left. Everything later may have arrived."""
    error, meaning = _errors_of_aiohttp()[name]
    async with account(tmp_path, "spot") as rig:
        with patch.object(rig.broker._client.exchange.session, "post", side_effect=error):
            assert await told(rig.place()) == meaning
        with patch.object(rig.broker._client.exchange.session, "get", side_effect=error):
            assert await told(rig.broker.get_open_orders()) == LATER


async def test_a_contract_of_another_size_than_we_think_is_no_position(tmp_path: Path) -> None:
    """Ten times the contract is ten times the risk: the account cannot be read then, and nothing trades on it."""
    async with account(tmp_path, "usdm") as rig:
        await rig.place(type=OrderType.MARKET)
        line = rig.broker._line
        assert line is not None
        await rig.broker.get_account_info()
        line.instruments[rig.symbol] = replace(rig.instrument, multiplier=Decimal(10))
        with pytest.raises(Unavailable, match="contract size"):
            await rig.broker.get_account_info()
