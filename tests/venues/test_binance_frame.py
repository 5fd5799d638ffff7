"""What no client library does: raw requests at the door, the journal's file, names, processes, matching against its laws."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues import loopback
from tests.venues.binance import journal
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.control import tell
from tests.venues.binance.desk import Desk
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.hosts import LIVE, Place, place_of
from tests.venues.binance.keys import Key
from tests.venues.binance.products import build
from tests.venues.binance.router import Call
from tests.venues.binance.triggers import Trigger


@pytest.fixture
async def session(venue: BinanceServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client on the way to the venue."""
    network = venue.network
    connector = aiohttp.TCPConnector(resolver=network.resolver, ssl=network.ssl or True)
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened


def signed(key: Key, **params: Any) -> str:
    """Parameters with time and signature, as a query string."""
    query = "&".join(f"{name}={value}" for name, value in {**params, "timestamp": time.time_ns() // 1_000_000}.items())
    return f"{query}&signature={key.signature(query.encode())}"


async def ask(session: aiohttp.ClientSession, url: str, key: Key | None = None, method: str = "GET") -> tuple[int, Any]:
    """Status and body."""
    headers = {} if key is None else {"X-MBX-APIKEY": key.api_key}
    async with session.request(method, aiohttp.client.URL(url, encoded=True), headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text) if text.startswith(("{", "[")) else text


# --- names and the door ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        ("api.binance.com", "/api/v3/time", ("api", "live")),
        ("stream.binance.com:9443", "/ws/0", ("stream", "live")),
        ("testnet.binance.vision", "/api/v3/time", ("api", "testnet")),
        ("testnet.binancefuture.com", "/fapi/v1/time", ("fapi", "testnet")),
        ("testnet.binancefuture.com", "/ws-fapi/v1", ("ws-fapi", "testnet")),
        ("demo-ws-api.binance.com", "/ws-api/v3", ("ws-api", "demo")),
        ("example.org", "/api/v3/time", None),
    ],
)
def test_names_say_what_lives_there(host: str, path: str, place: tuple[str, str] | None) -> None:
    """Product and mode."""
    assert place_of(host, path) == (None if place is None else Place(*place))


async def test_no_name_leads_anywhere_else(venue: BinanceServer, session: aiohttp.ClientSession) -> None:
    """A name that the certificate does not have fails; one that Binance does not have is not found."""
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await ask(session, "https://example.org/")
    assert (await ask(session, "https://nowhere.binance.com/api/v3/time"))[0] == 404
    assert (await ask(session, "https://api.binance.com/fapi/v1/order"))[0] == 404
    assert (await ask(session, "https://testnet.binance.vision/sapi/v1/system/status"))[0] == 404
    assert await ask(session, "https://api.binance.com/sapi/v1/system/status") == (200, {"status": 0, "msg": "normal"})


async def test_signatures_are_checked_to_the_last_byte(venue: BinanceServer, session: aiohttp.ClientSession) -> None:
    """Unsigned, changed after signing, something after the signature, no timestamp."""
    account = "https://api.binance.com/api/v3/account?"
    good = signed(venue.key, omitZeroBalances="true")
    assert (await ask(session, account + good, venue.key))[0] == 200
    outcomes = [
        await ask(session, account + good),
        await ask(session, account + good.replace("true", "TRUE"), venue.key),
        await ask(session, account + good + "&more=1", venue.key),
        await ask(session, account + "timestamp=1", venue.key),
        await ask(session, account + f"a=1&signature={venue.key.signature(b'a=1')}", venue.key),
        await ask(session, account + good, venue.keys.of("demo")),
    ]
    assert [body["code"] for _, body in outcomes] == [-2014, -1022, -1022, -1102, -1102, -2015]


