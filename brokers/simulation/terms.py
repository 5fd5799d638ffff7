"""The terms on which a simulated venue trades: all that distinguishes one from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from brokers.order import OrderType, TimeInForce
from brokers.simulation.fees import Fees
from brokers.simulation.slippage import Slippage


@dataclass(frozen=True, slots=True)
class Terms:
    """`initial_cash` in `currency` is credited once, at the first start.

    `leverage` bounds the gross exposure as a multiple of equity; `max_participation` is the share of a
    tick's volume that all our orders together may take; `latency` is the time an order needs to the venue.
    """

    currency: str = "USD"
    initial_cash: Decimal = Decimal(100_000)
    fees: Fees = field(default_factory=Fees)
    slippage: Slippage = field(default_factory=Slippage)
    leverage: Decimal = Decimal(1)
    shorting: bool = False
    max_participation: Decimal = Decimal("0.1")
    latency: timedelta = timedelta(0)
    order_types: frozenset[OrderType] = frozenset(OrderType)
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)
