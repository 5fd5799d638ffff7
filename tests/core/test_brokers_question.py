"""What `/brokers` shows of a running program: accounts that the reader may see, and feeds that are connected themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from brokers.errors import Unavailable
from brokers.health import Breaker
from core.access.roles import Actor, Role
from core.engine import Engine
from core.service import Quarterdeck
from core.venue_watch import troubles
from core.views import BrokerView
from tests.core.test_broker_check import settings as made_settings
from tests.core.test_floor import house, settings
from tests.venues.binance.app import BinanceServer

FEED = {"adapter": "binance", "market": "spot", "mode": "live", "timeout_seconds": 2}
PAPER = {"adapter": "paper", "currency": "USDT", "initial_cash": "1000"}


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


async def test_a_feed_over_the_wire_and_a_ban_on_it(tmp_path: Path) -> None:
    """A real connection is measured; a ban shows, and is a trouble that is told."""
    given = made_settings(tmp_path, PAPER, source="live", symbols=["BTC/USDT"], feeds=[FEED])
    async with BinanceServer() as venue:
        engine = Engine(given, durable=False, network=venue.network)
        await engine.start()
        try:
            service = Quarterdeck(engine)
            feed = await _feed(service, lambda each: each.connected and bool(each.health.streams))
            assert (feed.name, feed.adapter, feed.mode, feed.is_live) == ("binance", "binance", "live", False)
            health = feed.health
            assert health.calls["market"].p50 is not None
            assert health.breaker is Breaker.CLOSED
            assert health.clock_offset is not None
            assert abs(health.clock_offset) < timedelta(seconds=5)
            assert 0 < (health.used or 0) < 0.2
            venue.limits.stop("api", 600, 418)
            with pytest.raises(Unavailable):
                await engine.feeds[0].bars("BTC/USDT", until=engine.clock.now(), count=5, period=timedelta(days=1))
            banned = await _feed(service, lambda each: each.health.banned_until is not None)
            found = troubles("binance", banned.health, engine.clock.now(), open_orders=None)
            assert "ban" in [each.what for each in found]
        finally:
            await engine.stop()


async def _feed(service: Quarterdeck, wanted: Callable[[BrokerView], bool]) -> BrokerView:
    """The feed, once it is as `wanted`."""
    async with asyncio.timeout(30):
        while True:
            found = next(each for each in await service.brokers() if each.is_feed)
            if wanted(found):
                return found
            await asyncio.sleep(0.01)
