"""A venue changes lots, ticks and its list while we run: we trade by what it says now, and ask for it once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.adapters.binance import words
from brokers.ccxt import markets
from brokers.errors import OrderNotFound, Rejected, Unavailable
from brokers.order import ClientOrderId, OrderType, Side, VenueOrderState
from tests.brokers.ccxt.rig import LONG_AGO, SYMBOLS, Rig, account

COARSE = Decimal("0.001")
SPOT = ["spot", "margin"]


def coarser(rig: Rig) -> None:
    listings = rig.venue.spot.listings
    listings["BTCUSDT"] = replace(listings["BTCUSDT"], lot=COARSE, min_quantity=COARSE)


def asked(rig: Rig) -> int:
    """How often the venue was asked for its rules."""
    return len(rig.venue.journal.requests("GET /api/v3/exchangeInfo"))


def in_force(rig: Rig) -> tuple[Decimal, Decimal]:
    """The lot that we check orders by, and the one by which our library rounds."""
    return rig.instrument.lot, Decimal(rig.broker._client.exchange.market(rig.symbol)["precision"]["amount"])


class Later:
    """Lets time pass for the rules alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seconds, ticks = 0.0, markets.ticks
        monkeypatch.setattr(markets, "ticks", lambda: ticks() + self._seconds)

    def pass_(self, seconds: float) -> None:
        self._seconds += seconds


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    return Later(monkeypatch)


@pytest.mark.parametrize("market", SPOT)
async def test_a_connection_made_anew_knows_the_new_rules(tmp_path: Path, market: str, later: Later) -> None:
    """Where the old ones are some minutes old; one that was only lost for a moment asks for nothing."""
    async with account(tmp_path, market) as rig:
        coarser(rig)
        await rig.again()
        assert in_force(rig) == (Decimal("0.00001"),) * 2
        later.pass_(301)
        await rig.again()
        assert in_force(rig) == (COARSE, COARSE)
        assert asked(rig) == 2
        with pytest.raises(Rejected, match="not a multiple"):
            await rig.place(quantity="0.0125")
        assert rig.accepted("qd-test-1") == 0
        assert (await rig.place(type=OrderType.MARKET, quantity="0.012")).filled == Decimal("0.012")


