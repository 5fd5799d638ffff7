"""Brokers: how they are, who trades elsewhere, and where the books and a venue differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.health import Health
from core.views.control import ActionResult


@dataclass(frozen=True, slots=True)
class BrokerView:
    """One connection to a venue: an account's, or one that only brings prices (`is_feed`).

    `mode` is live, testnet, demo or paper; `problem` why it is not connected, as far as that is known; `standby` says
    who stands by for the account, and who trades away from home.
    """

    name: str
    adapter: str
    mode: str
    is_feed: bool
    is_live: bool
    connected: bool
    health: Health
    problem: str = ""
    standby: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AwayRow:
    """A strategy that trades in the standby of its own account (`home`) since `at`."""

    strategy: str
    home: str
    account: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FailbackView:
    """Who would come back from a standby; `token` binds the yes to that."""

    rows: tuple[AwayRow, ...]
    token: str


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """What the venue has otherwise than the books: units of a symbol, or money (`is_cash`).

    `value` is that of the difference in the account's currency, None while nobody knows it. `is_exposure`: of futures,
    whose value is no money that anybody has.
    """

    what: str
    is_cash: bool
    ours: Decimal
    theirs: Decimal
    value: Decimal | None
    is_exposure: bool = False


@dataclass(frozen=True, slots=True)
class UnitsMoved:
    """Whose units an adjustment takes (below zero for a long position), or who gets them; `price` is that of one."""

    symbol: str
    holder: str
    units: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class AdjustView:
    """A difference between the books of an account and its venue, and what booking it would do; `token` binds the yes.

    `worth` is by how much equity would change; `unpriced` is not in it. `others` could give missing units in place of
    those who would. Without `rows` nothing differs. `presumed` orders were given up and may be the reason.
    """

    account: str
    currency: str
    mode: str
    rows: tuple[DifferenceRow, ...] = ()
    moves: tuple[UnitsMoved, ...] = ()
    others: tuple[str, ...] = ()
    worth: Decimal = Decimal(0)
    unpriced: tuple[str, ...] = ()
    presumed: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What became of a confirmed adjustment; `view` is the difference as it is now, if that is not what was shown."""

    result: ActionResult
    view: AdjustView | None = None
