"""Each kind of account at Binance, in each mode that it has: what its key may do, and the life of an order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.account import FlowKind
from brokers.errors import ConfigurationError, Rejected, Unavailable, Uncertain
from brokers.health import Grade
from brokers.order import Liquidity, OrderType, Side, VenueOrderState
from tests.brokers.ccxt.rig import SYMBOLS, Rig, account
from tests.brokers.ccxt_streams.rig import heard
from tests.brokers.ccxt_streams.rig import rig as listening
from tests.venues.binance import keys
from tests.venues.binance.app import BinanceServer

ADDRESSES = {
    ("spot", "live"): "api.binance.com",
    ("spot", "testnet"): "testnet.binance.vision",
    ("spot", "demo"): "demo-api.binance.com",
    ("margin", "live"): "api.binance.com",
    ("usdm", "live"): "fapi.binance.com",
    ("usdm", "demo"): "demo-fapi.binance.com",
}
MARKETS = ("spot", "margin", "usdm")
MEASURED = timedelta(seconds=1)
"""So good, and better, is a clock that is compared over a wire."""
SITES = {"spot": "api", "margin": "api", "usdm": "fapi"}
HALF = {"spot": 3000, "margin": 3000, "usdm": 1200}
"""Of the weight that the venue allows in a minute."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
every_market = pytest.mark.parametrize("market", MARKETS)


async def refused(folder: Path, market: str, permissions: frozenset[str], words: str) -> None:
    async with BinanceServer() as venue:
        key = venue.keys.add("live", permissions)
        rig = Rig(venue, market, folder)
        try:
            with pytest.raises(ConfigurationError, match=words):
                await rig.connect(api_key=key.api_key, secret=key.secret)
        finally:
            await rig.broker.disconnect()


@pytest.mark.parametrize(("market", "mode"), ADDRESSES)
async def test_each_mode_has_an_address_of_its_own(market: str, mode: str, tmp_path: Path) -> None:
    """Orders go there, and nowhere else."""
    async with account(tmp_path, market, mode=mode) as rig:
        placed = await rig.place()
        assert placed.state is VenueOrderState.WORKING
        sent = [
            each
            for each in rig.venue.journal.all("request")
            if each["route"].startswith("POST") and "rder" in each["route"]
        ]
        assert {each["host"] for each in sent} == {ADDRESSES[market, mode]}
        assert (await rig.broker.cancel_order(placed.client_order_id)).state is VenueOrderState.CANCELLED
        assert rig.broker.is_live == (mode == "live")


@every_market
async def test_keys_that_may_withdraw_or_not_trade_are_refused(market: str, tmp_path: Path) -> None:
    """Whatever market they are for."""
    await refused(tmp_path, market, keys.USUAL | {keys.WITHDRAW}, "may withdraw money")
    await refused(tmp_path, market, frozenset({keys.READ}), "may not trade")


@every_market
async def test_a_key_for_every_address_is_a_warning(market: str, tmp_path: Path) -> None:
    """And one that is bound to addresses is good."""
    async with account(tmp_path, market) as rig:
        assert all(finding.grade is Grade.GOOD for finding in await rig.broker.inspect())
        rig.venue.keys.of("live").is_restricted = False
        (warning,) = [finding for finding in await rig.broker.inspect() if finding.grade is Grade.WARNING]
        assert "works from everywhere" in warning.text


@pytest.mark.parametrize(("market", "mode"), ADDRESSES)
async def test_a_key_of_another_mode_is_told(market: str, mode: str, tmp_path: Path) -> None:
    """With the modes that it may be for."""
    async with BinanceServer() as venue:
        rig, other = Rig(venue, market, tmp_path), venue.keys.of("testnet" if mode != "testnet" else "live")
        try:
            with pytest.raises(ConfigurationError, match="does not take this API key"):
                await rig.connect(mode=mode, api_key=other.api_key, secret=other.secret)
        finally:
            await rig.broker.disconnect()


@every_market
async def test_prices_without_a_key(market: str, tmp_path: Path) -> None:
    """Whatever needs an account is refused."""
    async with account(tmp_path, market, api_key="", secret="") as rig:
        assert (await rig.broker.get_quote(rig.symbol)).last == 50_000
        with pytest.raises(Rejected, match="NO_KEYS"):
            await rig.broker.get_open_orders()


