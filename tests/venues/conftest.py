"""A venue for each test, and ccxt exchange objects, unmodified but for their rounding, that take it for Binance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from brokers.ccxt.decimals import keep_to_itself
from brokers.network import Network
from tests.unhurried import unhurried, unhurried_loop
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.keys import Key

__all__ = ["Connect", "binance", "connect", "open_exchange", "unhurried", "unhurried_loop", "venue"]

Connect = Callable[..., Awaitable[Any]]
SPOT_ONLY = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}


@pytest.fixture
async def venue() -> AsyncIterator[BinanceServer]:
    """A Binance of its own."""
    async with BinanceServer() as server:
        yield server


async def open_exchange(stack: AsyncExitStack, network: Network, key: Key | None, **config: Any) -> Any:
    """ccxt's own Binance, production addresses and all; only resolver and CA are ours."""
    connector = aiohttp.TCPConnector(resolver=network.resolver, ssl=network.ssl)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    keys = {} if key is None else {"apiKey": key.api_key, "secret": key.secret}
    options = {**SPOT_ONLY, **config.pop("options", {})}
    exchange = ccxt.pro.binance({**keys, "session": session, "enableRateLimit": False, "options": options, **config})
    exchange.ssl_context = network.ssl
    exchange.timeout_on_exit = 0
    keep_to_itself(exchange)
    stack.push_async_callback(exchange.close)
    return exchange


@pytest.fixture
async def connect(venue: BinanceServer) -> AsyncIterator[Connect]:
    """Makes exchange objects: `await connect()` has the live key, `key=None` none; `load=False` loads no markets."""
    async with AsyncExitStack() as stack:

        async def make(key: Key | str | None = "live", *, load: bool = True, **config: Any) -> Any:
            found = venue.keys.of(key) if isinstance(key, str) else key
            exchange = await open_exchange(stack, venue.network, found, **config)
            if load:
                await exchange.load_markets()
            return exchange

        yield make


@pytest.fixture
async def binance(connect: Connect) -> Any:
    """A spot client with the live key and its markets loaded."""
    return await connect()
