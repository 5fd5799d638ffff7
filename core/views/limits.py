"""Risk: limits, how full they are, and what a change of one would mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.views.control import ScopeState
from risk.view import TradingState


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit and how much of it is used; `fraction` is None when it cannot be said."""

    code: str
    title: str
    value: str
    limit: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class LimitEdit:
    """What a change of a limit would do. `token` is the value that it has now, exactly."""

    account: str
    title: str
    before: str
    after: str
    token: str
    changes: bool
    loosens: bool


@dataclass(frozen=True, slots=True)
class LimitSet:
    """A limit that a person has set in place of what the settings say."""

    account: str
    title: str
    value: str
    replaces: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RiskScreenView:
    """State by scope, the baselines, and every limit with its use."""

    state: TradingState
    scopes: tuple[ScopeState, ...]
    equity: Decimal | None
    day_start_equity: Decimal
    peak_equity: Decimal
    currency: str
    usage: tuple[LimitRow, ...]
    limits: Mapping[str, str]
    rules: Mapping[str, str]
    measured_since: datetime | None = None
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class LimitChange:
    """How much of one limit is used before and after an order; fractions are 1 at the limit, None: unknown."""

    title: str
    limit: str
    before: str
    after: str
    fraction_before: float | None
    fraction_after: float | None
