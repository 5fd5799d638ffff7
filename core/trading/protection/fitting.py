"""Which stops and targets may rest at the venue, and what must change for it. Pure.

At the venue there is one net position. What rests there never exceeds it less the other open exits, whatever the
strategies hold; the rest is guarded by our engine. Both a stop and a target rest there only if the venue itself lets
one cancel the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderType, Side
from brokers.port import Capabilities, TrailBy
from core.trading.dust import too_little
from core.trading.live_order import LiveOrder
from core.trading.protection.guard import Guard, Leg
from core.trading.states import OrderState

_LIVE = frozenset({OrderState.WORKING, OrderState.PARTIALLY_FILLED})
_ROLE = "exit:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stop or target that is to rest at the venue."""

    guard: Guard
    leg: Leg
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None  # stop price, or limit price of a target that is a limit order
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    oco_group: str = ""

    @property
    def role(self) -> str:
        """What its order is known by."""
        return role_of(self.leg, self.guard.episode)


@dataclass(frozen=True, slots=True)
class Resting:
    """A stop or target of ours that may be at the venue. Only one that is `live` protects anything."""

    id: ClientOrderId
    strategy: str
    leg: Leg
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    trail: Decimal | None
    oco_group: str
    live: bool
    filled: Decimal
    trail_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take it away."""

    order: Resting
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """Give a resting order another size or price."""

    order: Resting
    quantity: Decimal | None
    price: Decimal | None
    reason: str


Step = Cancel | Change


def role_of(leg: Leg, episode: str) -> str:
    """What the orders of a leg of one position are known by."""
    return f"{_ROLE}{leg}:{episode}"


def leg_of(role: str) -> Leg | None:
    """The leg of an order with that role; None for an order that is no exit of ours."""
    return Leg(role.removeprefix(_ROLE).partition(":")[0]) if role.startswith(_ROLE) else None


def resting(orders: Iterable[LiveOrder], symbol: str) -> list[Resting]:
    """Our stops and targets in `symbol` that may be at the venue, oldest first."""
    return [_seen(order) for order in orders if order.symbol == symbol and order.is_resting_exit]


def _seen(order: LiveOrder) -> Resting:
    request = order.request
    ((strategy, _),) = tuple(order.parts.items())[:1]
    return Resting(
        id=order.id,
        strategy=strategy,
        leg=leg_of(order.role) or Leg.STOP,
        side=request.side,
        type=request.type,
        quantity=order.remaining,
        price=request.stop_price if request.type.has_stop else request.limit_price,
        trail=request.trail,
        oco_group=request.oco_group,
        live=order.state in _LIVE and order.wanted is None,
        filled=order.filled,
        trail_percent=request.trail_percent,
    )


def committed(orders: Iterable[Resting], side: Side) -> Decimal:
    """Units that resting exits on `side` can fill in all, the doubtful ones included."""
    total, groups = ZERO, dict[str, Decimal]()
    for order in orders:
        if order.side is not side:
            continue
        if order.oco_group:
            groups[order.oco_group] = max(groups.get(order.oco_group, ZERO), order.quantity)
        else:
            total += order.quantity
    return total + sum(groups.values(), ZERO)


def covered(guard: Guard, leg: Leg, orders: Iterable[Resting]) -> Decimal:
    """Units of a guard's leg that the venue is known to hold. A trailing stop and a stop are one leg there."""
    stops = {Leg.STOP, Leg.TRAIL}
    legs = stops if leg in stops else {leg}
    mine = [each.quantity for each in orders if each.strategy == guard.strategy and each.leg in legs and each.live]
    return max(mine, default=ZERO)


# --- what is to rest -----------------------------------------------------------------------------------


def wanted(
    guards: Sequence[Guard],
    room: Decimal,
    side: Side,
    able: Capabilities,
    *,
    closing: Mapping[str, Decimal],
    last: Decimal | None,
    orders: Sequence[Resting] = (),
    untold: Collection[str] = (),
) -> list[Wanted]:
    """The stops and targets that are to rest at the venue; together at most `room`, on `side`.

    `closing` are the units of each strategy that other open orders close already. Guards that have fired, and those
    on the other side of the account's net position, are our engine's. `untold` are the episodes whose trailing stop
    the venue does not take: for them a stop follows.
    """
    found: list[Wanted] = []
    for guard in sorted(guards, key=lambda each: each.strategy):
        if guard.fired is not None or guard.exit_side is not side or room <= 0:
            continue
        open_units = abs(guard.quantity) - closing.get(guard.strategy, ZERO)
        most = guard.instrument.most(at_market=True)  # a stop wakes as a market order; our engine guards the rest
        fits = min(open_units, room) if most is None else min(open_units, room, most)
        units = guard.instrument.floor_quantity(max(fits, ZERO))
        little = too_little(guard.instrument, units, _worst(guard, last))
        trails = None if guard.episode in untold else _native_trail(guard, units, able, last, orders)
        legs = [] if little else _legs(guard, units, able, trails)
        found += legs
        room -= units if legs else ZERO
    return found


def _worst(guard: Guard, last: Decimal | None) -> Decimal | None:
    """The price at which an exit would be worth least: the venue judges by it whether it takes the order."""
    prices = [price for price in (guard.stop, guard.target, last) if price is not None]
    return min(prices, default=None)


def _legs(guard: Guard, units: Decimal, able: Capabilities, trails: Wanted | None) -> list[Wanted]:
    stop, target = trails or _stop_leg(guard, units, able), _target_leg(guard, units, able)
    if stop is not None and target is not None:
        if not able.oco:
            return [stop]
        return [replace(each, oco_group=guard.episode) for each in (stop, target)]
    return [each for each in (stop, target) if each is not None]


