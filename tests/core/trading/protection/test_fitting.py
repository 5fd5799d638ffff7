"""What may rest at the venue: pure, for every mix of positions, orders and abilities."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderType, Side, TimeInForce
from brokers.port import Capabilities, TrailBy
from core.trading.protection.fitting import (
    Cancel,
    Change,
    Resting,
    Wanted,
    committed,
    covered,
    to_grow,
    to_shrink,
    wanted,
)
from core.trading.protection.guard import Guard, Leg
from core.trading.protection.spec import ExitSpec, Source

ACME = Instrument("ACME", "USD")
AT = datetime(2024, 3, 4, tzinfo=UTC)
EVERYTHING = frozenset(OrderType)
NAMES = ["alpha", "beta", "gamma"]


def able(
    *,
    oco: bool = True,
    modify: bool = True,
    types: frozenset[OrderType] = EVERYTHING,
    trails: frozenset[TrailBy] = frozenset(TrailBy),
) -> Capabilities:
    return Capabilities(types, frozenset(TimeInForce), modify=modify, reduce_only=True, oco=oco, trails=trails)


def guard(name: str = "alpha", units: int = 10, **exits: object) -> Guard:
    spec = ExitSpec.model_validate(exits or {"stop_loss": {"percent": 2}, "take_profit": {"percent": 5}})
    return Guard(name, ACME, spec, Source.SETTINGS, Decimal(units), Decimal(100), AT, f"of-{name}", best=Decimal(100))


def rests(want: Wanted, *, units: object = None, live: bool = True, number: int = 0) -> Resting:
    """An order at the venue as it was wanted."""
    quantity = want.quantity if units is None else Decimal(str(units))
    return Resting(
        ClientOrderId(f"{want.guard.strategy}-{want.leg}-{number}"),
        want.guard.strategy,
        want.leg,
        want.guard.exit_side,
        want.type,
        quantity,
        want.price,
        want.trail,
        want.oco_group,
        live,
        Decimal(0),
        want.trail_percent,
    )


def wants_of(guards: list[Guard], room: int, caps: Capabilities, closing: dict[str, Decimal] | None = None):
    return wanted(guards, Decimal(room), Side.SELL, caps, closing=closing or {}, last=Decimal(100))


def test_stop_and_target_rest_together_only_with_oco() -> None:
    """Else both could fill."""
    both = wants_of([guard()], 10, able())
    assert [(each.leg, each.oco_group) for each in both] == [(Leg.STOP, "of-alpha"), (Leg.TARGET, "of-alpha")]
    assert [each.leg for each in wants_of([guard()], 10, able(oco=False))] == [Leg.STOP]


@pytest.mark.parametrize("types", [frozenset({OrderType.MARKET}), frozenset({OrderType.MARKET, OrderType.LIMIT})])
def test_what_the_venue_does_not_offer_is_not_wanted(types: frozenset[OrderType]) -> None:
    """A lone target may be a limit order; a stop may not."""
    legs = [each.leg for each in wants_of([guard()], 10, able(types=types))]
    assert legs == ([Leg.TARGET] if OrderType.LIMIT in types else [])


def test_the_other_side_and_the_fired_are_our_engines() -> None:
    """No reduce-only order can close a short while the account is long."""
    assert wants_of([guard(units=-10)], 10, able()) == []
    assert wants_of([replace(guard(), fired=Leg.STOP)], 10, able()) == []


def test_an_order_in_doubt_is_left_alone_and_no_second_one_is_placed() -> None:
    """It is being asked about; it covers nothing."""
    (stop,) = wants_of([guard(stop_loss={"percent": 2})], 10, able())
    doubtful = rests(stop, live=False)
    assert to_shrink([stop], [doubtful], able()) == []
    assert to_grow([stop], [doubtful], able(), Decimal(10)) == []
    assert covered(stop.guard, Leg.STOP, [doubtful]) == 0


def test_a_second_copy_is_cancelled() -> None:
    """After a doubt was resolved there may be two."""
    (stop,) = wants_of([guard(stop_loss={"percent": 2})], 10, able())
    one, two = rests(stop), rests(stop, number=1)
    assert [step.order for step in to_shrink([stop], [one, two], able())] == [two]


@pytest.mark.parametrize("modify", [True, False])
def test_a_stop_that_is_too_large_or_elsewhere_moves(modify: bool) -> None:
    """By a change where the venue can, else it is cancelled, to be placed anew."""
    (stop,) = wants_of([guard(stop_loss={"percent": 2})], 4, able(modify=modify))
    (step,) = to_shrink([stop], [rests(stop, units=10)], able(modify=modify))
    assert isinstance(step, Change if modify else Cancel)
    assert not isinstance(step, Change) or step.quantity == 4


@given(
    trails=st.sets(st.sampled_from(list(TrailBy))).map(frozenset),
    distance=st.sampled_from([{"percent": 2}, {"amount": 2}, {"atr": 2}]),
    stop=st.sampled_from([None, {"percent": 1}, {"percent": 5}]),
    best=st.integers(90, 120),
    last=st.integers(80, 120),
    units=st.sampled_from([-10, 10]),
    untold=st.booleans(),
)
def test_a_trailing_exit_is_told_as_the_venue_takes_it_or_a_stop_follows(
    trails, distance, stop, best, last, units, untold
):
    """Whatever a venue takes, the nearer of both stops rests there, never looser than ours."""
    exits = {"trailing": distance} if stop is None else {"trailing": distance, "stop_loss": stop}
    one = replace(guard(units=units, **exits), best=Decimal(best), atr=Decimal(1))
    side, caps = (Side.SELL if units > 0 else Side.BUY), able(trails=trails)
    episodes = {one.episode} if untold else set()
    (want,) = wanted([one], Decimal(10), side, caps, closing={}, last=Decimal(last), untold=episodes)
    if want.type is OrderType.STOP:
        assert want.price == one.stop
        return
    assert want.type is OrderType.TRAILING_STOP
    assert not untold
    assert (TrailBy.PRICE if want.trail is not None else TrailBy.PERCENT) in trails
    assert (want.trail is None) != (want.trail_percent is None)
    assert want.trail_percent is None or distance == {"percent": want.trail_percent}
    away = want.trail or last * want.trail_percent / 100
    assert (ACME.round_price(last - away * one.sign) - one.stop) * one.sign >= 0


@given(
    units=st.lists(st.integers(-20, 20), min_size=3, max_size=3),
    closing=st.lists(st.integers(0, 25), min_size=3, max_size=3),
    room=st.integers(0, 40),
    oco=st.booleans(),
    modify=st.booleans(),
    there=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30), st.booleans()), max_size=6),
)
def test_whatever_is_there_the_steps_never_add_up_to_more_than_the_room(units, closing, room, oco, modify, there):
    """Every step is done in its order; what could not be there before may not come in addition."""
    caps = able(oco=oco, modify=modify)
    guards = [guard(name, count) for name, count in zip(NAMES, units, strict=True) if count]
    wants = wants_of(guards, room, caps, dict(zip(NAMES, map(Decimal, closing), strict=True)))
    for each in wants:
        position = units[NAMES.index(each.guard.strategy)]
        assert 0 < each.quantity <= position - closing[NAMES.index(each.guard.strategy)]
    orders = [
        rests(wants[pick % len(wants)], units=size, live=live, number=number)
        for number, (pick, size, live) in enumerate(there)
        if wants
    ]
    for step in to_shrink(wants, orders, caps):
        orders = _done(orders, step)
    assert committed(orders, Side.SELL) <= room
    for step in to_grow(wants, orders, caps, Decimal(room)):
        orders = [*orders, rests(step, number=99)] if isinstance(step, Wanted) else _done(orders, step)
        assert committed(orders, Side.SELL) <= room


def _done(orders: list[Resting], step: Cancel | Change) -> list[Resting]:
    if isinstance(step, Cancel):
        return [each for each in orders if each.id != step.order.id]
    quantity = step.order.quantity if step.quantity is None else step.quantity
    return [replace(each, quantity=quantity, price=step.price) if each.id == step.order.id else each for each in orders]
