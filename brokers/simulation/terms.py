"""The terms on which a simulated venue trades: all that distinguishes one from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from brokers.money import ZERO
from brokers.order import OrderType, TimeInForce
from brokers.simulation.depth import Depth
from brokers.simulation.fees import Fees
from brokers.simulation.latency import Latency
from brokers.simulation.margin import Margin
from brokers.simulation.sessions import Sessions
from brokers.simulation.slippage import Slippage


class FillMode(StrEnum):
    """Which ticks of a bar orders meet: all four of its path, only the open, or only the close."""

    PATH = "path"
    NEXT_OPEN = "next_open"
    CLOSE = "close"


class QueueModel(StrEnum):
    """When a resting limit order fills.

    THROUGH: only when the market is strictly beyond its limit. QUEUE: also at its limit, once what was displayed
    there when it arrived has traded away.
    """

    THROUGH = "through"
    QUEUE = "queue"


class SelfTrade(StrEnum):
    """Which of two orders of ours that would meet each other is cancelled."""

    CANCEL_NEWEST = "cancel_newest"
    CANCEL_OLDEST = "cancel_oldest"
    CANCEL_BOTH = "cancel_both"


@dataclass(frozen=True, slots=True)
class VenueLimits:
    """What a venue refuses besides an instrument's own steps; None is no limit.

    `price_band` is how far, as a fraction, prices of orders may lie from the last one.
    """

    max_quantity: Decimal | None = None
    max_notional: Decimal | None = None
    max_open_orders: int | None = None
    price_band: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OtherCash:
    """Another currency of the account: what it begins with, and what one unit is worth in the account's own.

    `symbol`, when given, is the instrument whose last price is that worth; `rate` counts until it has traded.
    """

    amount: Decimal = ZERO
    rate: Decimal = Decimal(1)
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Funding:
    """Longs pay shorts `rate` (a fraction; negative: shorts pay longs) of the position's value every `interval`."""

    rate: Decimal
    interval: timedelta = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Interest:
    """Fractions a year, charged every midnight UTC: on borrowed (negative) cash, and on the value of shorts."""

    cash: Decimal = ZERO
    short: Decimal = ZERO

    @property
    def is_free(self) -> bool:
        """Whether nothing is ever charged."""
        return self.cash == 0 and self.short == 0


@dataclass(frozen=True, slots=True)
class Terms:
    """`initial_cash` in `currency` is credited once, at the first start.

    `leverage` bounds the gross exposure as a multiple of equity; `max_participation` is the share of a
    tick's volume that all our orders together may take; `latency` is the time that messages need to the venue.
    """

    currency: str = "USD"
    initial_cash: Decimal = Decimal(100_000)
    other_cash: Mapping[str, OtherCash] = field(default_factory=dict)
    fees: Fees = field(default_factory=Fees)
    slippage: Slippage = field(default_factory=Slippage)
    depth: Depth = field(default_factory=Depth)
    queue: QueueModel = QueueModel.THROUGH
    self_trade: SelfTrade = SelfTrade.CANCEL_NEWEST
    leverage: Decimal = Decimal(1)
    margin: Margin = field(default_factory=Margin)
    funding: Mapping[str, Funding] = field(default_factory=dict)
    interest: Interest = field(default_factory=Interest)
    shorting: bool = False
    max_participation: Decimal = Decimal("0.1")
    latency: Latency = field(default_factory=Latency)
    sessions: Sessions = field(default_factory=Sessions)
    fill_mode: FillMode = FillMode.PATH
    limits: VenueLimits = field(default_factory=VenueLimits)
    order_types: frozenset[OrderType] = frozenset(OrderType)
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)

    def trades(self, currency: str) -> bool:
        """Whether the account can hold `currency`."""
        return currency == self.currency or currency in self.other_cash
