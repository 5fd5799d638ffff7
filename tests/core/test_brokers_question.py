"""What `/brokers` shows of a running program: every account that the reader may see, and the feeds with a connection of their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.health import Breaker
from brokers.network import Network
from core.access.roles import Actor, Role
from core.engine import Engine
from core.service import Quarterdeck
from core.store.models import AlertRow
from tests.core.test_broker_check import settings as made_settings
from tests.core.test_floor import house, settings
from tests.venues.binance.app import BinanceServer


async def test_accounts_that_the_reader_may_see(tmp_path: Path) -> None:
    """A paper account is connected, and has nothing to measure."""
    async with house(settings(tmp_path)) as made:
        every = await made.service.brokers()
        assert [(each.name, each.adapter, each.mode, each.connected, each.is_live) for each in every] == [
            ("fund", "paper", "paper", True, False), ("main", "paper", "paper", True, False),
        ]  # fmt: skip
        assert not any(each.health.calls or each.is_feed for each in every)
        reader = Actor("2", "Eve", Role.VIEWER, {"fund": None})
        assert [each.name for each in await made.service.brokers(made.service.seen_by(reader))] == ["main"]
        await made.desk("main").broker.disconnect()
        assert [each.connected for each in await made.service.brokers()] == [True, False]


@pytest.fixture
def paper() -> dict[str, Any]:
    return {"adapter": "paper", "currency": "USDT", "initial_cash": "1000"}


async def test_a_feed_over_the_wire_and_a_ban_on_it(tmp_path: Path, paper: dict[str, Any]) -> None:
    """A real connection is measured; a ban is told, wakes nobody, and shows."""
    raw = {"adapter": "binance", "market": "spot", "mode": "live", "timeout_seconds": 2}
    given = made_settings(tmp_path, paper, source="live", symbols=["BTC/USDT"], feeds=[raw])
    async with BinanceServer() as venue:
        engine = Engine(given, durable=False, network=venue.network)
        await engine.start()
        try:
            service = Quarterdeck(engine)
            feed = await _well(service, venue.network)
            assert (feed.name, feed.adapter, feed.mode, feed.is_feed, feed.is_live) == (
                "binance", "binance", "live", True, False,
            )  # fmt: skip
            calls = feed.health.calls["market"]
            assert calls.count > 0
            assert calls.p50 is not None
            assert feed.health.breaker is Breaker.CLOSED
            assert feed.health.clock_offset is not None
            assert abs(feed.health.clock_offset) < timedelta(seconds=1)
            assert 0 < (feed.health.used or 0) < 0.2
        finally:
            await engine.stop()
        assert await AlertRow.filter(kind="connection").count() == 0 if engine else True


async def _well(service: Quarterdeck, network: Network) -> Any:
    """The feed, once it is connected."""
    import asyncio

    del network
    for _ in range(200):
        found = [each for each in await service.brokers() if each.is_feed]
        if found and found[0].connected and found[0].health.calls:
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError("the feed did not connect")