def _stop_leg(guard: Guard, units: Decimal, able: Capabilities) -> Wanted | None:
    if guard.stop is None or OrderType.STOP not in able.order_types:
        return None
    return Wanted(guard, Leg.STOP, OrderType.STOP, units, guard.stop)


def _native_trail(
    guard: Guard, units: Decimal, able: Capabilities, last: Decimal | None, orders: Sequence[Resting]
) -> Wanted | None:
    """The venue's own trailing stop, where it is as tight as ours: it counts from now on, ours from the entry."""
    level = guard.trailing_stop
    if level is None or OrderType.TRAILING_STOP not in able.order_types:
        return None
    if guard.fixed_stop is not None and (guard.fixed_stop - level) * guard.sign > 0:
        return None
    trails = _told(guard, units, able)
    if trails is None:
        return None
    there = [each for each in orders if each.strategy == guard.strategy and each.leg is Leg.TRAIL]
    if there and _is_still(there[0], trails):
        return replace(trails, trail=there[0].trail)
    return trails if last is not None and (_begins_at(trails, last) - level) * guard.sign >= 0 else None


def _told(guard: Guard, units: Decimal, able: Capabilities) -> Wanted | None:
    """A trailing stop with its distance as the venue takes it; None where there is no telling it."""
    distance, percent = guard.trail_distance, _percent(guard)
    if distance is None:
        return None
    plain = Wanted(guard, Leg.TRAIL, OrderType.TRAILING_STOP, units)
    if percent is not None and TrailBy.PERCENT in able.trails:
        return replace(plain, trail_percent=percent)
    if TrailBy.PRICE in able.trails:
        return replace(plain, trail=max(guard.instrument.round_price(distance), guard.instrument.tick))
    return None


def _percent(guard: Guard) -> Decimal | None:
    """The distance of its trailing stop, if it is said in percent."""
    return None if guard.spec is None or guard.spec.trailing is None else guard.spec.trailing.percent


def _is_still(order: Resting, trails: Wanted) -> bool:
    """Whether a trailing stop that rests is the one that is wanted: a share of the best price grows with it."""
    same = order.trail == trails.trail or (trails.trail is not None and _percent(trails.guard) is not None)
    return same and order.trail_percent == trails.trail_percent


def _begins_at(trails: Wanted, last: Decimal) -> Decimal:
    """Where the venue's trailing stop would be at once."""
    away = last * trails.trail_percent / 100 if trails.trail_percent is not None else trails.trail or ZERO
    return trails.guard.instrument.round_price(last - away * trails.guard.sign)


def _target_leg(guard: Guard, units: Decimal, able: Capabilities) -> Wanted | None:
    if guard.target is None:
        return None
    for kind in (OrderType.TAKE_PROFIT, OrderType.LIMIT):
        if kind in able.order_types:
            return Wanted(guard, Leg.TARGET, kind, units, guard.target)
    return None


# --- what must change ----------------------------------------------------------------------------------


def to_shrink(wants: Sequence[Wanted], orders: Sequence[Resting], able: Capabilities) -> list[Step]:
    """What must go, shrink or move before anything is added."""
    steps: list[Step] = []
    taken: set[tuple[str, Leg]] = set()
    for order in orders:
        want = _match(order, wants)
        if want is None or (order.strategy, order.leg) in taken:
            steps.append(Cancel(order, "not needed" if want is None else "there are two of it"))
            continue
        taken.add((order.strategy, order.leg))
        steps += _adjust(order, want, able)
    return steps


def _match(order: Resting, wants: Iterable[Wanted]) -> Wanted | None:
    for want in wants:
        same = want.guard.strategy == order.strategy and want.leg is order.leg and want.type is order.type
        same = same and (want.trail, want.trail_percent) == (order.trail, order.trail_percent)
        if same and want.guard.exit_side is order.side and want.oco_group == order.oco_group:
            return want
    return None


def _adjust(order: Resting, want: Wanted, able: Capabilities) -> list[Step]:
    """A doubtful order is left alone while it is not too large: it is being asked about."""
    larger, moved = order.quantity > want.quantity, order.price != want.price
    if not order.live:
        return [Cancel(order, "larger than what is left")] if larger else []
    if not larger and not moved:
        return []
    if not able.modify:
        return [Cancel(order, "to be placed anew")]
    quantity = want.quantity + order.filled if larger else None
    return [Change(order, quantity, want.price if moved else None, "follows the position")]


def to_grow(
    wants: Sequence[Wanted], orders: Sequence[Resting], able: Capabilities, room: Decimal
) -> list[Wanted | Step]:
    """What may be added now, judged by what is really there: never more in all than `room`."""
    steps: list[Wanted | Step] = []
    for want in wants:
        there = [each for each in orders if each.strategy == want.guard.strategy]
        same = [each for each in there if each.leg is want.leg]
        free = room - _others(orders, want)
        if not same and not _blocked(there, want):
            if want.quantity <= free:
                steps.append(want)
        elif same and same[0].live and same[0].quantity < want.quantity <= free:
            steps += _enlarge(same[0], want, able)
    return steps


def _blocked(there: Iterable[Resting], want: Wanted) -> bool:
    """Whether another order of the strategy, not of its OCO group, still has to go first."""
    return any(each.oco_group != want.oco_group or not each.oco_group for each in there)


def _others(orders: Sequence[Resting], want: Wanted) -> Decimal:
    """What the exits of all other strategies may fill."""
    return committed([each for each in orders if each.strategy != want.guard.strategy], want.guard.exit_side)


def _enlarge(order: Resting, want: Wanted, able: Capabilities) -> list[Step]:
    if able.modify:
        return [Change(order, want.quantity + order.filled, None, "follows the position")]
    return [Cancel(order, "to be placed anew, larger")]
