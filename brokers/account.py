"""What an account holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

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


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """One account as the venue sees it at `at`: the truth that reconciliation compares with."""

    account: str
    at: datetime
    balances: Mapping[str, Balance]
    positions: Mapping[str, Position]
    open_orders: tuple[OrderReport, ...] = ()
    simulated: bool = False
