"""Somebody who trades in the venue's own app: the same account, and no client of ours."""

from __future__ import annotations

import time
from typing import Any

import aiohttp

from tests.venues.binance.app import BinanceServer
from tests.venues.binance.keys import Key


async def order_by_hand(venue: BinanceServer, key: Key, url: str = "", **params: Any) -> dict[str, Any]:
    """Place an order at the spot testnet, or at `url`; what the venue answers. The venue makes up its client id."""
    told = {**params, "timestamp": time.time_ns() // 1_000_000}
    query = "&".join(f"{name}={value}" for name, value in told.items())
    signed = f"{url or 'https://testnet.binance.vision/api/v3/order'}?{query}&signature={key.signature(query.encode())}"
    connector = aiohttp.TCPConnector(resolver=venue.network.resolver, ssl=venue.network.ssl or True)
    headers = {"X-MBX-APIKEY": key.api_key}
    async with (
        aiohttp.ClientSession(connector=connector, raise_for_status=True, headers=headers) as session,
        session.post(aiohttp.client.URL(signed, encoded=True)) as response,
    ):
        answer: dict[str, Any] = await response.json()
        return answer
