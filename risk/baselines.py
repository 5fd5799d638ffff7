"""The equities that losses are measured from: the start of the day and the peak. The store keeps them.

They survive restarts, so a restart never forgives a loss; and they move with deposits and withdrawals, so
paying out is not a loss and paying in is no cover for one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from brokers.money import exact
from risk.metrics import is_price


@dataclass(frozen=True, slots=True)
class Baselines:
    """Equity at the start of `day`, the highest equity ever, and the last one seen (None: none seen yet)."""

    day: date
    day_start_equity: Decimal
    peak_equity: Decimal
    last_equity: Decimal | None = None


def trading_day(at: datetime, zone: tzinfo = UTC) -> date:
    """The day of `at` in `zone`. Raises `ValueError` for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"a time needs a time zone to fall on a day: {at}")
    return at.astimezone(zone).date()


def first_baselines(equity: Decimal, at: datetime, zone: tzinfo = UTC) -> Baselines:
    """The baselines of an account that is seen for the first time. `equity` must be above zero."""
    if not is_price(equity):
        raise ValueError(f"an account starts with equity above zero, not {equity}")
    return Baselines(trading_day(at, zone), equity, equity, equity)


def roll_baselines(baselines: Baselines, equity: Decimal | None, at: datetime, zone: tzinfo = UTC) -> Baselines:
    """The baselines after seeing `equity` at `at`.

    The same day changes only the peak. A new day starts from the last equity that was known before it, so the
    gap of a night counts as the new day's profit or loss. An unknown equity (None, NaN) changes no
    equity, and a clock that went back does not bring an old day back.
    """
    day = trading_day(at, zone)
    known = equity if equity is not None and is_price(equity) else None
    rolled = baselines
    if day > baselines.day:
        start = baselines.last_equity or known or baselines.day_start_equity
        rolled = replace(baselines, day=day, day_start_equity=start)
    if known is None:
        return rolled
    return replace(rolled, peak_equity=max(rolled.peak_equity, known), last_equity=known)


def shift(baselines: Baselines, amount: Decimal) -> Baselines:
    """The baselines after a deposit (`amount` > 0) or a withdrawal (< 0), in the account's currency."""
    amount = exact(amount, "a deposit or withdrawal")
    last = baselines.last_equity
    return Baselines(
        baselines.day,
        baselines.day_start_equity + amount,
        baselines.peak_equity + amount,
        None if last is None else last + amount,
    )
