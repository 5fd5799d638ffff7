"""ccxt misses a pong by the wall clock: at a quick pace it has missed two when the machine stands still for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest

from brokers.ccxt.loading import load_exchange_class


@pytest.fixture(autouse=True)
async def pongs_by_the_loop() -> AsyncIterator[None]:
    """For every test of a folder whose conftest.py imports it: pongs are missed by the loop's time."""
    load_exchange_class("binance")
    from ccxt.async_support.base.ws import client

    loop = asyncio.get_running_loop()

    class Exchange(client.Exchange):  # type: ignore[misc, name-defined]
        milliseconds = staticmethod(lambda: int(loop.time() * 1000))

    with patch.object(client, "Exchange", Exchange):
        yield
