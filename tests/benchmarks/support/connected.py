"""The program's code with some venues connected, in a process of its own: what it takes of memory and time.

`python -m tests.benchmarks.support.connected JSON` with {"port", "ca", "ways": ["live", "live", "demo" …], "bare": bool,
"folder"}; prints JSON. A way is the mode of one more account at Binance; accounts of one mode share their markets,
those of different modes share nothing. `bare`: ccxt.pro as anybody would use it, in place of our adapter.

Nothing is imported here but what the program imports itself, or it would be counted.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import bot.program  # noqa: F401 (the whole program: what comes on top of it is measured)
from brokers.network import Network
from brokers.registry import BrokerContext, BrokerFactory
from core.clock import SystemClock
from core.engine import Engine  # noqa: F401

MIB = 1024
MODES = ("live", "testnet", "demo")


async def main(told: dict[str, Any]) -> dict[str, Any]:
    """Connect all ways, one after the other, and look."""
    before = memory("VmRSS")
    loaded = [name for name in ("ccxt", "aiohttp") if name in sys.modules]
    network = way_to(told["port"], told["ca"]) if told["ways"] else None
    open_ = [await (bare if told["bare"] else ours)(network, told, place) for place in range(len(told["ways"]))]
    gc.collect()
    found = {
        "before": before,
        "rss": memory("VmRSS"),
        "peak": memory("VmHWM"),
        "seconds": [seconds for seconds, _, _ in open_],
        "markets": [markets for _, markets, _ in open_],
        "loaded": loaded,
    }
    for _, _, close in open_:
        await close()
    return found


async def ours(network: Any, told: dict[str, Any], place: int) -> tuple[float, int, Any]:
    """One more account on our adapter."""
    mode = told["ways"][place]
    context = BrokerContext(Path(told["folder"]), SystemClock().now, symbols=("BTC/USDT",), network=network)
    raw = {"adapter": "binance", "market": "spot", "mode": mode, **key_of(mode)}
    broker: Any = BrokerFactory(context).build(f"account{place}", raw)
    begin = time.perf_counter()
    await broker.connect()
    return time.perf_counter() - begin, len(broker._client.exchange.markets), broker.disconnect


async def bare(network: Any, told: dict[str, Any], place: int) -> tuple[float, int, Any]:
    """One more object of ccxt.pro, which asks for the same: markets, balance, orders by stream."""
    begin = time.perf_counter()
    import aiohttp
    import ccxt.pro

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=network.resolver, ssl=network.ssl))
    key = key_of(told["ways"][place])
    options = {
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
    }
    made = ccxt.pro.binance({"apiKey": key["api_key"], "secret": key["secret"], "session": session, "options": options})
    made.ssl_context, made.timeout_on_exit = network.ssl, 0
    await made.load_markets()
    await made.fetch_open_orders("BTC/USDT")
    watching = asyncio.ensure_future(made.watch_orders("BTC/USDT"))
    while not made.clients:
        await asyncio.sleep(0.01)

    async def close() -> None:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await made.close()
        await session.close()

    return time.perf_counter() - begin, len(made.markets), close


def key_of(mode: str) -> dict[str, str]:
    """The first key that the venue server gives out for a mode (`tests.venues.binance.keys`)."""
    number = MODES.index(mode)
    api_key, secret = (sha256(f"{what} {mode} {number}".encode()).hexdigest() for what in ("key", "secret"))
    return {"api_key": api_key, "secret": secret}


def way_to(port: int, ca: str) -> Network:
    """As `tests.venues.loopback.network`, without the library that makes its certificates."""
    import socket
    import ssl

    from aiohttp.abc import AbstractResolver, ResolveResult

    class Loopback(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            del family
            return [ResolveResult(hostname=host, host="127.0.0.1", port=here, family=socket.AF_INET, proto=0, flags=0)]

        async def close(self) -> None:
            """Nothing is held."""

    here = port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    return Network(resolver=Loopback(), ssl=context)


def memory(name: str) -> float:
    """MiB of this process, as the kernel tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / MIB


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
