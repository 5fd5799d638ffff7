"""What comes of every fault of the script, for everything that is sent: the table of the reference, over the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import BrokerError, Rejected, Unavailable, Uncertain
from brokers.health import Breaker
from brokers.order import VenueOrderState
from brokers.resilience.breaker import Patience
from tests.brokers.ccxt.rig import LONG_AGO, Rig, account
from tests.venues.binance.faults import REST

# Told by the venue or by silence: nobody knows whether it has happened.
UNKNOWN = sorted(
    name
    for name in REST
    if name.endswith(("_after", "_before")) and not name.startswith(("delay", "list", "object", "word", "number"))
)
KEY, LATER = "Rejected KEY_REFUSED", "Unavailable"
DEFINITE = {
    "http_403_waf": LATER,
    "code_1008": LATER,
    "code_1021": LATER,
    "code_1015": LATER,
    "code_1022": KEY,
    "code_2015": KEY,
}
# Of a 503 the spot market says that the fate is unknown; the futures say by its text that nothing happened.
TEXTS = {
    "spot": {"http_503_unavailable": "Uncertain", "http_503_internal": "Uncertain"},
    "usdm": {"http_503_unavailable": LATER, "http_503_internal": LATER},
}


def expected(market: str) -> dict[str, str]:
    return dict.fromkeys(UNKNOWN, "Uncertain") | DEFINITE | TEXTS[market]


async def told(work: Awaitable[object]) -> str:
    """How a call ended, in a word; no key or signature is in what it says."""
    try:
        await work
    except Rejected as error:
        found = f"Rejected {error.code}" if error.reason else "Rejected without a reason"
    except Unavailable as error:
        found = "Unavailable" if "signature" not in str(error) else "a signature"
    except Uncertain as error:
        found = "Uncertain" if "signature" not in str(error) else "a signature"
    else:
        return "done"
    return found


def patient(rig: Rig) -> None:
    """Too many faults must not open the breaker, and a ban must not end the test."""
    for breaker in (rig.broker._pulse._breaker, rig.broker._pulse._prices):
        breaker._patience = Patience(in_a_row=10**6, part=2)
    limits = rig.broker._client.limits
    assert limits is not None
    limits._common.ban.demanded = lambda _: None  # type: ignore[method-assign]
    for _, budget in limits._orders:
        budget.full = lambda _: None  # type: ignore[method-assign]


def play(rig: Rig, route: str, fault: str, **more: Any) -> None:
    """Plan a fault. One that never answers is waited for a moment only; nothing else is in a hurry."""
    rig.broker._client.exchange.timeout = 250 if fault.startswith("hang") else 10_000
    rig.venue.script.plan(route, fault, **more)


def played(rig: Rig) -> None:
    """What comes now goes well."""
    rig.broker._client.exchange.timeout = 10_000
    rig.venue.script.clear()


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_placing(tmp_path: Path, market: str) -> None:
    """Every fault has the outcome that the reference names, and asking tells the truth; nothing is sent twice."""
    async with account(tmp_path, market) as rig:
        patient(rig)
        for fault, outcome in expected(market).items():
            play(rig, f"POST {rig.path}", fault)
            request = rig.request()
            order = str(request.client_order_id)
            assert (fault, await told(rig.broker.place_order(request))) == (fault, outcome)
            played(rig)
            happened = fault.endswith("_after")
            assert (fault, rig.accepted(order)) == (fault, int(happened))
            found = await rig.find(order)
            assert (fault, found is not None) == (fault, happened)
            if found is not None:
                assert (fault, found.state, found.quantity) == (fault, VenueOrderState.WORKING, request.quantity)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_cancelling(tmp_path: Path, market: str) -> None:
    """As for placing; and a cancel that did not happen can be asked for again."""
    async with account(tmp_path, market) as rig:
        patient(rig)
        for fault, outcome in expected(market).items():
            order = (await rig.place()).client_order_id
            play(rig, f"DELETE {rig.path}", fault)
            ended = await told(rig.broker.cancel_order(order))
            assert (fault, ended) == (fault, outcome)
            played(rig)
            found = await rig.find(order)
            assert found is not None
            over = fault.endswith("_after") or ended == "done"
            assert (fault, found.state) == (
                fault,
                VenueOrderState.CANCELLED if over else VenueOrderState.WORKING,
            )
            if not over:
                assert (await rig.broker.cancel_order(order)).state is VenueOrderState.CANCELLED


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_changing(tmp_path: Path, market: str) -> None:
    """As for placing; the order is found under our id, on its old terms or its new ones."""
    route = {"spot": "POST /api/v3/order/cancelReplace", "usdm": "PUT /fapi/v1/order"}[market]
    new = Decimal(48_000)
    async with account(tmp_path, market) as rig:
        patient(rig)
        for fault, outcome in expected(market).items():
            order = (await rig.place()).client_order_id
            play(rig, route, fault)
            ended = await told(rig.broker.modify_order(order, limit_price=new))
            assert (fault, ended) == (fault, outcome)
            played(rig)
            found = await rig.find(order)
            assert found is not None
            made = fault.endswith("_after") or ended == "done"
            price = new if made else Decimal(49_000)
            assert (fault, found.state, found.limit_price) == (fault, VenueOrderState.WORKING, price)
            if fault.endswith("_after"):
                assert [each.client_order_id for each in await rig.broker.get_open_orders()] == [order]
            assert (await rig.broker.cancel_order(order)).state is VenueOrderState.CANCELLED


OF_QUERIES = (
    "cut_after",
    "truncated_after",
    "empty_after",
    "hang_after",
    "html_502_after",
    "http_403_waf",
    "code_2015",
)
Query = Callable[[Rig, datetime], Awaitable[object]]
QUERIES: dict[str, Query] = {
    "find": lambda rig, _: rig.find("qd-test-1"),
    "open orders": lambda rig, _: rig.broker.get_open_orders(),
    "closed orders": lambda rig, since: rig.broker.get_closed_orders(since),
    "fills": lambda rig, since: rig.broker.get_fills(since),
    "account": lambda rig, _: rig.broker.get_account_info(),
    "cash flows": lambda rig, since: rig.broker.get_cash_flows(since),
    "quote": lambda rig, _: rig.broker.get_quote(rig.symbol),
    "book": lambda rig, _: rig.broker.get_orderbook(rig.symbol),
    "bars": lambda rig, _: rig.broker.get_bars(rig.symbol, until=datetime.now(UTC), count=2, period=timedelta(hours=1)),
}


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_asking(tmp_path: Path, market: str) -> None:
    """A query that fails is Unavailable, whatever it failed of: never an answer, and never an empty one."""
    async with account(tmp_path, market) as rig:
        patient(rig)
        await rig.place()
        since = datetime.now(UTC) - LONG_AGO
        wrong = {}
        for fault in OF_QUERIES:
            for name, query in QUERIES.items():
                play(rig, "GET *", fault, times=None)
                if fault.startswith("hang"):
                    rig.broker._client.exchange.timeout = 60
                if (outcome := await told(query(rig, since))) != "Unavailable":
                    wrong[fault, name] = outcome
                played(rig)
        assert wrong == {}
        for name, query in QUERIES.items():
            assert (name, await told(query(rig, since))) == (name, "done")


@pytest.mark.parametrize("fault", ["limit_429", "ban_418"])
async def test_a_ban_is_unavailable_and_nothing_is_sent_while_it_lasts(tmp_path: Path, fault: str) -> None:
    """The order was refused at the door; the next one does not even leave, and the limits know until when."""
    async with account(tmp_path, "spot") as rig:
        rig.venue.script.plan("POST /api/v3/order", fault, retry_after=30)
        request = rig.request()
        assert await told(rig.broker.place_order(request)) == "Unavailable"
        assert rig.accepted(request.client_order_id) == 0
        sent = len(rig.venue.journal.requests("*"))
        assert await told(rig.place()) == "Unavailable"
        assert len(rig.venue.journal.requests("*")) == sent
        until = rig.broker.health.banned_until
        assert until is not None
        assert until > datetime.now(UTC) + timedelta(seconds=20)


async def test_a_connection_that_never_stood_is_unavailable(tmp_path: Path) -> None:
    """What could not leave has not happened; a name that does not resolve is the same."""
    async with account(tmp_path, "spot") as rig:
        await rig.venue.stop()
        request = rig.request()
        outcome = await told(rig.broker.place_order(request))
        if outcome == "Uncertain":  # the connection that was open broke under the request
            outcome = await told(rig.place())
        assert outcome == "Unavailable"


async def test_bars_that_cannot_be_had_keep_no_order_back(tmp_path: Path) -> None:
    """And an account that connects meanwhile connects."""
    async with account(tmp_path, "spot") as rig:
        rig.venue.script.plan("GET /api/v3/klines", "html_502_before", times=1000)
        for _ in range(6):
            with pytest.raises(Unavailable):
                await rig.broker.get_bars(rig.symbol, until=datetime.now(UTC), count=5, period=timedelta(minutes=1))
        assert (rig.broker.health.prices, rig.broker.health.breaker) == (Breaker.OPEN, Breaker.CLOSED)
        assert (await rig.place()).state is VenueOrderState.WORKING
        await rig.broker.disconnect()
        await rig.broker.connect()
        assert (await rig.place()).state is VenueOrderState.WORKING


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_an_id_that_the_venue_has_is_adopted_if_it_is_the_same_order(tmp_path: Path, market: str) -> None:
    """ "Duplicate order sent" means that the first one exists; another order under the id is refused."""
    async with account(tmp_path, market) as rig:
        first = await rig.place(oid="twice")
        rig.broker._known.forget(first.client_order_id)  # as after a restart, before anything was asked
        adopted = await rig.place(oid="twice")
        assert adopted.venue_order_id == first.venue_order_id
        rig.broker._known.forget(first.client_order_id)
        with pytest.raises(Rejected) as caught:
            await rig.place(oid="twice", quantity="0.02")
        assert caught.value.code == "DUPLICATE_ORDER"
        assert rig.accepted("twice") == 1


async def test_no_error_names_a_key(tmp_path: Path) -> None:
    """Whatever fails, neither key nor secret nor signature is in the error, its cause or its context."""
    async with account(tmp_path, "spot") as rig:
        patient(rig)
        secrets = (rig.venue.key.api_key, rig.venue.key.secret, "signature=")
        for fault in REST:
            if fault in ("limit_429", "ban_418") or fault.startswith("delay"):
                continue
            play(rig, "* /api/v3/*", fault)
            try:
                await rig.place()
            except BrokerError as error:
                chain = [error, error.__cause__, error.__context__]
                assert not any(secret in f"{each!r} {each}" for secret in secrets for each in chain if each)
            rig.venue.script.clear()
        assert not any(secret in repr(vars(rig.broker.settings)) for secret in secrets)
