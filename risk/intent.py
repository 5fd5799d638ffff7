"""What somebody wants to trade, before anyone has judged it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import OrderType, Side, TimeInForce


class Origin(StrEnum):
    """Who wants the order. A person's flatten may reduce risk even while trading is halted.

    PROTECTION is the protective engine: stops, targets and time stops. It only ever closes.
    """

    STRATEGY = "strategy"
    MANUAL = "manual"
    FLATTEN = "flatten"
    PROTECTION = "protection"


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """A wish to trade; deliberately unvalidated, for the gate must be able to say what is wrong with it.

    `allocations` says which strategy gets which signed part; they sum to the signed quantity. Parts of
    opposite sign are strategies that trade with each other inside the account. `trail`, `trail_percent`,
    `expires_at`, `post_only` and `oco_group` are those of `brokers.order.OrderRequest`. `role` says what the order
    is for, where somebody must find it again: an exit of the protective engine, say.

    Its allocations are a read-only copy of those given, so that nobody turns what was approved into something else by
    a reference that he kept.
    """

    account: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    at: datetime
    allocations: Mapping[str, Decimal] = field(default_factory=dict)
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    reduce_only: bool = False
    origin: Origin = Origin.STRATEGY
    reason: str = ""
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    post_only: bool = False
    oco_group: str = ""
    role: str = ""
    timeout: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.allocations, Mapping):
            object.__setattr__(self, "allocations", MappingProxyType(dict(self.allocations)))

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies that this order is for, in name order."""
        return tuple(sorted(self.allocations))

    @property
    def is_resting_exit(self) -> bool:
        """Whether it waits at the venue to close something: the protective engine's stops and targets."""
        return self.origin is Origin.PROTECTION and self.type is not OrderType.MARKET

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity with the sign of the position change."""
        return self.quantity * self.side.sign

    @property
    def price(self) -> Decimal | None:
        """The price that the order itself names: its limit, else its stop, else None."""
        return self.stop_price if self.limit_price is None else self.limit_price

    def resized(self, quantity: Decimal) -> OrderIntent:
        """The same wish for `quantity` (> 0, whole lots); allocations keep their shares to within a lot."""
        allocations = scaled(self.allocations, self.signed_quantity, quantity * self.side.sign, self.instrument)
        return replace(self, quantity=quantity, allocations=allocations)


def scaled(parts: Mapping[str, Decimal], old: Decimal, new: Decimal, instrument: Instrument) -> dict[str, Decimal]:
    """`parts`, which sum to `old`, scaled to sum to exactly `new`: the running total is what gets rounded."""
    found: dict[str, Decimal] = {}
    running = given = ZERO
    for name in sorted(parts):
        running += parts[name]
        target = new if running == old else instrument.floor_quantity(running * new / old)
        found[name], given = target - given, target
    return found
