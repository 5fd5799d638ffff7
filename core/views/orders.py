"""Orders and fills: lists of them, and one order with its whole life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.order import OrderType, Side


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order of ours; `state` is a word of `core.trading.states.OrderState`."""

    client_order_id: str
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    state: str
    is_open: bool
    strategies: tuple[str, ...]
    reason: str
    at: datetime
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: str = ""
    post_only: bool = False
    reduce_only: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One step in the life of an order, with what was noted then; `at` is wall time."""

    before: str
    after: str
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderFill:
    """One execution of an order; `status` is booked, replaced or busted."""

    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    status: str
    at: datetime
    fee_currency: str = "USD"


@dataclass(frozen=True, slots=True)
class OrderCard:
    """An order with its whole history.

    `in_doubt`: the venue has not said whether it has it, and a person may look again or decide. `next_step` says what
    the program does about it by itself, empty when there is nothing to do. `watch_until`: it is presumed not placed,
    and looked for until then.
    """

    row: OrderRow
    venue_order_id: str
    role: str
    origin: str
    note: str
    in_doubt: bool
    next_step: str
    watch_until: datetime | None
    steps: tuple[OrderStep, ...]
    fills: tuple[OrderFill, ...]


@dataclass(frozen=True, slots=True)
class FillRow:
    """One execution."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    currency: str
    strategies: tuple[str, ...]
    at: datetime
    account: str = ""  # where there are several
    fee_currency: str = ""  # if it is another than `currency`
