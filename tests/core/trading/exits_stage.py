"""A desk whose strategies have exits, on a line that may fail, and short words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokers.order import OrderReport
from core.store.models import AlertRow
from core.trading.live_order import LiveOrder
from core.trading.protection.spec import ExitSpec
from tests.core.trading.stage import Stage, Strategies

STOP = {"stop_loss": {"percent": 2}}
BRACKET = {"stop_loss": {"percent": 2}, "take_profit": {"percent": 5}}


def spec(exits: Mapping[str, Any] | None) -> ExitSpec | None:
    """Exits as the settings say them."""
    return None if exits is None else ExitSpec.model_validate(exits)


def without(stage: Stage, *abilities: str) -> None:
    """From now on the venue does not offer these."""
    stage.broker.capabilities = replace(stage.broker.capabilities, **dict.fromkeys(abilities, False))


async def guarded(
    build: Any, exits: Mapping[str, Any] | None, *names: str, lacks: Sequence[str] = (), **options: Any
) -> Stage:
    """A running desk with ACME at 100, whose strategies all have `exits`, on a venue that `lacks` abilities."""
    free = {"slippage": {"model": "fixed", "value": 0}}
    stage: Stage = await build(strategies=Strategies(*(names or ("alpha",))), **{**free, **options})
    for each in stage.strategies.instances.values():
        each.exits = spec(exits)
    without(stage, *lacks)
    await stage.start()
    await stage.tick(100, spread=0)
    return stage


async def look(stage: Stage, price: object, symbol: str = "ACME", **more: Any) -> None:
    """The market moves on by a second, without a spread, and the exits are looked after, as in a round."""
    await stage.tick(price, symbol, spread=0, **more)
    await stage.pipeline.keep()
    await stage.broker.settled()


async def enter(stage: Stage, name: str = "alpha", units: int = 10, price: object = 100) -> None:
    """A strategy comes to hold `units`."""
    stage.strategies.want(name, 1.0 if units > 0 else -1.0)
    stage.strategies.instances[name].units = abs(units)
    await look(stage, price)
    await stage.bar()
    await look(stage, price)
    assert stage.held(name) == units


async def at_venue(stage: Stage) -> list[OrderReport]:
    """What really rests at the venue."""
    return list(await stage.paper.get_open_orders())


def exits_of(stage: Stage) -> list[LiveOrder]:
    """Our stops and targets, as we know them."""
    return [each for each in stage.desk.orders.open_orders if each.is_resting_exit]


async def shape(stage: Stage) -> list[tuple[str, Decimal, Decimal | None]]:
    """Every order at the venue as (type, units left, stop price)."""
    return [(each.type.value, each.remaining, each.stop_price) for each in await at_venue(stage)]


async def critical(stage: Stage) -> list[str]:
    """The titles of all critical alerts."""
    del stage
    return [row.title for row in await AlertRow.filter(severity="CRITICAL").order_by("id")]
