"""The equities that losses are measured from: the start of the day and the peak. The store keeps them.

They survive restarts, so a restart never forgives a loss; and they move with deposits and withdrawals in proportion to
equity, so a loss stays the same share of it: paying out makes it no larger, and paying in is no cover for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, localcontext

from brokers.money import exact
from risk.metrics import is_price

_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Baselines:
    """Equity at the start of `day`, the highest equity ever, and the last one seen (None: none seen yet).

    `day_start_money` is what the day began with and what was paid in since, if that is not `day_start_equity`: what the
    day has brought in money is measured from it, and the share of it from the other.
    """

    day: date
    day_start_equity: Decimal
    peak_equity: Decimal
    last_equity: Decimal | None = None
    day_start_money: Decimal | None = None

    @property
    def day_began_with(self) -> Decimal:
        """What today's profit in money is measured from."""
        return self.day_start_equity if self.day_start_money is None else self.day_start_money


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
        rolled = replace(baselines, day=day, day_start_equity=start, day_start_money=None)
    if known is None:
        return rolled
    return replace(rolled, peak_equity=max(rolled.peak_equity, known), last_equity=known)


def shift(baselines: Baselines, amount: Decimal, equity: Decimal | None) -> Baselines:
    """The baselines after a deposit (`amount` > 0) or a withdrawal (< 0), in the account's currency.

    `equity` is what there was before it. Where that is not known, or nothing is left of it, there are no shares: then
    the loss in money is what stays.
    """
    amount = exact(amount, "a deposit or withdrawal")
    last = baselines.last_equity
    before = equity if equity is not None and is_price(equity) and equity + amount > 0 else None
    start, money = _moved(baselines.day_start_equity, amount, before), baselines.day_began_with + amount
    return Baselines(
        baselines.day,
        start,
        _moved(baselines.peak_equity, amount, before),
        None if last is None else last + amount,
        None if money == start else money,
    )


def _moved(baseline: Decimal, amount: Decimal, equity: Decimal | None) -> Decimal:
    if equity is None or baseline == equity:
        return baseline + amount
    with localcontext(prec=_DIGITS):
        return baseline * (equity + amount) / equity
