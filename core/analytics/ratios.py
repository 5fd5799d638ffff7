"""Return for each unit of risk. All take returns per period and give a ratio per year."""

from __future__ import annotations

import math

import numpy as np

from core.analytics.returns import TRADING_DAYS, Floats, finite, spread


def sharpe(returns: Floats | None, risk_free: float = 0.0, periods_per_year: float = TRADING_DAYS) -> float | None:
    """Sharpe ratio: mean(r - f) / sample deviation(r - f) x sqrt(`periods_per_year`).

    `risk_free` is a fraction per period. None for fewer than two returns or no volatility.
    Source: W. F. Sharpe, "The Sharpe ratio", Journal of Portfolio Management 21:1 (1994).
    """
    if returns is None or (deviation := spread(returns - risk_free)) is None:
        return None
    with np.errstate(all="ignore"):
        return finite((returns - risk_free).mean() / deviation * math.sqrt(periods_per_year))


def sortino(returns: Floats | None, target: float = 0.0, periods_per_year: float = TRADING_DAYS) -> float | None:
    """Sortino ratio: mean(r - t) / sqrt(mean(min(r - t, 0)^2)) x sqrt(`periods_per_year`).

    `target` is a fraction per period. None for fewer than two returns or none below the target.
    Source: F. A. Sortino and L. N. Price, "Performance measurement in a downside risk framework", Journal of
    Investing 3:3 (1994).
    """
    if returns is None or len(returns) < 2:
        return None
    excess = returns - target
    with np.errstate(all="ignore"):
        downside = float(np.sqrt(np.square(np.minimum(excess, 0)).mean()))
        return finite(excess.mean() / downside * math.sqrt(periods_per_year)) if downside > 0 else None


def calmar(annualised: float | None, max_drawdown: float | None) -> float | None:
    """Calmar ratio: annualised return / maximum drawdown (both fractions, the drawdown above zero).

    None where either is unknown or there was no drawdown. Source: T. W. Young, "Calmar ratio: a smoother
    tool", Futures 20:1 (1991), over the whole period instead of three years.
    """
    if annualised is None or not max_drawdown:
        return None
    try:
        return finite(annualised / max_drawdown)
    except OverflowError:
        return None
