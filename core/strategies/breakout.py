"""Buys a new high and leaves at a shorter low."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from brokers.market import Bar
from core.market.history import History
from core.market.indicators import donchian
from core.strategy.registry import strategy
from core.strategy.sdk import Signal, Strategy, StrategyParameters


class BreakoutParameters(StrategyParameters):
    """Parameters of `breakout`."""

    entry: int = Field(20, ge=2, le=400, description="Bars in the channel whose breakout enters.")
    exit: int = Field(10, ge=1, le=400, description="Bars in the channel whose breakout the other way leaves.")
    size: float = Field(1.0, gt=0, le=1, description="Exposure to ask for: 1 is all that it may hold.")
    allow_short: bool = Field(False, description="Whether it may also sell short below the channel.")

    @model_validator(mode="after")
    def _exit_is_shorter(self) -> BreakoutParameters:
        if self.exit > self.entry:
            raise ValueError(f"exit ({self.exit}) must not be more than entry ({self.entry})")
        return self


@strategy("breakout")
class Breakout(Strategy[BreakoutParameters]):
    """Long when the close rises above the channel of the bars before, until it falls below a shorter one.

    Enter long at close > highest high of the `entry` bars before this one, leave at close < lowest low of the
    `exit` bars before it. Shorts are the mirror image.

    Source: R. Donchian's channel; System 1 (20 and 10 days) of the Turtles in C. Faith, Way of the Turtle
    (2007), without its rule of skipping the breakout after a winner.
    """

    title = "Channel breakout"
    Parameters = BreakoutParameters

    @property
    def warm_up(self) -> int:
        """The longer channel, and the bar that breaks out of it."""
        return self.params.entry + 1

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        """Enter, leave or turn around."""
        if not self.is_ready(history):
            return ()
        direction, reason = self._decide(history, exposure)
        return self.change(bar, exposure, direction * self.params.size, reason)

    def _decide(self, history: History, exposure: float) -> tuple[int, str]:
        high, low, close = history.high[:-1], history.low[:-1], float(history.close[-1])
        entry = donchian(high, low, self.params.entry)
        if close > entry.upper:
            return 1, f"close {close:.2f} is above the {self.params.entry}-bar high {entry.upper:.2f}"
        if close < entry.lower and self.params.allow_short:
            return -1, f"close {close:.2f} is below the {self.params.entry}-bar low {entry.lower:.2f}"
        leave = donchian(high, low, self.params.exit)
        if exposure > 0 and close < leave.lower:
            return 0, f"close {close:.2f} is below the {self.params.exit}-bar low {leave.lower:.2f}"
        if exposure < 0 and close > leave.upper:
            return 0, f"close {close:.2f} is above the {self.params.exit}-bar high {leave.upper:.2f}"
        return _sign(exposure, self.params.allow_short), "position kept, size or shorting changed"


def _sign(exposure: float, allow_short: bool) -> int:
    if exposure < 0:
        return -1 if allow_short else 0
    return int(exposure > 0)
