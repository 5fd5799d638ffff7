"""The certificates of the system: thousands of lines that are read once, while everybody else goes on."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from brokers.ccxt import session
from brokers.errors import Unavailable
from brokers.network import OPEN, Network
from brokers.registry import BrokerContext, BrokerFactory
from tests.venues.binance.app import BinanceServer


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_nobody_is_followed_elsewhere(status: int) -> None:
    """Whoever stands at the other address would get the key, and the order a second time."""
    asked = list[str]()

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with session.open_session(OPEN) as ours:
        with pytest.raises(aiohttp.ClientError, match="elsewhere"):
            await ours.post(f"http://{host}:{port}/order", headers={"X-MBX-APIKEY": "a key"})
    await runner.cleanup()
    assert asked == ["/order"]


async def test_certificates_are_read_once_and_on_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a connection is made; who is not among them is not believed."""
    read, make = list[str](), ssl.create_default_context

    def slow() -> ssl.SSLContext:
        read.append(threading.current_thread().name)
        return make()

    session._of_the_system.cache_clear()
    monkeypatch.setattr(ssl, "create_default_context", slow)
    async with BinanceServer() as venue:
        context = BrokerContext(
            tmp_path, lambda: datetime.now(UTC), symbols=("BTC/USDT",), network=Network(venue.network.resolver)
        )
        for name in ("one", "two"):
            broker = BrokerFactory(context).build(name, {"adapter": "binance", "mode": "live"})
            with pytest.raises(Unavailable, match="certificate is not trusted"):
                await broker.connect()
    assert len(read) == 1
    assert read != [threading.main_thread().name]
