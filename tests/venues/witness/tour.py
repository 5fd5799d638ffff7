"""A walk through everything that the venue server offers, with unmodified ccxt: what it says goes into the journal.

python -m tests.venues.witness.tour DIR      # DIR/journal.jsonl is what the witnesses look at
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.venues.binance.app import BinanceServer
from tests.venues.binance.usdm.streams import LIFE_MS

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
PATIENCE = 5.0


@contextlib.asynccontextmanager
async def client(venue: BinanceServer, kind: str, **options: Any) -> AsyncIterator[Any]:
    """An exchange object of ccxt.pro as anybody makes it: only the way there and the keys are ours."""
    import ccxt.pro

    network = venue.network
    connector = aiohttp.TCPConnector(resolver=network.resolver, ssl=network.ssl)
    async with aiohttp.ClientSession(connector=connector) as session:
        config = {
            "apiKey": venue.key.api_key,
            "secret": venue.key.secret,
            "session": session,
            "enableRateLimit": False,
            "options": {"warnOnFetchOpenOrdersWithoutSymbol": False, **options},
        }
        exchange = getattr(ccxt.pro, kind)(config)
        exchange.ssl_context = network.ssl
        try:
            yield exchange
        finally:
            await exchange.close()


async def usdm(venue: BinanceServer) -> None:
    """Everything of USDT-M futures."""
    async with client(venue, "binanceusdm") as exchange:
        await exchange.load_markets()
        watching = [
            asyncio.create_task(_forever(exchange.watch_orders)),
            asyncio.create_task(_forever(exchange.watch_balance)),
            asyncio.create_task(_forever(exchange.watch_positions)),
        ]
        await _streams(exchange, SWAP, marks=True)
        await _usdm_market(exchange)
        await _usdm_orders(venue, exchange)
        await _usdm_algos(venue, exchange)
        await _usdm_account(venue, exchange)
        await _stop(watching)


async def spot(venue: BinanceServer) -> None:
    """Everything of spot."""
    async with client(venue, "binance") as exchange:
        await exchange.load_markets()
        watching = [
            asyncio.create_task(_forever(exchange.watch_orders)),
            asyncio.create_task(_forever(exchange.watch_balance)),
        ]
        await _streams(exchange, SPOT)
        await _spot_market(exchange)
        await _spot_orders(venue, exchange)
        await _spot_account(exchange)
        await _stop(watching)


async def _streams(exchange: Any, symbol: str, *, marks: bool = False) -> None:
    waiting = [
        exchange.watch_ticker(symbol),
        exchange.watch_ticker(symbol, {"name": "ticker"}),
        exchange.watch_ohlcv(symbol, "1m"),
        exchange.watch_order_book(symbol, 20),
        exchange.watch_bids_asks([symbol]),
    ]
    if marks:
        waiting.append(exchange.watch_mark_price(symbol))
    await _soon(asyncio.gather(*waiting))


async def _usdm_market(exchange: Any) -> None:
    await exchange.fetch_time()
    await exchange.fetch_order_book(SWAP, 20)
    await exchange.fetch_ohlcv(SWAP, "1h", limit=3)
    await exchange.fetch_ticker(SWAP)
    await exchange.fetch_tickers([SWAP])
    await exchange.fetch_bids_asks([SWAP])
    await exchange.fetch_trades(SWAP)
    await exchange.fetch_trades(SWAP, params={"fetchTradesMethod": "fapiPublicGetTrades"})
    await exchange.fetch_funding_rate(SWAP)
    await exchange.fetch_funding_rate_history(SWAP)
    await exchange.fapiPublicGetTickerPrice({"symbol": "BTCUSDT"})
    await exchange.fapiPublicGetTickerBookTicker({"symbol": "BTCUSDT"})


async def _usdm_orders(venue: BinanceServer, exchange: Any) -> None:
    bought = await exchange.create_order(SWAP, "market", "buy", 0.02, None, {"clientOrderId": "tour-market"})
    await exchange.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"timeInForce": "IOC"})
    resting = await exchange.create_order(SWAP, "limit", "buy", 0.02, 49_000, {"clientOrderId": "tour-limit"})
    await exchange.edit_order(resting["id"], SWAP, "limit", "buy", 0.03, 48_900)
    await exchange.fetch_open_orders(SWAP)
    await exchange.fetch_open_order(resting["id"], SWAP)
    venue.move("BTCUSDT", "48800", volume="0.01")
    await exchange.cancel_order(resting["id"], SWAP)
    post = {"postOnly": True, "clientOrderId": "tour-post"}
    await exchange.create_order(SWAP, "limit", "sell", 0.01, 50_500, {**post, "reduceOnly": True})
    await exchange.fetch_order("", SWAP, {"clientOrderId": "tour-post"})
    await exchange.cancel_all_orders(SWAP)
    await exchange.fetch_order(bought["id"], SWAP)
    await exchange.fetch_orders(SWAP)
    await exchange.fetch_my_trades(SWAP)
    await exchange.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 100_000})
    await exchange.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 0})


async def _usdm_algos(venue: BinanceServer, exchange: Any) -> None:
    stop = {"stopLossPrice": 48_500, "reduceOnly": True, "clientOrderId": "tour-stop"}
    stopped = await exchange.create_order(SWAP, "market", "sell", 0.01, None, stop)
    await exchange.create_order(SWAP, "limit", "sell", 0.01, 51_900, {"takeProfitPrice": 52_000})
    trailing = await exchange.create_order(SWAP, "market", "sell", 0.01, None, {"trailingPercent": 1})
    await exchange.fetch_open_orders(SWAP, params={"trigger": True})
    await exchange.fetch_order(stopped["id"], SWAP, {"trigger": True})
    await exchange.cancel_order(trailing["id"], SWAP, {"trigger": True})
    venue.move("BTCUSDT", "48400")
    await exchange.fetch_order(stopped["id"], SWAP, {"trigger": True})
    await exchange.fetch_orders(SWAP, params={"trigger": True})
    await exchange.fapiPrivateDeleteAlgoOpenOrders({"symbol": "BTCUSDT"})


async def _usdm_account(venue: BinanceServer, exchange: Any) -> None:
    venue.usdm.fund("BTCUSDT")
    await exchange.fetch_balance()
    await exchange.fetch_positions()
    await exchange.fetch_positions(params={"method": "account"})
    await exchange.fetch_leverages()
    await exchange.set_leverage(10, SWAP)
    await exchange.fetch_leverage_tiers()
    await exchange.fetch_market_leverage_tiers(SWAP)
    await exchange.fetch_position_mode()
    await exchange.fetch_funding_history(SWAP)
    await exchange.fetch_ledger()
    await exchange.fetch_trading_fee(SWAP)
    for name in (
        "V3GetAccount",
        "V2GetBalance",
        "V3GetBalance",
        "V2GetPositionRisk",
        "GetAccountConfig",
        "GetSymbolConfig",
    ):
        await getattr(exchange, f"fapiPrivate{name}")()
    await exchange.fapiPrivatePutListenKey()
    venue.usdm.account.deposit(Decimal(100))
    venue.clock.offset_ms += LIFE_MS + 1
    venue.usdm.pass_time()  # the listen key's hour is over
    venue.clock.offset_ms = 0


async def _spot_market(exchange: Any) -> None:
    await exchange.fetch_time()
    await exchange.fetch_order_book(SPOT, 20)
    await exchange.fetch_ohlcv(SPOT, "1h", limit=3)
    await exchange.fetch_ticker(SPOT)
    await exchange.fetch_tickers([SPOT])
    await exchange.fetch_bids_asks([SPOT])
    await exchange.publicGetTickerPrice({"symbol": "BTCUSDT"})
    await exchange.publicGetTickerBookTicker({"symbol": "BTCUSDT"})


async def _spot_orders(venue: BinanceServer, exchange: Any) -> None:
    venue.move("BTCUSDT", "50000")
    bought = await exchange.create_order(SPOT, "market", "buy", 0.002, None, {"clientOrderId": "spot-market"})
    resting = await exchange.create_order(SPOT, "limit", "buy", 0.001, 49_000, {"clientOrderId": "spot-limit"})
    edited = await exchange.edit_order(resting["id"], SPOT, "limit", "buy", 0.002, 48_900)
    await exchange.fetch_open_orders(SPOT)
    await exchange.fetch_order(edited["id"], SPOT)
    await exchange.create_order(SPOT, "limit", "sell", 0.001, 50_500, {"postOnly": True})
    venue.move("BTCUSDT", "48800", volume="0.001")
    stop = {"stopLossPrice": 47_000, "clientOrderId": "spot-stop"}
    stopped = await exchange.create_order(SPOT, "limit", "sell", 0.0005, 46_900, stop)
    await exchange.cancel_order(stopped["id"], SPOT)
    await exchange.cancel_all_orders(SPOT)
    await exchange.fetch_order(bought["id"], SPOT)
    await exchange.fetch_orders(SPOT)
    await exchange.fetch_my_trades(SPOT)
    await exchange.create_order(SPOT, "limit", "buy", 0.001, 40_000, {"test": True})


async def _spot_account(exchange: Any) -> None:
    await exchange.fetch_balance()
    await exchange.privateGetAccountCommission({"symbol": "BTCUSDT"})
    await exchange.privateGetRateLimitOrder()


async def _forever(watch: Any) -> None:
    while True:
        await watch()


async def _soon(waiting: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(waiting, PATIENCE)


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for error in failed:
        if error is not None:
            raise error


async def walk(folder: Path | None) -> BinanceServer:
    """The whole walk; the server afterwards, closed, with its journal."""
    async with BinanceServer(folder=folder) as venue:
        await usdm(venue)
        await spot(venue)
    return venue


def main() -> None:
    """Walk once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    asyncio.run(walk(parser.parse_args().folder))


if __name__ == "__main__":
    main()
