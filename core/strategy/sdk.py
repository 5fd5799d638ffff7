"""What a strategy is: it sees bars and answers with signals. It cannot reach a broker.

A strategy is one file in `core/strategies`: a parameters model, and a class with `on_bar`::

    @strategy("golden_cross")
    class GoldenCross(Strategy[GoldenCrossParameters]):
        \"\"\"Long while the 50-day average is above the 200-day average.\"\"\"

        title = "Golden cross"
        Parameters = GoldenCrossParameters

        @property
        def warm_up(self) -> int:
            return 200

        def on_bar(self, bar, history, exposure):
            if not self.is_ready(history):
                return ()
            above = sma(history.close, 50) > sma(history.close, 200)
            return self.change(bar, exposure, 1.0 if above else 0.0, "averages crossed")
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from brokers.market import Bar
from core.market.history import History, Window
from core.trading.protection.spec import ExitSpec


@dataclass(frozen=True, slots=True)
class Signal:
    """The exposure that `strategy` wants in `symbol` from `at` on, and why.

    `exposure` is a share of what the strategy may hold: 1 is fully long, 0 flat, -1 fully short. A number
    that is not finite or not in [-1, 1] is a `ValueError`. `exits` protect the position that comes of it, in place of
    those in the settings; without them the settings count.
    """

    strategy: str
    symbol: str
    exposure: float
    reason: str
    at: datetime
    exits: ExitSpec | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.exposure) and -1 <= self.exposure <= 1):
            raise ValueError(f"{self.strategy}: an exposure lies in [-1, 1], not {self.exposure}")
        if self.at.tzinfo is None:
            raise ValueError(f"{self.strategy}: a signal's time must be aware, not {self.at}")


class StrategyParameters(BaseModel):
    """The parameters of a strategy: immutable, nothing unknown, every number finite.

    Give each field a default, bounds and a description: help, cards and error messages show them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


P = TypeVar("P", bound=StrategyParameters)


class Strategy(ABC, Generic[P]):
    """One instance of a strategy: a name, its parameters, and the symbols that it watches.

    `on_bar` should be a pure function of its arguments and of `params` that reads no more than the last
    `warm_up` bars: then a restart, which shows it the same bars, continues exactly where it was.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    Parameters: ClassVar[type[StrategyParameters]]

    def __init__(self, name: str, params: P, symbols: Sequence[str]) -> None:
        self.name = name
        self.params = params
        self.symbols = tuple(symbols)

    @classmethod
    def summary(cls) -> str:
        """What it does in a sentence: the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    @property
    @abstractmethod
    def warm_up(self) -> int:
        """How many bars it reads: it says nothing before it has so many."""

    @abstractmethod
    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        """The signals at the end of `bar`, the newest in `history`; none where nothing is to change.

        `exposure` is what this strategy asked for last in `bar.symbol`, 0.0 at first.
        """

    def is_ready(self, history: Window) -> bool:
        """Whether `history` holds enough bars."""
        return len(history) >= self.warm_up

    def signal(self, bar: Bar, exposure: float, reason: str, exits: ExitSpec | None = None) -> Signal:
        """A signal of this strategy, at the end of `bar`."""
        return Signal(self.name, bar.symbol, exposure, reason, bar.at, exits)

    def change(self, bar: Bar, now: float, wanted: float, reason: str) -> tuple[Signal, ...]:
        """The signal that moves from the exposure `now` to `wanted`; none where they are the same."""
        return () if wanted == now else (self.signal(bar, wanted, reason),)
