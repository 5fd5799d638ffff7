"""Orders, fills and what a venue reports about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from brokers.instrument import Instrument
from brokers.money import ZERO, exact

ClientOrderId = NewType("ClientOrderId", str)
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


def client_order_id(text: str) -> ClientOrderId:
    """Validate our own order id: 1-32 of `A-Z a-z 0-9 _ -`, the narrowest rule of all venues."""
    if not _CLIENT_ORDER_ID.match(text):
        raise ValueError(f"a client order id has 1 to 32 characters of A-Z a-z 0-9 _ -, not {text!r}")
    return ClientOrderId(text)


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @classmethod
    def of(cls, signed_quantity: Decimal) -> Side:
        """The side that moves a position by `signed_quantity` (not zero)."""
        if signed_quantity == 0:
            raise ValueError("a quantity of zero has no side")
        return cls.BUY if signed_quantity > 0 else cls.SELL


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"

    @property
    def has_limit(self) -> bool:
        """Whether the order carries a limit price."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def has_stop(self) -> bool:
        """Whether the order carries a stop (trigger) price."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT)


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class VenueOrderState(StrEnum):
    """The state of an order as the venue tells it. Our own states are in `core.trading.states`."""

    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Whether the order may still fill at the venue."""
        return self in (VenueOrderState.WORKING, VenueOrderState.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What we ask a venue to do. Quantity > 0; prices > 0 and present exactly where the type needs them."""

    client_order_id: ClientOrderId
    instrument: Instrument
    side: Side
    quantity: Decimal
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    reduce_only: bool = False
    post_only: bool = False

    def __post_init__(self) -> None:
        client_order_id(self.client_order_id)
        if exact(self.quantity, "quantity") <= 0:
            raise ValueError(f"quantity must be above zero, not {self.quantity}")
        check_prices(self.type, self.limit_price, self.stop_price)


def check_prices(kind: OrderType, limit_price: Decimal | None, stop_price: Decimal | None) -> None:
    """Raise `ValueError` unless each price is there exactly when `kind` needs it, and is above zero."""
    needs = (("limit", kind.has_limit, limit_price), ("stop", kind.has_stop, stop_price))
    for name, needed, price in needs:
        if needed != (price is not None):
            raise ValueError(f"a {kind} order {'needs a' if needed else 'takes no'} {name} price")
        if price is not None and exact(price, f"{name} price") <= 0:
            raise ValueError(f"the {name} price must be above zero, not {price}")


class Liquidity(StrEnum):
    """Whether a fill took liquidity or provided it; fees depend on it."""

    MAKER = "maker"
    TAKER = "taker"


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `fill_id` is the venue's and unique within (venue account, instrument).

    `quantity` > 0 in units, `price` in the instrument's currency, `fee` >= 0 (a rebate is < 0) in
    `fee_currency`; `fee` is None while the venue has not told it yet.
    """

    fill_id: str
    client_order_id: ClientOrderId
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_currency: str
    liquidity: Liquidity
    at: datetime

    def __post_init__(self) -> None:
        if exact(self.quantity, "fill quantity") <= 0 or exact(self.price, "fill price") <= 0:
            raise ValueError(f"fill {self.fill_id}: quantity and price must be above zero")

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity with the sign of the position change."""
        return self.quantity * self.side.sign


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The venue's word on one order: its state now, the total filled, and the fills new in this report.

    A report from a query carries every fill that the venue still remembers; the receiver dedupes by fill id.
    """

    client_order_id: ClientOrderId
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    state: VenueOrderState
    at: datetime
    filled: Decimal = ZERO
    fills: tuple[Fill, ...] = ()
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    reduce_only: bool = False
    reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """Units that may still fill."""
        return max(self.quantity - self.filled, ZERO) if self.state.is_open else ZERO