async def test_an_account_that_holds_long_and_short_apart_is_refused(tmp_path: Path) -> None:
    """Its positions could not be compared with our books."""
    async with BinanceServer() as venue:
        venue.usdm.account.is_hedged = True
        rig = Rig(venue, "usdm", tmp_path)
        try:
            with pytest.raises(ConfigurationError, match="one-way"):
                await rig.connect()
        finally:
            await rig.broker.disconnect()


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("fault", ["list_after", "object_after"])
async def test_an_empty_answer_is_no_empty_account(market: str, fault: str, tmp_path: Path) -> None:
    """Our library makes an account without money of any object; and a book without orders."""
    routes = {"spot": "GET /api/v3/account", "margin": "GET /sapi/v1/margin/account", "usdm": "GET /fapi/v3/account"}
    async with account(tmp_path, market) as rig:
        rig.venue.script.plan(routes[market], fault)
        with pytest.raises(Unavailable):
            await rig.broker.get_account_info()
        rig.venue.script.plan("GET /*/depth", fault)
        with pytest.raises(Unavailable):
            await rig.broker.get_orderbook(rig.symbol)
        assert (await rig.broker.get_account_info()).balances["USDT"].total
        assert (await rig.broker.get_orderbook(rig.symbol)).bids


async def test_an_account_that_is_changed_to_hold_long_and_short_apart_is_not_read(tmp_path: Path) -> None:
    """One of two positions in an instrument is not the position."""
    async with account(tmp_path, "usdm") as rig:
        await rig.place(type=OrderType.MARKET)
        whole = rig.broker._client.exchange.fetch_positions

        async def both_sides(*args: Any) -> Any:
            (held,) = await whole(*args)
            return [{**held, "hedged": True}, {**held, "hedged": True, "side": "short"}]

        rig.broker._client.exchange.fetch_positions = both_sides
        with pytest.raises(Unavailable, match="one-way"):
            await rig.broker.get_account_info()


async def test_the_life_of_an_order_on_margin(tmp_path: Path) -> None:
    """Placed, told by the stream, listed, cancelled; filled with its fee; and short of what is not there."""
    async with account(tmp_path, "margin") as rig:
        began, reports = rig.broker._time_there() - MEASURED, rig.broker.reports()
        resting = await rig.place()
        assert [each.client_order_id for each in await rig.broker.get_open_orders()] == [resting.client_order_id]
        assert (await rig.broker.cancel_order(resting.client_order_id)).state is VenueOrderState.CANCELLED
        bought = await rig.place(type=OrderType.MARKET)
        told = await heard(reports, lambda seen: any(each.state is VenueOrderState.FILLED for each in seen), 30)
        assert told[0].client_order_id == resting.client_order_id
        assert VenueOrderState.CANCELLED in {each.state for each in told}
        assert told[-1].client_order_id == bought.client_order_id
        assert [each.client_order_id for each in await rig.broker.get_open_orders()] == []
        ended = await rig.broker.get_closed_orders(began)
        assert {each.client_order_id for each in ended} == {resting.client_order_id, bought.client_order_id}
        (fill,) = await rig.broker.get_fills(began)
        assert (fill.quantity, fill.liquidity, fill.fee_currency) == (Decimal("0.01"), Liquidity.TAKER, "BTC")
        before = await rig.broker.get_position(rig.symbol)
        await rig.place(
            type=OrderType.MARKET, side=Side.SELL, quantity=str(before.quantity.quantize(Decimal("0.001")) + 1)
        )
        assert (await rig.broker.get_position(rig.symbol)).quantity < 0


@every_market
async def test_prices_that_are_asked_for(market: str, tmp_path: Path) -> None:
    """Quote, book and bars."""
    async with account(tmp_path, market) as rig:
        quote = await rig.broker.get_quote(rig.symbol)
        book = await rig.broker.get_orderbook(rig.symbol, 5)
        assert quote.bid == book.bids[0].price < book.asks[0].price == quote.ask
        bars = await rig.broker.get_bars(rig.symbol, until=rig.broker._time_there(), count=3)
        assert len(bars) == 3


@every_market
async def test_quotes_are_pushed(market: str, tmp_path: Path) -> None:
    """As the market moves."""
    async with account(tmp_path, market) as rig:
        quotes = rig.broker.quotes([rig.symbol])
        await heard(quotes, bool, 30)
        rig.venue.move("BTCUSDT", Decimal(51_000))
        # What was traded last and what is offered come by two streams, in any order.
        await heard(quotes, lambda seen: seen and seen[-1].last == 51_000 and abs(seen[-1].bid - 51_000) < 1, 30)


