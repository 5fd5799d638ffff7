"""How long orders live where there are no day orders: chosen in one place, and told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brokers.order import OrderType, TimeInForce
from brokers.port import Capabilities
from core.errors import UserError
from core.trading.by_hand.grammar import read_slip
from core.trading.by_hand.intents import wanted_of
from core.trading.by_hand.slip import Verb
from core.trading.lifetimes import for_now, outlives_the_day, to_rest
from tests.core.trading.exits_stage import at_venue, enter, guarded, look
from tests.core.trading.stage import Stage

T = TimeInForce
CRYPTO = frozenset({T.GTC, T.IOC, T.FOK})


def able(*times: TimeInForce) -> Capabilities:
    return Capabilities(frozenset(OrderType), frozenset(times))


@pytest.mark.parametrize(
    ("times", "now", "rest"),
    [
        (tuple(T), T.DAY, T.GTC),
        ((T.GTC, T.IOC, T.FOK), T.GTC, T.GTC),
        ((T.DAY, T.IOC), T.DAY, T.DAY),
        ((T.IOC, T.FOK), T.IOC, T.IOC),
    ],
)
def test_what_a_venue_takes(times: tuple[TimeInForce, ...], now: TimeInForce, rest: TimeInForce) -> None:
    """The day where there is one; else until cancelled; else at once."""
    assert for_now(able(*times)) is now
    assert to_rest(able(*times)) is rest


def test_only_what_rests_and_was_for_the_day_lives_longer() -> None:
    """A market order does not rest; what was asked for is what is sent."""
    assert outlives_the_day(OrderType.LIMIT, T.DAY, able(*CRYPTO))
    assert not outlives_the_day(OrderType.MARKET, T.DAY, able(*CRYPTO))
    assert not outlives_the_day(OrderType.LIMIT, T.IOC, able(*CRYPTO))
    assert not outlives_the_day(OrderType.LIMIT, T.DAY, able(*T))


async def test_nobody_sends_a_day_order_to_a_venue_without_one(build: Any) -> None:
    """Strategies, resting stops, the engine's own way out, and hands."""
    stage = await guarded(build, {"stop_loss": {"percent": 2}}, times_in_force=CRYPTO)
    await enter(stage)
    assert [each.time_in_force for each in await at_venue(stage)] == [T.GTC]
    stage.broker.capabilities = replace(stage.broker.capabilities, order_types=frozenset({OrderType.MARKET}))
    await look(stage, 97)
    await look(stage, 97)
    assert stage.held("alpha") == 0
    assert {order.time_in_force for name, order in stage.broker.calls if name == "place"} == {T.GTC}


async def test_by_hand_what_says_nothing_rests_until_it_is_cancelled(stage: Stage) -> None:
    """What is asked for and not offered is refused."""
    stage.broker.capabilities = replace(stage.broker.capabilities, times_in_force=frozenset({T.GTC, T.IOC}))
    quote, now = stage.market.quotes["ACME"], stage.market_clock.now()
    slip = read_slip(Verb.BUY, ("ACME", "10", "limit", "90"))
    assert wanted_of(slip, stage.desk, quote, now).intent.time_in_force is T.GTC
    with pytest.raises(UserError, match="does not know"):
        wanted_of(replace(slip, time_in_force=T.FOK), stage.desk, quote, now)
