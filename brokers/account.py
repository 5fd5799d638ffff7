"""What an account holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from brokers.money import ZERO
from brokers.order import OrderReport


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of one currency: `total` = `free` + `locked`."""

    currency: str
    total: Decimal
    locked: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        """What new orders may use."""
        return self.total - self.locked


@dataclass(frozen=True, slots=True)
class Position:
    """A holding of one instrument at the venue: signed `quantity`, average entry price, last mark."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    mark_price: Decimal | None = None


class FlowKind(StrEnum):
    """Why money came or went without a trade."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FUNDING = "funding"
    INTEREST = "interest"
    DIVIDEND = "dividend"
    FEE = "fee"
    OTHER = "other"

    @property
    def is_capital(self) -> bool:
        """Whether an owner pays in or takes out; everything else that comes and goes is a result."""
        return self in (FlowKind.DEPOSIT, FlowKind.WITHDRAWAL)


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Money that came (`amount` > 0) or went without a trade. `flow_id` is the venue's, unique in the account.

    `symbol` names the instrument that it belongs to (funding, dividends), and is empty otherwise.
    """

    flow_id: str
    kind: FlowKind
    currency: str
    amount: Decimal
    at: datetime
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """One account as the venue sees it at `at`: the truth that reconciliation compares with.

    `steps` says to what the venue rounds its balances, by currency; where nothing is said they are exact.
    `equity`, `initial_margin` and `maintenance_margin` are in the account's own currency, None where the venue
    does not tell them.
    """

    account: str
    at: datetime
    balances: Mapping[str, Balance]
    positions: Mapping[str, Position]
    open_orders: tuple[OrderReport, ...] = ()
    simulated: bool = False
    equity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    steps: Mapping[str, Decimal] = field(default_factory=dict)
