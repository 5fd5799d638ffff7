"""A conditional order of USDT-M futures that wakes while we look: it is in one list or in the other, never in neither."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.lookup import Lookup
from brokers.order import OrderType, VenueOrderState
from tests.brokers.ccxt.rig import account


@pytest.mark.parametrize("wakes_after", [1, 2])
async def test_a_stop_that_wakes_between_the_lists_is_listed_once(
    tmp_path: Path, wakes_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who kills would believe that nothing is open; who adds up would count it twice."""
    async with account(tmp_path, "usdm") as rig:
        stop = {"type": OrderType.STOP_LIMIT, "stop_price": Decimal(51_000), "limit_price": Decimal(50_500)}
        placed, lists, listed = await rig.place(**stop), Lookup._all_open, list[Any]()

        async def slow_list(lookup: Lookup, call: Any) -> Any:
            listed.append(await lists(lookup, call))
            if len(listed) == wakes_after:
                rig.venue.move("BTCUSDT", Decimal(51_100))
            return listed[-1]

        monkeypatch.setattr(Lookup, "_all_open", slow_list)
        for _ in range(2):
            (found,) = await rig.broker.get_open_orders()
            assert (found.client_order_id, found.type) == (placed.client_order_id, OrderType.STOP_LIMIT)
            assert found.state is VenueOrderState.WORKING
        assert found.venue_order_id != placed.venue_order_id
        assert (await rig.broker.cancel_order(placed.client_order_id)).state is VenueOrderState.CANCELLED
