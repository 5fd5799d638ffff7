"""What is held, what it has brought, and what is wanted at its exits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A holding: of the account when `strategy` is empty, else the virtual one of that strategy."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    mark: Decimal | None
    value: Decimal | None
    unrealised: Decimal | None
    strategy: str
    currency: str
    by_strategy: Mapping[str, Decimal]
    exits: tuple[ExitRow, ...] = ()
    account: str = ""  # where there are several
    is_dust: bool = False  # less than can be sold


@dataclass(frozen=True, slots=True)
class ExitRow:
    """How one strategy's position is protected; prices are None where there is none (yet).

    `wanted` is what was asked for, in words; `holder` says who acts: venue, engine, both, or nobody while halted.
    """

    strategy: str
    stop: Decimal | None
    target: Decimal | None
    wanted: str
    holder: str
    closing: bool


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """Money of one currency by our ledger, and by the venue's own word (None while unreachable)."""

    account: str
    currency: str
    cash: Decimal
    venue_total: Decimal | None
    venue_free: Decimal | None


@dataclass(frozen=True, slots=True)
class PnlRow:
    """Profit and loss of one strategy, or of all when `strategy` is "total"; None is unknown, not zero.

    `income` is funding, interest, dividends and the like, below zero where we paid.
    """

    strategy: str
    realised: Decimal | None
    unrealised: Decimal | None
    fees: Decimal | None
    income: Decimal | None = Decimal(0)

    @property
    def net(self) -> Decimal | None:
        """Realised plus unrealised plus income minus fees."""
        if self.realised is None or self.unrealised is None or self.fees is None or self.income is None:
            return None
        return self.realised + self.unrealised + self.income - self.fees


@dataclass(frozen=True, slots=True)
class PnlView:
    """Profit and loss of the account: today (since the day's start), and by strategy since the start or the
    beginning of a period.
    """

    currency: str
    today: Decimal | None
    today_fraction: float | None
    day_start_equity: Decimal
    total: PnlRow
    strategies: tuple[PnlRow, ...]
    at: datetime
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class ExposureView:
    """What is invested, signed, in money of the account: by symbol (net), by strategy (gross of each).

    `gross` adds sizes, `net` adds signs; None while a price or a rate is unknown.
    """

    currency: str
    simulated: bool
    equity: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    by_symbol: Mapping[str, Decimal]
    by_strategy: Mapping[str, Decimal]
    unpriced: tuple[str, ...] = ()
    account: str = ""