async def test_what_came_and_went_without_a_trade(tmp_path: Path) -> None:
    """Deposits on spot, and funding of a position on futures."""
    async with account(tmp_path, "spot") as rig:
        began = rig.broker._time_there() - MEASURED
        rig.venue.custody.deposit("USDT", Decimal(250))
        (flow,) = await rig.broker.get_cash_flows(began)
        assert (flow.kind, flow.currency, flow.amount) == (FlowKind.DEPOSIT, "USDT", Decimal(250))
    async with account(tmp_path, "usdm") as rig:
        began = rig.broker._time_there() - MEASURED
        await rig.place(type=OrderType.MARKET)
        rig.venue.usdm.fund("BTCUSDT", "0.0001")
        (flow,) = await rig.broker.get_cash_flows(began)
        assert (flow.kind, flow.currency) == (FlowKind.FUNDING, "USDT")
        assert abs(flow.amount + Decimal("0.05")) < Decimal("0.001")


@every_market
async def test_what_the_venue_says_is_used_up_is_believed(market: str, tmp_path: Path) -> None:
    """Also what somebody else at the same address has used."""
    async with account(tmp_path, market) as rig:
        budget = rig.venue.limits.budgets[SITES[market]]
        budget.weight.count += HALF[market]
        await rig.broker.get_quote(rig.symbol)
        assert 0.45 < (rig.broker.health.used or 0) < 0.6


@every_market
async def test_a_ban_is_obeyed(market: str, tmp_path: Path) -> None:
    """Nothing is sent while it lasts, a cancel neither."""
    async with account(tmp_path, market) as rig:
        placed = await rig.place()
        rig.venue.limits.stop(SITES[market], 30, 418)
        with pytest.raises(Unavailable):
            await rig.broker.get_quote(rig.symbol)
        assert rig.broker.health.banned_until is not None
        sent = len(rig.venue.journal.all("request"))
        with pytest.raises(Unavailable, match="wants no requests until"):
            await rig.broker.cancel_order(placed.client_order_id)
        assert len(rig.venue.journal.all("request")) == sent


@every_market
async def test_refused_not_sent_and_unknown_are_kept_apart(market: str, tmp_path: Path) -> None:
    """An answer that is lost leaves it open, and the order is there; a refusal and a full house leave nothing."""
    async with account(tmp_path, market) as rig:
        route = f"POST {rig.path}"
        rig.venue.script.plan(route, "drop_after")
        lost = rig.request()
        with pytest.raises(Uncertain):
            await rig.broker.place_order(lost)
        assert (await rig.find(lost.client_order_id)) is not None
        assert rig.accepted(lost.client_order_id) == 1
        rig.venue.script.plan(route, "code_1008")
        full = rig.request()
        with pytest.raises(Unavailable):
            await rig.broker.place_order(full)
        rig.venue.script.plan(route, "error", code=-2010, msg="Account has insufficient balance for requested action.")
        with pytest.raises(Rejected):
            await rig.broker.place_order(rig.request())
        assert rig.accepted(full.client_order_id) == 0


@every_market
async def test_requests_are_dated_by_the_venues_clock(market: str, tmp_path: Path) -> None:
    """A clock that jumps costs one refusal, and no order."""
    async with account(tmp_path, market) as rig:
        rig.venue.clock.offset_ms = 3_600_000
        with pytest.raises(Unavailable, match="-1021"):
            await rig.place()
        order = await rig.place()
        assert rig.accepted(order.client_order_id) == 1


@pytest.mark.parametrize("market", ["margin", "usdm"])
async def test_bars_and_books_are_pushed(market: str, tmp_path: Path) -> None:
    """Those of the spot market are in tests/brokers/ccxt_streams."""
    async with listening(tmp_path, market=market, symbols=[SYMBOLS[market]], beat_seconds=0.1) as here:
        symbol = SYMBOLS[market]
        bars, books = here.broker.bars([symbol], MINUTE if market == "usdm" else SECOND), here.broker.books([symbol], 3)
        await asyncio.sleep(0.1)
        product = here.venue.usdm if market == "usdm" else here.venue.spot
        product.book("BTCUSDT", bids=[("50000", "0.3")], asks=[("50000.2", "0.2"), ("50001", "1")])
        (*_, book) = await heard(books, lambda told: told and told[-1].asks[0].price == Decimal("50000.2"), 30)
        assert (book.bids[0].price, book.bids[0].quantity) == (Decimal(50_000), Decimal("0.3"))
        if market == "usdm":
            here.venue.move("BTCUSDT", Decimal(50_020))
            await asyncio.sleep(0.2)  # a candle of this minute
            here.venue.clock.offset_ms += 60_000  # nobody waits for the next one
            (*_, bar) = await heard(bars, lambda told: told and told[-1].close == Decimal(50_020), 30)
            assert (bar.symbol, bar.close, bar.at.second) == (symbol, Decimal(50_020), 0)
        else:
            one, other = await heard(bars, lambda told: len(told) == 2, 30)
            assert other.at - one.at == SECOND
