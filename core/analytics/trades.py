"""How the single trades went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.money import ZERO
from core.analytics.returns import finite
from core.analytics.round_trips import RoundTrip


@dataclass(frozen=True, slots=True)
class TradeStatistics:
    """Figures of round trips; money is after fees and in their currency, None where there is no such trade.

    `win_rate` is winners / all, a fraction (a trade that made exactly nothing is no winner and no loser).
    `profit_factor` is gross profit / gross loss, None without a loss. `average_loss` and `worst` keep their
    sign. Source: R. Pardo, The Evaluation and Optimization of Trading Strategies, 2nd ed. (2008).
    """

    count: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    net: Decimal
    fees: Decimal
    average: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    average_days: float | None


def trade_statistics(trips: Iterable[RoundTrip]) -> TradeStatistics:
    """The figures of `trips`, in any order."""
    trips = tuple(trips)
    results = [trip.pnl for trip in trips]
    wins = [pnl for pnl in results if pnl > 0]
    losses = [pnl for pnl in results if pnl < 0]
    return TradeStatistics(
        count=len(results),
        wins=len(wins),
        losses=len(losses),
        win_rate=len(wins) / len(results) if results else None,
        profit_factor=finite(float(sum(wins, ZERO) / -sum(losses, ZERO))) if losses else None,
        net=sum(results, ZERO),
        fees=sum((trip.fees for trip in trips), ZERO),
        average=_mean(results),
        average_win=_mean(wins),
        average_loss=_mean(losses),
        best=max(results, default=None),
        worst=min(results, default=None),
        average_days=_average_days(trips),
    )


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, ZERO) / len(values) if values else None


def _average_days(trips: Sequence[RoundTrip]) -> float | None:
    if not trips:
        return None
    return sum((trip.exit_at - trip.entry_at).total_seconds() for trip in trips) / 86_400 / len(trips)
