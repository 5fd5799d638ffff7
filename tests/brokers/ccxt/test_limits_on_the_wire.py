"""Limits, clock and session with the real ccxt, against Binance on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.clock import VenueClock
from brokers.ccxt.limits import BINANCE_SPOT, Limits
from brokers.ccxt.loading import load_errors, load_exchange_class
from brokers.ccxt.session import open_session, ssl_of
from brokers.errors import Unavailable
from brokers.order import VenueOrderState
from tests.brokers.ccxt.rig import account
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.limits import Window

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_TEN_YEARS = 3650 * 86_400_000


class Wire:
    """One exchange object on its own session, its limits and its clock."""

    def __init__(self, venue: BinanceServer) -> None:
        self.venue = venue
        self.session = open_session(venue.network)
        keys = {"apiKey": venue.key.api_key, "secret": venue.key.secret}
        self.exchange: Any = load_exchange_class("binance")({**keys, "session": self.session})
        self.exchange.ssl_context, self.exchange.timeout_on_exit = ssl_of(venue.network), 0
        self.limits = Limits(BINANCE_SPOT, now=lambda: NOON)
        self.limits.attach(self.exchange)
        self.clock = VenueClock(self.exchange)

    async def close(self) -> None:
        await self.exchange.close()
        await self.session.close()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with BinanceServer() as venue:
        made = Wire(venue)
        yield made
        await made.close()


async def test_the_venues_own_count_is_heard(wire: Wire) -> None:
    """Ours is never behind it, also when somebody else at the same address uses half of the limit."""
    for _ in range(5):
        await wire.exchange.publicGetExchangeInfo()
        assert wire.limits.used >= told(wire) / 6000 - 1e-6
    assert 5 * 20 / 6000 <= wire.limits.used < 0.05
    wire.venue.limits.budgets["api"].weight.count += 3000
    await wire.exchange.publicGetPing()
    assert wire.limits.used == pytest.approx(told(wire) / 6000, abs=0.03)
    assert wire.limits.used > 0.5


def told(wire: Wire) -> int:
    headers = {name.lower(): value for name, value in wire.exchange.last_response_headers.items()}
    return int(headers["x-mbx-used-weight-1m"])


@pytest.mark.parametrize("status", [429, 418])
async def test_a_ban_ends_all_requests_before_they_are_sent(wire: Wire, status: int) -> None:
    """The venue hears nothing more from us; asking on is what makes bans longer."""
    wire.venue.limits.stop("api", 30, status)
    with pytest.raises(load_errors().DDoSProtection):
        await wire.exchange.publicGetTime()
    until = wire.limits.banned_until
    assert until is not None
    assert timedelta(seconds=28) <= until - NOON <= timedelta(seconds=31)
    heard = len(wire.venue.journal.requests())
    for kind in ("query", "place", "cancel"):
        with pytest.raises(Unavailable, match="wants no requests until"):
            async with wire.limits.turn(kind):
                pytest.fail("nothing may be sent")
    with pytest.raises(Unavailable):
        await wire.exchange.publicGetTime()
    assert len(wire.venue.journal.requests()) == heard


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
@pytest.mark.parametrize("tells_when", [True, False])
async def test_too_many_new_orders_stop_no_cancel(tmp_path: Path, market: str, tells_when: bool) -> None:
    """-1015, for whatever order of this account: a kill goes on, and new orders wait until the venue takes them."""
    async with account(tmp_path, market) as rig:
        resting = await rig.place()
        site = "fapi" if market == "usdm" else "api"
        if tells_when:
            rig.venue.limits.of(site).orders_1d = Window(_TEN_YEARS, 0)
        else:
            rig.venue.script.plan(f"POST {rig.path}", "code_1015")
        for _ in range(2):
            with pytest.raises(Unavailable):
                await rig.place()
        heard = len(rig.venue.journal.requests())
        with pytest.raises(Unavailable, match="there is room again in"):
            await asyncio.wait_for(rig.broker.place_order(rig.request()), 8)
        assert len(rig.venue.journal.requests()) == heard
        assert rig.broker.health.banned_until is None
        assert (await rig.broker.cancel_order(resting.client_order_id)).state is VenueOrderState.CANCELLED
        assert await rig.broker.get_open_orders() == ()


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
async def test_a_cancel_may_use_the_reserve_for_what_it_has_to_ask(tmp_path: Path, market: str) -> None:
    """Which order it is that this process has never seen, and what was filled of it."""
    async with account(tmp_path, market) as rig:
        resting = await rig.place()
        rig.broker._known.forget(resting.client_order_id)
        rig.venue.limits.budgets["fapi" if market == "usdm" else "api"].weight.count += (
            2000 if market == "usdm" else 5000
        )
        await rig.broker.inspect()
        with pytest.raises(Unavailable, match="rate limit is used up"):
            await rig.broker.get_open_orders()
        assert (await rig.broker.cancel_order(resting.client_order_id)).state is VenueOrderState.CANCELLED


async def test_what_waits_for_room_when_the_connection_is_closed_was_not_sent(tmp_path: Path) -> None:
    """A program that is stopped leaves no order in doubt that never left it."""
    async with account(tmp_path, "spot") as rig:
        limits = rig.broker._client.limits
        assert limits is not None
        for _, budget in limits._orders[:1]:
            budget.full(0.2)
        waiting = asyncio.create_task(rig.broker.place_order(rig.request()))
        await asyncio.sleep(0)
        await rig.broker.disconnect()
        with pytest.raises(Unavailable, match="not sent"):
            await waiting
        assert not rig.venue.journal.requests("POST /api/v3/order")


@pytest.mark.parametrize("ahead", [10_000, -10_000])
async def test_a_clock_that_is_off_is_corrected(wire: Wire, ahead: int) -> None:
    """Without that the venue refuses what we sign (-1021); with it, it does not."""
    wire.venue.clock.offset_ms = ahead
    with pytest.raises(load_errors().InvalidNonce):
        await wire.exchange.privateGetAccount()
    await wire.clock.tend(wire.exchange.fetch_time)
    assert wire.clock.offset is not None
    assert wire.clock.offset / timedelta(milliseconds=1) == pytest.approx(ahead, abs=1000)
    assert (await wire.exchange.privateGetAccount())["canTrade"] is True


async def test_the_venues_name_must_be_on_its_certificate(wire: Wire) -> None:
    """The session believes nobody who cannot show it."""
    session = open_session(type(wire.venue.network)(resolver=wire.venue.network.resolver))
    try:
        with pytest.raises(OSError, match="certificate"):
            await session.get("https://api.binance.com/api/v3/ping")
    finally:
        await session.close()
