"""A person closes at Binance what has a stop resting there: the stop makes room, so it does not count against the close."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.order import Side
from core.trading.by_hand.room import with_room
from risk.gate import RiskGate
from tests.core.trading.armed import SPOT, USDM, armed
from tests.core.trading.by_hand.house import House
from tests.core.trading.stage import WIDE
from tests.risk.builders import account, buy, held, sell, working

FEW = {"max_order_value": Decimal(1_000), "max_order_value_percent": Decimal(1)}


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
@pytest.mark.parametrize("part", ["", "half"])
async def test_a_protected_position_above_the_largest_order_can_be_closed(
    tmp_path: Path, place: Any, part: str
) -> None:
    """What only reduces is exempt from the size of one order, with a stop at the venue as without."""
    async with armed(tmp_path, place) as stage:
        await stage.enter("0.5", stop_loss={"percent": 5})
        await stage.look(50_000)
        assert len(await stage.rests()) == 1
        stage.desk.gate = RiskGate(WIDE.model_copy(update=FEW))
        held = stage.net
        one = House(stage)  # type: ignore[arg-type]
        preview = await one.say(f"close {stage.symbol} alpha {part}")
        assert preview.code == "", preview.objection
        placed = await one.yes(preview)
        assert placed.order, placed.preview
        await stage.agrees()
        left = held - preview.quantity
        assert stage.net == left
        await stage.look(50_000)
        rest = sum((each.remaining for each in await stage.rests()), Decimal(0))
        assert rest <= left


def test_what_gives_way_to_a_close() -> None:
    """A stop of the same symbol on the same side; not one in doubt, another order, or anything for an entry."""
    stop = working(Side.SELL, 10, resting_exit=True)
    others = (
        replace(stop, uncertain=True), replace(stop, symbol="MSFT"), replace(stop, resting_exit=False),
        working(Side.BUY, 10, resting_exit=True),
    )  # fmt: skip
    view = account(held(10), working=(stop, *others))
    assert with_room(view, sell(10)).working == others
    assert with_room(view, buy(10)) is view
