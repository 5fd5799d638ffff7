"""A position with a trailing exit at Binance, over the wire: something always rests there, and it only gets tighter."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.order import OrderType
from core.trading.protection.guard import Holder
from core.trading.protection.spec import ExitSpec
from tests.core.trading.armed import SPOT, USDM, Armed, armed

PATH = ("50000", "50500", "50400", "50300", "51000", "50990", "51010", "50900", "52000")
UNITS = "0.1"


async def follows(stage: Armed) -> list[OrderType]:
    """The kind of what rests at each price of the path: just one, of all that is held."""
    kinds = []
    for price in PATH:
        await stage.look(price)
        (order,) = await stage.rests()
        assert order.remaining == stage.rules[stage.symbol].floor_quantity(stage.net), price
        guard = stage.pipeline.protection.guard("alpha", stage.symbol)
        assert guard is not None
        assert (order.type is not OrderType.STOP) or order.stop_price == guard.stop, price
        assert guard.holder is Holder.VENUE, price
        kinds.append(order.type)
    return kinds


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
@pytest.mark.parametrize(
    ("distance", "native"),
    [({"percent": 2}, True), ({"amount": 1000}, False), ({"percent": "2.005"}, False)],
    ids=["percent", "price", "in no step"],
)
async def test_a_trailing_exit_never_leaves_the_venue_bare(
    tmp_path: Path, place: Any, distance: dict[str, Any], native: bool
) -> None:
    """In percent it is Binance's own order; what cannot be told there is a stop that follows. Nothing is refused."""
    async with armed(tmp_path, place) as stage:
        await stage.enter(UNITS, stop_loss={"percent": 5}, trailing=distance)
        kinds = await follows(stage)
        assert kinds[-1] is (OrderType.TRAILING_STOP if native else OrderType.STOP)
        assert not [row for row in await stage.orders() if row.state == "rejected"]
        assert not await stage.told("WARNING", "CRITICAL")
        await stage.look("40000")
        await stage.agrees()
        assert stage.net < stage.rules[stage.symbol].lot


@pytest.mark.parametrize(
    ("place", "route", "match"),
    [
        (SPOT, "POST /api/v3/order", {"trailingDelta": "200"}),
        (USDM, "POST /fapi/v1/algoOrder", {"type": "TRAILING_STOP_MARKET"}),
    ],
    ids=["spot", "usdm"],
)
async def test_a_trailing_stop_that_the_venue_refuses_becomes_a_stop_at_once(
    tmp_path: Path, place: Any, route: str, match: dict[str, str]
) -> None:
    """A filter that only the venue knows: the stop that made way is there again within the same look."""
    async with armed(tmp_path, place) as stage:
        said = {"code": -1013, "msg": "Filter failure: TRAILING_DELTA"}
        stage.venue.script.plan(route, "error", times=None, match=match, **said)
        await stage.enter(UNITS, stop_loss={"percent": 5}, trailing={"percent": 2})
        assert set(await follows(stage)) == {OrderType.STOP}
        refused = [row.type for row in await stage.orders() if row.state == "rejected"]
        assert refused == ["trailing_stop"]
        assert not await stage.told("CRITICAL")


async def test_another_distance_is_another_order(tmp_path: Path) -> None:
    """A person who gives more room is given it at the venue as well."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter(UNITS, trailing={"percent": 2})
        await stage.look(51000)
        (order,) = await stage.rests()
        assert order.trail_percent == 2
        await stage.pipeline.protect("alpha", stage.symbol, ExitSpec.model_validate({"trailing": {"percent": 4}}))
        await stage.look(51500)
        (order,) = await stage.rests()
        assert order.trail_percent == 4
        assert order.remaining == Decimal("0.0999")
