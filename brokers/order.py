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
    """How an order is priced, and what wakes it.

    A stop waits for the price to go against the order (a sell below the market), a take-profit for the price to
    go its way (a sell above it); then each becomes a market order, or a limit order if it has a limit price. A
    trailing stop is a stop that follows the best price since it was placed at a distance.
    """

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"

    @property
    def has_limit(self) -> bool:
        """Whether the order carries a limit price."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)

    @property
    def has_stop(self) -> bool:
        """Whether the order carries a stop (trigger) price of its own."""
        return self not in (OrderType.MARKET, OrderType.LIMIT, OrderType.TRAILING_STOP)

    @property
    def takes_profit(self) -> bool:
        """Whether its trigger lies on the winning side."""
        return self in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)

    @property
    def is_trailing(self) -> bool:
        """Whether its trigger follows the market."""
        return self is OrderType.TRAILING_STOP

    @property
    def is_conditional(self) -> bool:
        """Whether it sleeps until a price is reached."""
        return self not in (OrderType.MARKET, OrderType.LIMIT)


class TimeInForce(StrEnum):
    """How long an order lives; GTD needs `OrderRequest.expires_at`."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


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
    """What we ask a venue to do. Quantity > 0; prices > 0 and present exactly where the type needs them.

    A trailing stop has `trail` (price units) or `trail_percent` (of the best price), one of them. Orders of one
    `oco_group` at a venue cancel each other: what one fills, the others lose; when one is filled, they are over.
    """

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
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    oco_group: str = ""

    def __post_init__(self) -> None:
        client_order_id(self.client_order_id)
        if exact(self.quantity, "quantity") <= 0:
            raise ValueError(f"quantity must be above zero, not {self.quantity}")
        check_prices(self.type, self.limit_price, self.stop_price)
        check_trail(self.type, self.trail, self.trail_percent)
        check_expiry(self.time_in_force, self.expires_at)


def check_trail(kind: OrderType, trail: Decimal | None, trail_percent: Decimal | None) -> None:
    """Raise `ValueError` unless a trailing stop has exactly one distance above zero, and no other order has one."""
    if trail is None and trail_percent is None and not kind.is_trailing:
        return
    given = [exact(each, "trail") for each in (trail, trail_percent) if each is not None]
    if len(given) != (1 if kind.is_trailing else 0):
        raise ValueError(f"a {kind} order {'needs one' if kind.is_trailing else 'takes no'} trailing distance")
    if any(each <= 0 for each in given) or (trail_percent is not None and trail_percent >= 100):
        raise ValueError(f"a trailing distance must be above zero and below 100 %, not {given[0]}")


def check_expiry(time_in_force: TimeInForce, expires_at: datetime | None) -> None:
    """Raise `ValueError` unless the time of expiry is there exactly for GTD, with a zone."""
    if (time_in_force is TimeInForce.GTD) != (expires_at is not None):
        raise ValueError(f"a {time_in_force} order {'needs a' if expires_at is None else 'takes no'} time of expiry")
    if expires_at is not None and expires_at.tzinfo is None:
        raise ValueError(f"the time of expiry needs a zone, not {expires_at}")


def check_prices(kind: OrderType, limit_price: Decimal | None, stop_price: Decimal | None) -> None:
    """Raise `ValueError` unless each price is there exactly when `kind` needs it, and is above zero."""
    if kind is OrderType.MARKET and limit_price is None and stop_price is None:
        return
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
    `fee_currency`; `fee` is None while the venue has not told it yet. `corrects` is the id of the fill that this
    one replaces (it does not add to it). `client_order_id` is empty for an order that was not placed with one:
    somebody else's, or the venue's own (a liquidation); `venue_order_id` says which.
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
    corrects: str = ""
    venue_order_id: str = ""

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
    `busted` are the ids of fills that the venue has declared void; for a fill that had corrected another they name
    the whole chain (`x.02` and `x.01`), or whoever missed the correction could keep what it replaced. `stop_price` of
    a trailing stop is its trigger now. `client_order_id` is empty for an order that was placed without one of ours.
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
    post_only: bool = False
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    oco_group: str = ""
    busted: tuple[str, ...] = ()

    @property
    def remaining(self) -> Decimal:
        """Units that may still fill."""
        return max(self.quantity - self.filled, ZERO) if self.state.is_open else ZERO
