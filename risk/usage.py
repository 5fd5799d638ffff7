"""How much of each limit is used: what the risk screen in chat shows as bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from risk import wording
from risk.limits import RiskLimits
from risk.metrics import (
    daily_loss_percent,
    drawdown_percent,
    exposure,
    of_equity_percent,
    symbol_value,
    symbols_at_stake,
    worst_quantity,
)
from risk.view import PortfolioView


@dataclass(frozen=True, slots=True)
class Usage:
    """One limit: `value` and `limit` as text with their unit; `fraction` is 1 at the limit, None: unknown."""

    code: str
    title: str
    value: str
    limit: str
    fraction: float | None


Measure = Callable[[PortfolioView], Decimal]


def limit_usage(view: PortfolioView, limits: RiskLimits) -> tuple[Usage, ...]:
    """Every limit on the state of the account, the most used first and the unknown before all."""
    measured = (
        ("DAILY_LOSS", "Daily loss", daily_loss_percent, limits.daily_loss_halt_percent),
        ("DRAWDOWN", "Drawdown", drawdown_percent, limits.drawdown_halt_percent),
        ("GROSS_EXPOSURE", "Gross exposure", _gross, limits.max_gross_exposure_percent),
        ("NET_EXPOSURE", "Net exposure", _net, limits.max_net_exposure_percent),
        ("POSITION", "Largest position", _largest_position, limits.max_position_percent),
    )
    usages = [_percentage(*each, view) for each in measured]
    orders = len(view.working)
    most = limits.max_open_orders
    usages.append(Usage("OPEN_ORDERS", "Open orders", str(orders), str(most), orders / most))
    return tuple(sorted(usages, key=_most_used_first))


def _percentage(code: str, title: str, measure: Measure, limit: Decimal, view: PortfolioView) -> Usage:
    most = f"{wording.plain(limit)} %"
    try:
        value = measure(view)
    except (ArithmeticError, TypeError):
        return Usage(code, title, "unknown", most, None)
    return Usage(code, title, wording.percent(value), most, float(value / limit))


def _most_used_first(usage: Usage) -> float:
    return float("-inf") if usage.fraction is None else -usage.fraction


def _gross(view: PortfolioView) -> Decimal:
    return of_equity_percent(view, exposure(view).gross)


def _net(view: PortfolioView) -> Decimal:
    return of_equity_percent(view, abs(exposure(view).net))


def _largest_position(view: PortfolioView) -> Decimal:
    """The largest position after the worst fills of open orders, as the position rule counts it."""
    at_stake = symbols_at_stake(view)
    values = (abs(worst_quantity(view, symbol)) * symbol_value(view, symbol) for symbol in at_stake)
    return of_equity_percent(view, max(values, default=Decimal(0)))
