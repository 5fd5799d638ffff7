"""Changing an order of USDT-M futures in its place, and what is left of it when that is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from brokers.errors import Rejected
from brokers.order import VenueOrderState
from tests.brokers.ccxt.rig import account
from tests.venues.binance import faults
from tests.venues.binance.errors import Refusal

ROUTE = "PUT /fapi/v1/order"


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_post_only_order_that_would_take_is_told_to_have_ended(
    tmp_path: Path, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binance cancels it when it is changed so, whether it calls that an answer or a refusal."""
    refusal = Refusal(-5022, "Due to the order could not be executed as maker, it was rejected.")
    monkeypatch.setitem(faults.REST, "refused and done", faults.Mischief(True, faults.Manner.ANSWER, 400, refusal))
    async with account(tmp_path, "usdm") as rig:
        resting = await rig.place(post_only=True)
        if is_refused:
            rig.venue.script.plan(ROUTE, "refused and done")
        told = await rig.broker.modify_order(resting.client_order_id, limit_price=Decimal(51_000))
        assert told.state is VenueOrderState.CANCELLED
        assert ("maker" in told.reason) is is_refused
        assert await rig.broker.get_open_orders() == ()


@pytest.mark.parametrize("lost", [False, True])
async def test_a_change_that_is_refused_leaves_the_order_as_it_was(tmp_path: Path, lost: bool) -> None:
    """That is what is told, also where nobody can look whether it is still there."""
    async with account(tmp_path, "usdm") as rig:
        resting = await rig.place()
        rig.venue.script.plan(ROUTE, "error", code=-4131, msg="The counterparty's best price does not meet the limit.")
        if lost:
            rig.venue.script.plan("GET /fapi/v1/order", "html_502_before", skip=1)
        with pytest.raises(Rejected, match="PRICE_FILTER"):
            await rig.broker.modify_order(resting.client_order_id, limit_price=Decimal(48_000))
        assert [each.limit_price for each in await rig.broker.get_open_orders()] == [Decimal(49_000)]
