"""Strategies as people write them on a bad day. Registered only where a journey asks for them."""

import itertools
import time
from collections.abc import Iterable

from brokers.market import Bar
from core.market.history import History
from core.strategy.registry import strategy
from core.strategy.sdk import Signal, Strategy, StrategyParameters


class NoParameters(StrategyParameters):
    """None."""


class _Bad(Strategy[NoParameters]):
    Parameters = NoParameters

    @property
    def warm_up(self) -> int:
        return 1


@strategy("raises")
class Raises(_Bad):
    """Raises at every bar."""

    title = "Raises"

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        raise RuntimeError("<b>boom</b> & more")


@strategy("loops")
class Loops(_Bad):
    """Never comes back, and swallows every exception."""

    title = "Loops"

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        for _ in itertools.count():
            try:  # noqa: SIM105
                sum(range(1000))
            except Exception:  # noqa: BLE001
                pass
        return ()


@strategy("sleeps")
class Sleeps(_Bad):
    """Sleeps for a minute."""

    title = "Sleeps"

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        time.sleep(60)
        return ()
