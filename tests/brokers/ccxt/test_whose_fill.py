"""Whose an execution is, where the venue's list of executions does not tell it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from brokers.errors import Unavailable
from brokers.order import OrderType
from tests.brokers.ccxt.rig import LONG_AGO, account


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_an_execution_whose_order_is_not_to_be_seen_yet_is_no_strangers(tmp_path: Path, market: str) -> None:
    """It would be booked as somebody else's, and ours could never be booked any more."""
    async with account(tmp_path, market) as rig:
        await rig.place(oid="qd-mine", type=OrderType.MARKET)
        await rig.again()
        since = datetime.now(UTC) - LONG_AGO
        rig.venue.script.plan(f"GET {rig.path}", "lagging", times=None, seconds=60)
        with pytest.raises(Unavailable, match="not to be seen yet"):
            await rig.broker.get_fills(since)
        rig.venue.script.clear()
        assert [fill.client_order_id for fill in await rig.broker.get_fills(since)] == ["qd-mine"]
