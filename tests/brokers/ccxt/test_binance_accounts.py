"""Each kind of account at Binance, in each mode that it has: what its key may do, and the life of an order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.account import FlowKind
from brokers.errors import ConfigurationError, Rejected
from brokers.health import Grade
from brokers.order import Liquidity, OrderType, Side, VenueOrderState
from tests.brokers.ccxt.rig import Rig, account
from tests.brokers.ccxt_streams.rig import heard
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


async def test_the_life_of_an_order_on_margin(tmp_path: Path) -> None:
    """Placed, told by the stream, listed, cancelled; filled with its fee; and short of what is not there."""
    async with account(tmp_path, "margin") as rig:
        began, reports = rig.broker._time_there() - MEASURED, rig.broker.reports()
        resting = await rig.place()
        assert [each.client_order_id for each in await rig.broker.get_open_orders()] == [resting.client_order_id]
        assert (await rig.broker.cancel_order(resting.client_order_id)).state is VenueOrderState.CANCELLED
        bought = await rig.place(type=OrderType.MARKET)
        told = await heard(reports, lambda seen: any(each.state is VenueOrderState.FILLED for each in seen))
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
        await heard(quotes, bool)
        rig.venue.move("BTCUSDT", Decimal(51_000))
        (*_, quote) = await heard(quotes, lambda seen: seen and seen[-1].last == 51_000)
        assert abs(quote.bid - 51_000) < 1


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
