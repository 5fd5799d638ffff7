"""A venue that changes its rules while a position is held: what protects it follows them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from brokers.order import OrderType
from tests.core.trading.armed import SPOT, Armed, armed


def learn(stage: Armed, **new: Decimal) -> None:
    """The venue trades by them, the adapter has asked, and the books have learnt them."""
    listings, ours = stage.venue.spot.listings, stage.broker._line.instruments
    listings["BTCUSDT"] = replace(listings["BTCUSDT"], **new)
    ours[stage.symbol] = replace(ours[stage.symbol], **new)
    stage.desk.portfolio.instruments.update(ours)


async def test_a_stop_that_follows_keeps_to_a_coarser_tick(tmp_path: Path) -> None:
    """It would be refused at the old one, after the stop before it was cancelled."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.1", stop_loss={"percent": 5}, trailing={"amount": "1000.03"})
        await stage.look(50_000)
        learn(stage, tick=Decimal(1))
        for price in (50_500, 51_000):
            stage.market_clock.advance(400)
            await stage.look(price)
            (order,) = await stage.rests()
            assert order.type is OrderType.STOP
            assert order.stop_price is not None
            assert order.stop_price % 1 == 0
        assert order.stop_price > 49_900
        assert await stage.told("CRITICAL") == []
