"""The same expected fluctuation whatever is traded: less of the wild, more of the calm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from risk.limits import Percent
from risk.sizer import CannotSizeError, SizingInputs, SizingMethod, sizer

_FEWEST_RETURNS = 20


@sizer("volatility_target")
class VolatilityTarget(SizingMethod):
    """As much as brings the strategy's equity to a target volatility.

    Units = equity x min(target / volatility, max_leverage) / unit value (Carver,
    Systematic Trading, chapters 9 and 10).
    """

    needs_volatility: ClassVar[bool] = True

    target_percent: Percent = Field(default=Decimal(10), description="Target volatility, in % a year.")
    max_leverage: Annotated[Decimal, Field(gt=0, le=20, allow_inf_nan=False)] = Field(
        default=Decimal(1), description="Most value at exposure 1, in multiples of allocated equity."
    )

    def full_size(self, inputs: SizingInputs) -> Decimal:
        """As many units as the leverage buys. An unknown volatility has no size: it is never guessed."""
        volatility = inputs.volatility
        if volatility is None or not math.isfinite(volatility) or volatility <= 0:
            raise CannotSizeError(f"the volatility of {inputs.instrument.symbol} is not known yet")
        wanted = self.target_percent / 100 / Decimal(str(volatility))
        return inputs.equity * min(wanted, self.max_leverage) / inputs.unit_value


def annual_volatility(closes: Sequence[float], periods_per_year: int = 252) -> float | None:
    """Annualised volatility from closing prices: deviation of log returns x sqrt(periods in a year).

    None with fewer than 20 returns, or when a price is missing or not above zero. Hull, Options, Futures, and
    Other Derivatives, section 15.4 (sample deviation, n - 1).
    """
    prices = np.asarray(closes, dtype=float)
    if prices.size <= _FEWEST_RETURNS or not np.all(np.isfinite(prices) & (prices > 0)):
        return None
    return float(np.diff(np.log(prices)).std(ddof=1) * math.sqrt(periods_per_year))
