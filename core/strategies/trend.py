"""Follows a trend: a fast average above a slow one, by more than noise."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from brokers.market import Bar
from core.market.history import History
from core.market.indicators import atr, sma
from core.strategy.registry import strategy
from core.strategy.sdk import Signal, Strategy, StrategyParameters

# Wilder's mean forgets: four periods back, a bar still weighs less than 2 % of the whole.
_ATR_MEMORY = 4


class TrendParameters(StrategyParameters):
    """Parameters of `trend`."""

    fast: int = Field(20, ge=2, le=200, description="Bars in the fast average.")
    slow: int = Field(60, ge=3, le=400, description="Bars in the slow average; more than in the fast one.")
    atr_period: int = Field(14, ge=2, le=100, description="Bars in the average true range.")
    band: float = Field(
        0.5, ge=0, le=10, description="How far apart the averages must be to enter, in average true ranges."
    )
    size: float = Field(1.0, gt=0, le=1, description="Exposure to ask for: 1 is all that it may hold.")
    allow_short: bool = Field(False, description="Whether it may also sell short in a falling trend.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> TrendParameters:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        return self


@strategy("trend")
class Trend(Strategy[TrendParameters]):
    """Long while the fast average is above the slow one, entering only when they are clearly apart.

    With d = SMA(fast) - SMA(slow): enter long at d > band x ATR and leave at d < 0; the gap between the two
    thresholds keeps it from trading back and forth in a market without a trend. Shorts are the mirror image.

    Source: the variable-length moving average with a band of W. Brock, J. Lakonishok and B. LeBaron, "Simple
    technical trading rules and the stochastic properties of stock returns", Journal of Finance 47 (1992);
    its band is a percentage, ours is sized by Wilder's average true range.
    """

    title = "Trend following"
    Parameters = TrendParameters

    @property
    def warm_up(self) -> int:
        """The slow average, or the memory of the average true range, whichever is longer."""
        return max(self.params.slow, _ATR_MEMORY * self.params.atr_period + 1)

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        """Enter, leave or turn around."""
        if not self.is_ready(history):
            return ()
        gap = self._gap(history)
        direction = self._direction(gap, exposure)
        reason = f"SMA{self.params.fast} is {gap:+.2f} ATR from SMA{self.params.slow}"
        return self.change(bar, exposure, direction * self.params.size, reason)

    def _gap(self, history: History) -> float:
        """Fast less slow average, in average true ranges."""
        recent = history.last(self.warm_up)
        gap = sma(recent.close, self.params.fast) - sma(recent.close, self.params.slow)
        true_range = atr(recent.high, recent.low, recent.close, self.params.atr_period)
        return gap / true_range if true_range > 0 else 0.0

    def _direction(self, gap: float, exposure: float) -> int:
        band = self.params.band
        if gap > band or (exposure > 0 and gap >= 0):
            return 1
        if self.params.allow_short and (gap < -band or (exposure < 0 and gap <= 0)):
            return -1
        return 0
