"""All figures of one equity curve and its trades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from core.analytics.drawdown import Drawdown, drawdown
from core.analytics.ratios import calmar, sharpe, sortino
from core.analytics.returns import (
    TRADING_DAYS,
    Floats,
    annualised_return,
    floats,
    simple_returns,
    total_return,
    volatility,
)
from core.analytics.round_trips import RoundTrip
from core.analytics.trades import TradeStatistics, trade_statistics

_DAYS_PER_YEAR = 365.25

# A year's return is not guessed from less than a month.
_LEAST_DAYS = 30


@dataclass(frozen=True, slots=True)
class Performance:
    """Performance from `start` to `end`; fractions are plain numbers, None is "not enough data".

    `annualised_return` needs 30 days. `volatility`, `sharpe`, `sortino` are per year and from daily values:
    the first equity, and the last of each UTC day. `max_drawdown` and `current_drawdown` are from all values,
    0 or more; `drawdown` holds their dates and durations.
    """

    start: datetime | None
    end: datetime | None
    days: float
    points: int
    total_return: float | None
    annualised_return: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None
    current_drawdown: float | None
    drawdown: Drawdown | None
    trades: TradeStatistics


def performance(
    times: Sequence[datetime],
    equities: Sequence[Decimal | float],
    trips: Iterable[RoundTrip] = (),
    *,
    risk_free: float = 0.0,
    periods_per_year: float = TRADING_DAYS,
) -> Performance:
    """The figures of `equities` at `times` (as many, never going back) and of `trips`.

    `risk_free` is a fraction per day, `periods_per_year` the trading days (365 for crypto). NaN, infinities
    and disordered times are a `ValueError`.
    """
    _check(times, equities)
    equity = floats(equities)
    days = (times[-1] - times[0]).total_seconds() / 86_400 if times else 0.0
    total = total_return(equity)
    annual = annualised_return(total, days / _DAYS_PER_YEAR) if days >= _LEAST_DAYS else None
    returns = simple_returns(_daily(times, equity))
    fall = drawdown(times, equity)
    return Performance(
        start=times[0] if times else None,
        end=times[-1] if times else None,
        days=days,
        points=len(equity),
        total_return=total,
        annualised_return=annual,
        volatility=volatility(returns, periods_per_year),
        sharpe=sharpe(returns, risk_free, periods_per_year),
        sortino=sortino(returns, risk_free, periods_per_year),
        calmar=calmar(annual, fall.deepest if fall else None),
        max_drawdown=fall.deepest if fall else None,
        current_drawdown=fall.current if fall else None,
        drawdown=fall,
        trades=trade_statistics(trips),
    )


def _check(times: Sequence[datetime], equities: Sequence[Decimal | float]) -> None:
    if len(times) != len(equities):
        raise ValueError(f"{len(times)} times for {len(equities)} equities")
    if any(later < earlier for earlier, later in pairwise(times)):
        raise ValueError("equity times must not go back")


def _daily(times: Sequence[datetime], equity: Floats) -> Floats:
    """The first value, and the last of each day; days in the times' own zone (UTC)."""
    last = {at.date(): index for index, at in enumerate(times)}
    return equity[sorted({0, *last.values()} if times else ())]
