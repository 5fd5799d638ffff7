"""The order makes sense and the venue's rules for its instrument are kept."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from brokers.order import OrderType, Side
from risk.case import Case
from risk.intent import OrderIntent, Origin
from risk.metrics import Unknown, is_known, is_price
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import plain, units

CODE = "NOT_WELL_FORMED"


@dataclass(frozen=True, slots=True)
class _Flaw:
    reason: str
    limit: str
    value: str
    largest_passing: Decimal = ZERO


@rule(CODE, "The order makes sense", order=0)
def well_formed(case: Case) -> Denied | None:
    """Exact finite numbers, the prices that the type needs, whole lots and ticks, the venue's minimum."""
    flaw = _first_flaw(case.intent, case)
    if flaw is None:
        return None
    return Denied(CODE, flaw.reason, flaw.limit, flaw.value, flaw.largest_passing)


def _first_flaw(intent: OrderIntent, case: Case) -> _Flaw | None:
    """The first thing that is wrong: each question may rely on those before it."""
    return (
        _kind(intent, case.view)
        or _quantity(intent)
        or _prices(intent)
        or _trail(intent)
        or _minimum(intent, case)
        or _allocations(intent)
        or _lots(intent)
    )


def _kind(intent: OrderIntent, view: PortfolioView) -> _Flaw | None:
    if intent.account != view.account:
        return _Flaw("The order is for another account", view.account, str(intent.account))
    kinds = (
        (intent.instrument, Instrument),
        (intent.side, Side),
        (intent.type, OrderType),
        (intent.origin, Origin),
    )
    for value, kind in kinds:
        if not isinstance(value, kind):
            return _Flaw(f"The order has no {kind.__name__}", kind.__name__, repr(value))
    return None


def _quantity(intent: OrderIntent) -> _Flaw | None:
    if is_price(intent.quantity):
        return None
    return _Flaw("The quantity is not a number above zero", "above zero", repr(intent.quantity))


def _prices(intent: OrderIntent) -> _Flaw | None:
    kind = intent.type
    if kind is OrderType.MARKET and intent.limit_price is None and intent.stop_price is None:
        return None
    needs = (("limit", kind.has_limit, intent.limit_price), ("stop", kind.has_stop, intent.stop_price))
    for name, needed, price in needs:
        if needed != (price is not None):
            wants = f"{'needs a' if needed else 'takes no'} {name} price"
            return _Flaw(f"A {kind} order {wants}", wants, repr(price))
        if price is not None and not is_price(price):
            return _Flaw(f"The {name} price is not a number above zero", "above zero", repr(price))
        if price is not None and not intent.instrument.is_on_tick(price):
            step = plain(intent.instrument.tick)
            return _Flaw(f"The {name} price is not a multiple of {step}", f"steps of {step}", plain(price))
    return None


def _trail(intent: OrderIntent) -> _Flaw | None:
    if intent.trail is None and intent.trail_percent is None and not intent.type.is_trailing:
        return None
    given = [each for each in (intent.trail, intent.trail_percent) if each is not None]
    if len(given) != (1 if intent.type.is_trailing else 0):
        wants = "one trailing distance" if intent.type.is_trailing else "no trailing distance"
        return _Flaw(f"A {intent.type} order takes {wants}", wants, repr(given))
    if given and not is_price(given[0]):
        return _Flaw("The trailing distance is not a number above zero", "above zero", repr(given[0]))
    return None


def _minimum(intent: OrderIntent, case: Case) -> _Flaw | None:
    """What closes the whole position may be as small as it is: whether dust can be sold is for the venue to say."""
    thing = intent.instrument
    if _closes_all(intent, case.view):
        return None
    if intent.quantity < thing.min_quantity:
        least, value = units(thing.min_quantity, thing.symbol), units(intent.quantity, thing.symbol)
        return _Flaw(f"The venue takes no order below {least}", least, value)
    if intent.reduce_only and thing.settlement is Settlement.MARGINED:  # what only closes is taken whatever it is worth
        return None
    worth = _notional(intent, case)
    if worth is not None and worth < thing.min_notional:
        least = f"{plain(thing.min_notional)} {thing.currency}"
        return _Flaw(f"The venue takes no order worth less than {least}", least, f"{plain(worth)} {thing.currency}")
    return None


def _closes_all(intent: OrderIntent, view: PortfolioView) -> bool:
    held = view.quantity(intent.instrument.symbol)
    return is_known(held) and intent.signed_quantity == -held


def _notional(intent: OrderIntent, case: Case) -> Decimal | None:
    """Value by which the venue judges; None without a price, which is for the price rule to object to."""
    try:
        price = intent.price or case.price
    except Unknown:
        return None
    return intent.instrument.notional(intent.quantity, price)


def _allocations(intent: OrderIntent) -> _Flaw | None:
    parts = intent.allocations
    if not isinstance(parts, MappingProxyType) or not all(map(is_known, parts.values())):
        return _Flaw("The shares of the strategies are not numbers", "exact numbers", repr(parts))
    if not parts and intent.origin is not Origin.STRATEGY:
        return None
    total, wanted = sum(parts.values(), ZERO), intent.signed_quantity
    if total == wanted:
        return None
    value = units(total, intent.instrument.symbol)
    limit = units(wanted, intent.instrument.symbol)
    return _Flaw("The shares of the strategies do not add up to the order", limit, value)


def _lots(intent: OrderIntent) -> _Flaw | None:
    thing = intent.instrument
    if thing.is_whole_lots(intent.quantity):
        return None
    whole, lot = thing.floor_quantity(intent.quantity), plain(thing.lot)
    value = units(intent.quantity, thing.symbol)
    return _Flaw(f"The quantity is not a multiple of {lot}", f"lots of {lot}", value, whole)
