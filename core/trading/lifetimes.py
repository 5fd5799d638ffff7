"""How long our orders live: what a venue takes of it. Stock venues have day orders, crypto venues have none.

The one place that chooses a time in force where nobody has asked for one. Pure.
"""

from __future__ import annotations

from brokers.order import OrderType, TimeInForce
from brokers.port import Capabilities

# Until it fills or is cancelled; else for the day; else what cannot rest at all.
_TO_REST = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK)
_FOR_NOW = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)


def to_rest(able: Capabilities) -> TimeInForce:
    """For what is to rest until it is needed: stops and targets."""
    return _first(_TO_REST, able)


def for_now(able: Capabilities) -> TimeInForce:
    """For what is to trade at once, or today: strategies' orders and ways out, and orders by hand that say nothing."""
    return _first(_FOR_NOW, able)


def _first(wishes: tuple[TimeInForce, ...], able: Capabilities) -> TimeInForce:
    return next((each for each in wishes if each in able.times_in_force), wishes[0])


def outlives_the_day(type_: OrderType, wanted: TimeInForce, able: Capabilities) -> bool:
    """Whether an order that was to live for the day may rest longer, because the venue knows no such thing."""
    rests = type_ is not OrderType.MARKET and for_now(able) is TimeInForce.GTC
    return wanted is TimeInForce.DAY and rests
