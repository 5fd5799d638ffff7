"""Strategies that misbehave, each in its own way, and the calls to show them a bar."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.market import Bar
from core.market.history import History
from core.strategy.host import Call
from core.strategy.sdk import Signal, Strategy, StrategyParameters

START = datetime(2020, 1, 1, tzinfo=UTC)


def bar(symbol: str = "AAPL", day: int = 0, close: str = "100") -> Bar:
    price = Decimal(close)
    return Bar(symbol, START + timedelta(days=day), price, price, price, price, Decimal(1000))


class Rogue(Strategy[StrategyParameters]):
    """Does what it is told to at each bar."""

    title = "Rogue"
    Parameters = StrategyParameters

    def __init__(
        self, name: str, act: Callable[[Bar, History, float], Any], symbols: Iterable[str] = ("AAPL",)
    ) -> None:
        super().__init__(name, StrategyParameters(), tuple(symbols))
        self.act = act
        self.calls = 0

    @property
    def warm_up(self) -> int:
        return 1

    def on_bar(self, bar: Bar, history: History, exposure: float) -> Iterable[Signal]:
        self.calls += 1
        return self.act(bar, history, exposure)


def call(strategy: Rogue, symbol: str = "AAPL") -> Call:
    shown = bar(symbol)
    return Call(strategy.name, strategy, shown, History(symbol, bars=[shown]), 0.0)


def says(exposure: float, name: str = "good", symbol: str | None = None) -> Callable[[Bar, History, float], Any]:
    return lambda bar, history, now: (Signal(name, symbol or bar.symbol, exposure, "because", bar.at),)


def loops(*_: Any) -> None:
    while True:
        pass


def sleeps(seconds: float) -> Callable[..., Any]:
    def act(*_: Any) -> tuple[()]:
        time.sleep(seconds)
        return ()

    return act


class Stubborn:
    """Catches everything that is thrown into it and goes on, until the test lets it end."""

    def __init__(self) -> None:
        self.over = False

    def __call__(self, *_: Any) -> tuple[()]:
        while not self.over:
            try:
                while not self.over:
                    pass
            except BaseException:  # noqa: BLE001 - that is its nature
                continue
        return ()


def raises(error: BaseException) -> Callable[..., Any]:
    def act(*_: Any) -> Any:
        raise error

    return act


def late(*_: Any) -> Iterator[Signal]:
    yield Signal("good", "AAPL", 1.0, "first", START)
    raise KeyError("late")


def endless(*_: Any) -> Iterator[Signal]:
    while True:
        yield Signal("good", "AAPL", 1.0, "again", START)


class Unspeakable(Exception):
    """Even its text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no words")