async def test_what_was_signed_may_be_in_query_and_body(venue: BinanceServer, session: aiohttp.ClientSession) -> None:
    """Both together, one after the other, are what a signature is over."""
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&timestamp={time.time_ns() // 1_000_000}"
    signature = venue.key.signature((query + "quantity=0.01").encode())
    async with session.post(
        f"https://api.binance.com/api/v3/order?{query}",
        data=f"quantity=0.01&signature={signature}",
        headers={"X-MBX-APIKEY": venue.key.api_key, "Content-Type": "application/x-www-form-urlencoded"},
    ) as response:
        assert (await response.json())["status"] == "FILLED"


# --- the journal and the process ---------------------------------------------------------------------


async def test_the_journal_is_on_disk_before_the_answer(tmp_path: Path) -> None:
    """Line by line; a last line that was cut off is no entry."""
    async with BinanceServer(folder=tmp_path) as venue:
        venue.move("BTCUSDT", "50100")
        known = journal.read(tmp_path)
        assert [(entry.kind, entry["price"]) for entry in known] == [("price", "50100")]
        with (tmp_path / journal.FILE).open("a") as file:
            file.write('{"number": 2, "at')
        assert journal.read(tmp_path) == known


def test_the_venue_lives_on_as_a_process_of_its_own(tmp_path: Path) -> None:
    """Told what to do over its control port; killed without mercy, its journal says what was true."""
    command = [sys.executable, "-m", "tests.venues.binance", "--port", "0", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        asyncio.run(_trade(tmp_path, Key(*told["keys"]["live"], LIVE)))
        tell(told["control"], "move", symbol="BTCUSDT", price="48000")
        assert len(tell(told["control"], "journal", kind="execution")) == 1
        assert Decimal(tell(told["control"], "balances")["USDT"][1]) == 0
        with pytest.raises(HTTPError):
            tell(told["control"], "plan", route="POST /api/v3/order", fault="nonsense")
        tell(told["control"], "plan", route="* /api/*", fault="http_503_unavailable", times=None)
        with pytest.raises(AssertionError):
            asyncio.run(_trade(tmp_path, Key(*told["keys"]["live"], LIVE)))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    executed = [entry for entry in journal.read(tmp_path) if entry.kind == "execution"]
    assert [(entry["client_id"], entry["quantity"], entry["price"]) for entry in executed] == [
        ("from-afar", "0.01", "49000")
    ]


async def _trade(folder: Path, key: Key) -> None:
    network = loopback.network_of(folder)
    connector = aiohttp.TCPConnector(resolver=network.resolver, ssl=network.ssl or True)
    query = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    url = f"https://api.binance.com/api/v3/order?{signed(key, **query, price='49000', newClientOrderId='from-afar')}"
    async with aiohttp.ClientSession(connector=connector) as opened:
        status, body = await ask(opened, url, key, "POST")
        assert status == 200, body


# --- laws --------------------------------------------------------------------------------------------

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(4_900_000, 5_100_000)),
        st.tuples(st.just("place"), st.integers(0, 10_000)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
    ),
    max_size=25,
)
_KINDS = ("MARKET", "LIMIT", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")


def _wish(seed: int, number: int) -> dict[str, str]:
    """An order made of a number; many of them the venue refuses."""
    kind, side = _KINDS[seed % 7], ("BUY", "SELL")[seed // 7 % 2]
    price = Decimal(4_900_000 + seed * 7919 % 200_000) / 100
    wish = {
        "symbol": "BTCUSDT",
        "side": side,
        "type": kind,
        "quantity": f"0.0{1 + seed % 9}",
        "newClientOrderId": f"w{number}",
    }
    if kind.startswith(("LIMIT", "STOP_LOSS_L", "TAKE_PROFIT_L")):
        wish["price"] = str(price)
    if "STOP" in kind or "TAKE" in kind:
        wish["stopPrice"] = str(Decimal(4_900_000 + seed * 104_729 % 200_000) / 100)
    if kind in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        wish["timeInForce"] = ("GTC", "IOC", "FOK")[seed // 14 % 3]
    return wish


def _look(desk: Desk, begun: dict[str, Decimal]) -> None:
    """Money is where the executions say, and only open orders hold any back."""
    money, held = dict(begun), dict.fromkeys(begun, Decimal(0))
    for order in desk.orders.values():
        for trade in order.trades:
            sign = order.side.sign
            money["BTC"] += sign * trade.quantity
            money["USDT"] -= sign * trade.quantity * trade.price
            money[trade.asset] -= trade.commission
            assert not order.has_limit or (order.price - trade.price) * sign >= 0
        assert order.executed <= order.quantity
        assert (order.executed == order.quantity) == (order.status == "FILLED")
        assert order.is_open or order.held == 0
        if order.held_asset:
            held[order.held_asset] += order.held
    for asset in ("USDT", "BTC"):
        balance = desk.wallet.of(asset)
        assert (balance.total, balance.locked) == (money[asset], held[asset])


@settings(max_examples=150, deadline=None)
@given(_steps)
def test_money_is_never_made_or_lost(steps: list[tuple[str, int]]) -> None:
    """Whatever is placed, cancelled and moved."""
    frame = Frame()
    spot = build(frame).spot
    begun = {asset: each.total for asset, each in spot.desk.wallet.balances.items()}
    for number, (what, value) in enumerate(steps):
        if what == "move":
            frame.move("BTCUSDT", Decimal(value) / 100)
        elif what == "cancel":
            found = spot.desk.open()
            if found:
                spot.desk.cancel(found[value % len(found)], "c")
        else:
            with suppress(Refusal):
                spot.desk.place(Call("POST", "/api/v3/order", Place("api", LIVE), _wish(value, number)))
        _look(spot.desk, begun)
    accepted = {entry["order_id"] for entry in frame.journal.accepted("spot")}
    assert accepted == set(spot.desk.orders)
    told = sum((entry["quantity"] for entry in frame.journal.all("execution", market="spot")), Decimal(0))
    assert told == sum((order.executed for order in spot.desk.orders.values()), Decimal(0))


@pytest.mark.parametrize(
    ("trigger", "prices", "wakes"),
    [
        (Trigger(up=True, price=Decimal(10)), [9, 10], 1),
        (Trigger(up=False, price=Decimal(10)), [11, 9], 1),
        (Trigger(up=False, trail=Decimal("0.1")), [100, 120, 109, 108], 3),
        (Trigger(up=True, trail=Decimal("0.1")), [100, 80, 87, 88], 3),
        (
            Trigger(up=False, trail=Decimal("0.1"), activation=Decimal(110), activates_up=True),
            [100, 90, 110, 100, 99],
            4,
        ),
    ],
)
def test_what_wakes_an_order(trigger: Trigger, prices: list[int], wakes: int) -> None:
    """At its price or past it; a trailing one from where it is active, by the fraction from the best."""
    trigger.begin(Decimal(prices[0]))
    woke = [trigger.look(Decimal(price)) for price in prices]
    assert woke.index(True) == wakes
