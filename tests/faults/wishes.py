"""Strategies for the harness: one that does as it is told by a file, one that never rests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from brokers.market import Bar
from core.market.history import History
from core.strategy.registry import strategy
from core.strategy.sdk import Signal, Strategy, StrategyParameters


class ToldParameters(StrategyParameters):
    """`wish` is a file with an exposure in it."""

    wish: str


@strategy("told")
class Told(Strategy[ToldParameters]):
    """Wants the exposure that stands in a file."""

    title = "As told"
    Parameters = ToldParameters

    @property
    def warm_up(self) -> int:
        return 1

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        path = Path(self.params.wish)
        wanted = float(path.read_text()) if path.exists() else 0.0
        return self.change(bar, exposure, wanted, "told")


class RestlessParameters(StrategyParameters):
    """`seed` makes one differ from the other."""

    seed: int = 1


@strategy("restless")
class Restless(Strategy[RestlessParameters]):
    """Wants something else with every other bar."""

    title = "Restless"
    Parameters = RestlessParameters

    @property
    def warm_up(self) -> int:
        return 1

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        dice = hashlib.sha256(f"{self.params.seed} {bar.symbol} {bar.at}".encode()).digest()
        wanted = (-1.0, -0.5, 0.0, 0.5, 1.0)[dice[0] % 5] if dice[1] % 2 else exposure
        return self.change(bar, exposure, wanted, "restless")
