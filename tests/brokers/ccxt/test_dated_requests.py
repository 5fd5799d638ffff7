"""What is signed is dated by the venue's clock, also when that clock jumps while we are connected."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from brokers.ccxt import client
from brokers.errors import Unavailable
from tests.brokers.ccxt.rig import account

HOUR_AHEAD = 3_600_000
TIME = {"spot": "GET /api/v3/time", "usdm": "GET /fapi/v1/time"}


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_a_date_that_was_refused_is_not_used_again(tmp_path: Path, market: str) -> None:
    """-1021: nothing happened, the clock is measured, and the next order goes through, once."""
    async with account(tmp_path, market) as rig:
        rig.venue.clock.offset_ms = HOUR_AHEAD
        with pytest.raises(Unavailable, match="-1021"):
            await rig.place()
        order = await rig.place()
        assert rig.accepted(order.client_order_id) == 1
        await rig.broker.cancel_order(order.client_order_id)


async def test_a_clock_that_cannot_be_measured_does_not_keep_a_cancel(tmp_path: Path) -> None:
    """It goes out as it is, and the venue decides."""
    async with account(tmp_path, "spot") as rig:
        order = await rig.place()
        clock = rig.broker._client.clock
        assert clock is not None
        clock.distrust()
        rig.venue.script.plan(TIME["spot"], "html_502_before", times=None)
        await rig.broker.cancel_order(order.client_order_id)
        assert not clock.is_trusted


async def test_what_is_urgent_waits_for_the_clock_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the others who wait for it: a dozen cancels leave after one moment, not after a dozen."""
    monkeypatch.setattr(client, "_URGENT_PATIENCE", 1.0)
    async with account(tmp_path, "spot") as rig:
        orders = [await rig.place() for _ in range(12)]
        clock = rig.broker._client.clock
        assert clock is not None
        clock.distrust()
        rig.venue.script.plan(TIME["spot"], "hang_before", times=None, seconds=60)
        async with asyncio.timeout(10):
            await asyncio.gather(*(rig.broker.cancel_order(each.client_order_id) for each in orders))
        assert rig.venue.spot.desk.open() == []
        rig.venue.script.clear()


async def test_a_venue_that_does_not_tell_its_time_is_unavailable(tmp_path: Path) -> None:
    """Whoever connects hears what the port promises."""

    async def nothing() -> None:
        return None

    async with account(tmp_path, "spot") as rig:
        line = rig.broker._client
        assert line.clock is not None
        line.clock.distrust()
        line.exchange.fetch_time = nothing
        with pytest.raises(Unavailable, match="did not tell its time"):
            await rig.broker.connect()


async def test_a_refused_number_says_nothing_about_the_clock_where_it_is_no_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At Kraken a nonce must only grow: requests that overtake each other must not have the clock measured."""
    async with account(tmp_path, "spot") as rig:
        line = rig.broker._client
        assert line.clock is not None
        monkeypatch.setattr(type(line.dialect), "dated", False)
        rig.venue.script.plan(f"POST {rig.path}", "error", code=-1021, msg="Timestamp for this request is off.")
        with pytest.raises(Unavailable, match="-1021"):
            await rig.place()
        assert line.clock.is_trusted


async def test_an_old_measurement_is_renewed_by_a_query_and_not_by_an_order(tmp_path: Path) -> None:
    """Half an hour is what a measurement is good for."""
    async with account(tmp_path, "spot") as rig:
        clock = rig.broker._client.clock
        assert clock is not None
        assert clock._found is not None
        clock._found = replace(clock._found, at=clock._found.at - 1801)
        before = len(rig.venue.journal.requests(TIME["spot"]))
        await rig.place()
        assert len(rig.venue.journal.requests(TIME["spot"])) == before
        await rig.broker.get_open_orders()
        asked = len(rig.venue.journal.requests(TIME["spot"]))
        assert asked > before
        await rig.broker.get_open_orders()
        assert len(rig.venue.journal.requests(TIME["spot"])) == asked
