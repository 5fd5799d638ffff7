"""Buys what has fallen unusually far, and sells it when it is back to normal or takes too long."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from brokers.market import Bar
from core.market.history import Floats, History
from core.market.indicators import zscores
from core.strategy.registry import strategy
from core.strategy.sdk import Signal, Strategy, StrategyParameters


class MeanReversionParameters(StrategyParameters):
    """Parameters of `mean_reversion`."""

    lookback: int = Field(20, ge=5, le=250, description="Bars in the mean and the standard deviation.")
    entry: float = Field(2.0, gt=0, le=5, description="Enter this many standard deviations from the mean.")
    exit: float = Field(0.5, ge=-2, le=5, description="Leave this many deviations from the mean (below 0: beyond it).")
    max_hold: int = Field(15, ge=1, le=250, description="Bars after which it gives up waiting.")
    size: float = Field(1.0, gt=0, le=1, description="Exposure to ask for: 1 is all that it may hold.")
    allow_short: bool = Field(False, description="Whether it may also sell short what has risen too far.")

    @model_validator(mode="after")
    def _exit_is_nearer(self) -> MeanReversionParameters:
        if self.exit >= self.entry:
            raise ValueError(f"exit ({self.exit}) must be less than entry ({self.entry})")
        return self


@strategy("mean_reversion")
class MeanReversion(Strategy[MeanReversionParameters]):
    """Long when the close falls unusually far below its average, until it recovers or time is up.

    With z = (close - mean) / standard deviation of the last `lookback` closes: enter long when z crosses
    below -entry, leave at z >= -exit, or when the last such crossing is `max_hold` or more bars ago. A new
    crossing renews the time. Entering only on a crossing, it does not buy again at once what it has just
    given up, and needs no memory besides the bars. Shorts are the mirror image.

    Source: J. Bollinger, Bollinger on Bollinger Bands (2001); E. P. Chan, Algorithmic Trading (2013),
    chapter 3, which trades such bands and gives up after about the half-life of the reversion.
    """

    title = "Mean reversion"
    Parameters = MeanReversionParameters

    @property
    def warm_up(self) -> int:
        """Enough to know z at the bar before the oldest crossing that still counts."""
        return self.params.lookback + self.params.max_hold

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        """Enter, leave or turn around."""
        if not self.is_ready(history):
            return ()
        scores = zscores(history.last(self.warm_up).close, self.params.lookback)
        direction, reason = self._decide(scores, exposure)
        return self.change(bar, exposure, direction * self.params.size, reason)

    def _decide(self, scores: Floats, exposure: float) -> tuple[int, str]:
        z = float(scores[-1])
        for side, allowed in ((1, True), (-1, self.params.allow_short)):
            depth = -side * scores
            entered = (depth[1:] >= self.params.entry) & (depth[:-1] < self.params.entry)
            if allowed and entered[-1]:
                return side, f"close is {z:+.2f} deviations from its mean"
            if allowed and exposure * side > 0 and depth[-1] > self.params.exit and entered.any():
                return side, f"position kept at {z:+.2f} deviations, size changed"
        recovered = abs(z) <= self.params.exit or z * exposure > 0
        return 0, f"back at {z:+.2f} deviations" if recovered else f"time is up at {z:+.2f} deviations"