@pytest.mark.parametrize("market", SPOT)
async def test_a_connection_that_stands_asks_now_and_then(tmp_path: Path, market: str, later: Later) -> None:
    """Once, for all accounts that share the answer; each takes it up as a whole."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(account(tmp_path, market))
        second = Rig(first.venue, market, tmp_path)
        second.network = first.network
        await second.connect()
        stack.push_async_callback(second.broker.disconnect)
        assert asked(first) == 1
        coarser(first)
        for rig in (first, second):
            await rig.broker.get_instruments()
            assert in_force(rig) == (Decimal("0.00001"),) * 2
        later.pass_(43_201)
        found = await asyncio.gather(*(rig.broker.get_instruments() for rig in (first, second) for _ in range(5)))
        assert {each.lot for told in found for each in told} == {COARSE}
        assert asked(first) == 2
        for rig in (first, second):
            assert in_force(rig) == (COARSE, COARSE)
            known = rig.broker._client.exchange.market(rig.symbol)
            assert known["info"].keys() <= words.MARKET_WORDS
            assert any(each is known for each in rig.broker._client.exchange.markets_by_id[known["id"]])
            assert (await rig.place(oid=f"qd-{id(rig)}", quantity="0.012")).state is VenueOrderState.WORKING


@pytest.mark.parametrize(("says", "name"), [("", "LOT_SIZE"), ("Precision is over the maximum.", "-1111")])
async def test_a_refusal_for_the_rules_has_them_asked_for(tmp_path: Path, says: str, name: str, later: Later) -> None:
    """Once in a minute at most, whatever is refused; what follows goes by the new ones."""
    async with account(tmp_path, "spot") as rig:
        rig.venue.spot.desk.wallet.add("BTC", Decimal(1))
        coarser(rig)
        if says:
            rig.venue.script.plan("POST /api/v3/order", "error", code=-1111, msg=says)
        for _ in range(2):
            with pytest.raises(Rejected, match=name):
                await rig.place(type=OrderType.MARKET, side=Side.SELL, quantity="0.01254")
            await rig.broker.get_instruments()
            assert asked(rig) == 1
            if says:
                rig.venue.script.plan("POST /api/v3/order", "error", code=-1111, msg=says)
        later.pass_(61)
        for _ in range(3):
            await rig.broker.get_instruments()
        assert asked(rig) == 2
        assert in_force(rig) == (COARSE, COARSE)


async def test_a_refusal_of_the_venue_for_another_reason_asks_for_nothing(tmp_path: Path, later: Later) -> None:
    """Nor one of ours, by the rules that we know."""
    async with account(tmp_path, "spot") as rig:
        later.pass_(61)
        with pytest.raises(Rejected, match="insufficient balance"):
            await rig.place(side=Side.SELL, quantity="5")
        with pytest.raises(Rejected, match="not a multiple"):
            await rig.place(quantity="0.000001")
        await rig.broker.get_instruments()
        assert asked(rig) == 1


@pytest.mark.parametrize("fault", ["http_503_unavailable", "truncated_after", "cut_after"])
async def test_while_they_cannot_be_asked_what_was_said_last_counts(tmp_path: Path, fault: str, later: Later) -> None:
    """For a connection that stands, and for one that is made anew; a minute later it is tried again."""
    async with account(tmp_path, "spot") as rig:
        coarser(rig)
        rig.venue.script.plan("GET /api/v3/exchangeInfo", fault, times=None)
        later.pass_(43_201)
        (found,) = await rig.broker.get_instruments()
        assert found.lot == Decimal("0.00001")
        later.pass_(61)
        await rig.again()
        assert in_force(rig) == (Decimal("0.00001"),) * 2
        assert (await rig.place()).state is VenueOrderState.WORKING
        rig.venue.script.clear()
        assert (await rig.broker.get_instruments())[0].lot == Decimal("0.00001")
        later.pass_(61)
        assert (await rig.broker.get_instruments())[0].lot == COARSE


async def test_what_is_not_listed_any_more_stays_known(tmp_path: Path, later: Later) -> None:
    """It may be held, and an account of which one symbol was delisted is worked with as before."""
    async with account(tmp_path, "spot", symbols=("BTC/USDT", "ETH/USDT")) as rig:
        rig.venue.move("ETHUSDT", Decimal(3_000))
        rig.venue.spot.desk.wallet.add("ETH", Decimal(1))
        del rig.venue.spot.listings["BTCUSDT"]
        for seconds in (43_201, 43_201):
            later.pass_(seconds)
            assert {each.symbol for each in await rig.broker.get_instruments()} == {"BTC/USDT", "ETH/USDT"}
        exchange = rig.broker._client.exchange
        assert exchange.market("BTC/USDT")["active"] is False
        assert exchange.safe_market("BTCUSDT", None, None, "spot")["symbol"] == "BTC/USDT"
        assert exchange.market("ETH/USDT")["active"] is True


def delist(rig: Rig) -> None:
    """The venue knows ETHUSDT no more: it says so to every question that names it (-1121)."""
    product = rig.venue.usdm if rig.market == "usdm" else rig.venue.spot
    listed: dict[str, Any] = rig.venue.usdm.contracts if rig.market == "usdm" else rig.venue.spot.listings
    del listed["ETHUSDT"], product.market.symbols["ETHUSDT"]


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
async def test_a_symbol_that_was_delisted_takes_nobody_elses_answers_away(
    tmp_path: Path, market: str, later: Later
) -> None:
    """Fills, orders and the account of all others are told as before; until it is known that it is gone, nothing is."""
    other = SYMBOLS[market].replace("BTC", "ETH")
    async with account(tmp_path, market, symbols=(SYMBOLS[market], other)) as rig:
        broker, since, nobody = rig.broker, datetime.now(UTC) - LONG_AGO, ClientOrderId("qd-nobody")
        await rig.place(type=OrderType.MARKET)
        delist(rig)
        with pytest.raises(Unavailable, match="lists"):
            await broker.get_fills(since)
        later.pass_(61)
        assert [fill.client_order_id for fill in await broker.get_fills(since)] == ["qd-test-1"]
        assert [report.client_order_id for report in await broker.get_closed_orders(since)] == ["qd-test-1"]
        assert await broker.find_order(nobody) is None
        with pytest.raises(OrderNotFound):
            await broker.cancel_order(nobody)
        positions = (await broker.get_account_info()).positions
        assert positions[rig.symbol].mark_price
        if market == "spot":
            assert (positions[other].quantity, positions[other].mark_price) == (10, None)


async def test_the_account_itself_finds_out_that_what_it_holds_was_delisted(tmp_path: Path, later: Later) -> None:
    """Prices of what is held are asked for together: one strange symbol, and the venue tells none of them."""
    async with account(tmp_path, "spot", symbols=("BTC/USDT", "ETH/USDT")) as rig:
        delist(rig)
        with pytest.raises(Unavailable, match="Invalid symbol"):
            await rig.broker.get_account_info()
        later.pass_(61)
        positions = (await rig.broker.get_account_info()).positions
        assert (positions["ETH/USDT"].quantity, positions["ETH/USDT"].mark_price) == (10, None)
