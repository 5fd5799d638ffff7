"""What is signed is dated by the venue's clock, also when that clock jumps while we are connected."""

from __future__ import annotations

from pathlib import Path

import pytest

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


async def test_an_old_measurement_is_renewed_by_a_query_and_not_by_an_order(tmp_path: Path) -> None:
    """Half an hour is what a measurement is good for."""
    async with account(tmp_path, "spot") as rig:
        clock = rig.broker._client.clock
        assert clock is not None
        assert clock._measured_at is not None
        clock._measured_at -= 1801
        before = len(rig.venue.journal.requests(TIME["spot"]))
        await rig.place()
        assert len(rig.venue.journal.requests(TIME["spot"])) == before
        await rig.broker.get_open_orders()
        asked = len(rig.venue.journal.requests(TIME["spot"]))
        assert asked > before
        await rig.broker.get_open_orders()
        assert len(rig.venue.journal.requests(TIME["spot"])) == asked
