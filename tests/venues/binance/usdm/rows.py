"""What the venue remembers: orders, trades, conditional orders, income."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

NEW, PARTIALLY_FILLED, FILLED = "NEW", "PARTIALLY_FILLED", "FILLED"
CANCELED, EXPIRED, IN_MATCH = "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"
OPEN = (NEW, PARTIALLY_FILLED)

TRIGGERING, TRIGGERED, FINISHED, REJECTED = "TRIGGERING", "TRIGGERED", "FINISHED", "REJECTED"

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution."""

    id: int
    order_id: int
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realised: Decimal
    is_maker: bool
    time: int


@dataclass(slots=True)
class Order:
    """An order of the matching engine, as the venue tells it."""

    id: int
    client_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    time: int
    update_time: int
    reduce_only: bool = False
    close_position: bool = False
    original_type: str = ""
    stop_price: Decimal = ZERO
    good_till: int = 0
    working_type: str = "CONTRACT_PRICE"
    price_match: str = "NONE"
    self_trade: str = "EXPIRE_MAKER"
    price_protect: bool = False
    status: str = NEW
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    trades: list[Trade] = field(default_factory=list)
    reason: str = ""
    modify_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in OPEN

    @property
    def average(self) -> Decimal:
        """The average price of its trades, zero before the first."""
        return self.quote / self.executed if self.executed else ZERO


@dataclass(slots=True)
class Algo:
    """A conditional order of the Algo service, in its own space of ids; `actual` is the order that it became."""

    id: int
    client_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    trigger: Decimal
    create_time: int
    update_time: int
    reduce_only: bool = False
    close_position: bool = False
    working_type: str = "CONTRACT_PRICE"
    price_match: str = "NONE"
    self_trade: str = "EXPIRE_MAKER"
    price_protect: bool = False
    good_till: int = 0
    activate: Decimal = ZERO
    callback: Decimal = ZERO
    best: Decimal | None = None
    trigger_time: int = 0
    status: str = NEW
    actual: Order | None = None
    failure: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for its price."""
        return self.status == NEW

    @property
    def is_trailing(self) -> bool:
        """Whether its trigger follows the market."""
        return self.type == "TRAILING_STOP_MARKET"

    @property
    def is_market(self) -> bool:
        """Whether it becomes a market order."""
        return self.type.endswith("_MARKET")


@dataclass(frozen=True, slots=True)
class Income:
    """Money that came or went."""

    id: int
    kind: str
    amount: Decimal
    time: int
    symbol: str = ""
    trade_id: str = ""
    info: str = ""


def fixed(number: Decimal, digits: int) -> str:
    """With that many decimals."""
    return format(number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN), "f")


def plain(number: Decimal) -> str:
    """Without zeros at the end."""
    text = format(number.normalize(), "f")
    return "0" if text in {"-0", "0"} else text
