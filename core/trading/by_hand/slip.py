"""An order as a person wants it, before anything is looked up. Frozen: what was shown is what is placed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from brokers.order import OrderType, Side, TimeInForce
from core.trading.protection.spec import ExitSpec


class Verb(StrEnum):
    """What the person said; it is also the command."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"

    @property
    def side(self) -> Side | None:
        """The side of the order; a close has the side that its position needs."""
        return None if self is Verb.CLOSE else Side(self.value)


class Unit(StrEnum):
    """What a size counts."""

    UNITS = "units"
    MONEY = "money"  # in the account's currency
    EQUITY = "equity"  # % of the account's equity
    POSITION = "position"  # % of what is held


@dataclass(frozen=True, slots=True)
class Size:
    """How much: `amount` > 0 of `unit`."""

    amount: Decimal
    unit: Unit = Unit.UNITS


ALL = Size(Decimal(100), Unit.POSITION)
HALF = Size(Decimal(50), Unit.POSITION)


@dataclass(frozen=True, slots=True)
class Slip:
    """One order. `strategy` says whose position a close is about; empty: one's own, or the only one there is.

    `exits` protect what the order opens.
    """

    verb: Verb
    symbol: str
    size: Size
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    expires_at: datetime | None = None
    post_only: bool = False
    reduce_only: bool = False
    exits: ExitSpec | None = None
    strategy: str = ""
    account: str = ""

    def of_units(self, quantity: Decimal) -> Slip:
        """The same for exactly so many units."""
        return replace(self, size=Size(quantity))
