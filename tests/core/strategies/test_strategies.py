"""The shipped strategies: causal, finite, restartable, and doing what their docstrings say."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.market import Bar
from core.market.archive import bundled_archive
from core.market.history import History
from core.strategy.registry import AnyStrategy, build_strategy
from core.strategy.sdk import Signal
from tests.core.market.bars import series

APPLE = bundled_archive().load("AAPL").bars[:900]

CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    ("trend", {}),
    ("trend", {"fast": 5, "slow": 20, "band": 0.1, "allow_short": True, "size": 0.5}),
    ("mean_reversion", {}),
    ("mean_reversion", {"lookback": 10, "entry": 1.2, "exit": 0, "max_hold": 5, "allow_short": True}),
    ("breakout", {}),
    ("breakout", {"entry": 10, "exit": 5, "allow_short": True}),
]
SHORT = {"trend": {"fast": 2, "slow": 3, "atr_period": 2}, "mean_reversion": {"lookback": 5, "max_hold": 3}}
SHORT["breakout"] = {"entry": 4, "exit": 2}
every = pytest.mark.parametrize(("kind", "params"), CONFIGURATIONS)


def run(
    strategy: AnyStrategy, bars: Sequence[Bar], history: History | None = None, exposure: float = 0.0
) -> list[Signal]:
    """The signals of `strategy` over `bars`, each fed with the exposure it asked for last."""
    history = history or History(bars[0].symbol, strategy.warm_up)
    signals = []
    for bar in bars:
        history.append(bar)
        for signal in strategy.on_bar(bar, history, exposure):
            signals.append(signal)
            exposure = signal.exposure
    return signals


def build(kind: str, params: dict[str, Any], symbol: str = "AAPL") -> AnyStrategy:
    return build_strategy(kind, "one", [symbol], params)


def on_closes(kind: str, closes: Sequence[float], **params: Any) -> list[tuple[int, float]]:
    """(day, exposure) of every signal on bars with these closes."""
    bars = series("X", closes).bars
    days = {bar.at: day for day, bar in enumerate(bars)}
    return [(days[signal.at], signal.exposure) for signal in run(build(kind, params, "X"), bars)]


@every
def test_it_trades(kind: str, params: dict[str, Any]) -> None:
    """On real history it goes in and out, and never asks for what it has."""
    signals = run(build(kind, params), APPLE)
    assert len(signals) > 3
    assert all(a.exposure != b.exposure for a, b in itertools.pairwise(signals))
    assert all(signal.reason and signal.strategy == "one" and signal.symbol == "AAPL" for signal in signals)
    wanted = {signal.exposure for signal in signals}
    assert wanted == ({-params.get("size", 1), 0, params.get("size", 1)} if "allow_short" in params else {0, 1})


@every
def test_it_never_sees_the_future(kind: str, params: dict[str, Any]) -> None:
    """Signals up to a bar are the same whatever comes after it."""
    strategy = build(kind, params)
    whole = run(strategy, APPLE[:400])
    for cut in range(100, 400, 37):
        assert run(strategy, APPLE[:cut]) == [signal for signal in whole if signal.at <= APPLE[cut - 1].at]


@every
def test_a_restart_changes_nothing(kind: str, params: dict[str, Any]) -> None:
    """Warmed up with the bars that it asks for, it goes on exactly as if it had never stopped."""
    whole = run(build(kind, params), APPLE[:400])
    for cut in range(100, 400, 23):
        strategy = build(kind, params)
        before = [signal for signal in whole if signal.at <= APPLE[cut - 1].at]
        history = History("AAPL", 500, APPLE[cut - strategy.warm_up : cut])
        after = run(strategy, APPLE[cut:400], history, before[-1].exposure if before else 0.0)
        assert before + after == whole


@every
def test_it_is_silent_until_warm(kind: str, params: dict[str, Any]) -> None:
    """With one bar too few it says nothing, with enough it may."""
    strategy = build(kind, params)
    history = History("AAPL", 500)
    for bar in APPLE[: strategy.warm_up - 1]:
        history.append(bar)
        assert not strategy.is_ready(history)
        assert list(strategy.on_bar(bar, history, 0.0)) == []


@pytest.mark.parametrize("kind", sorted(SHORT))
@given(
    closes=st.lists(st.floats(0.001, 1e7).map(lambda x: round(x, 4)), min_size=3, max_size=40),
    allow_short=st.booleans(),
    exposure=st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0]),
)
def test_any_prices_give_sane_signals(kind: str, closes: list[float], allow_short: bool, exposure: float) -> None:
    """Whatever the prices and the exposure before, signals are finite and not short unless allowed."""
    strategy = build(kind, {**SHORT[kind], "allow_short": allow_short}, "X")
    for signal in run(strategy, series("X", [max(close, 0.001) for close in closes]).bars, exposure=exposure):
        assert math.isfinite(signal.exposure)
        assert signal.exposure in ((-1, 0, 1) if allow_short else (0, 1))


@pytest.mark.parametrize("kind", sorted(SHORT))
def test_a_dead_market_gives_no_trade(kind: str) -> None:
    """Prices that never move are no reason to trade."""
    assert on_closes(kind, [5.0] * 40, **SHORT[kind]) == []


def test_trend_needs_a_gap_to_enter_but_not_to_stay() -> None:
    """It enters beyond the band, stays while the averages are in order, and leaves when they cross."""
    closes = [100.0] * 10 + [100 + 2 * n for n in range(1, 11)] + [120.0] * 4 + [120 - 3 * n for n in range(1, 15)]
    wide = on_closes("trend", closes, fast=3, slow=8, atr_period=2, band=1)
    narrow = on_closes("trend", closes, fast=3, slow=8, atr_period=2, band=0)
    assert [exposure for _, exposure in wide] == [exposure for _, exposure in narrow] == [1, 0]
    assert wide[0][0] > narrow[0][0]
    assert wide[1][0] == narrow[1][0]


def test_trend_turns_short_where_allowed() -> None:
    """In a falling market it is short, if it may be."""
    falling = [200.0 - 2 * n for n in range(40)]
    assert on_closes("trend", falling, fast=3, slow=8, atr_period=2) == []
    assert [
        exposure for _, exposure in on_closes("trend", falling, fast=3, slow=8, atr_period=2, allow_short=True)
    ] == [-1]


def test_breakout_compares_with_the_bars_before() -> None:
    """Only a close above the highest high before it enters; below the shorter channel's low it leaves."""
    closes = [100.0, 100, 100, 100, 100.9, 101.5, 105, 104, 103.9, 99, 99]
    assert on_closes("breakout", closes, entry=4, exit=2) == [(6, 1), (9, 0)]


def test_mean_reversion_buys_the_fall_and_sells_the_recovery() -> None:
    """It enters on the crossing and leaves when z is back within the exit band."""
    closes = [100, 101, 100, 101, 100, 101, 100, 101, 90, 92, 100, 101]
    assert on_closes("mean_reversion", closes, lookback=5, entry=1.8, exit=0.5, max_hold=4)[:2] == [
        (8, 1),
        (10, 0),
    ]


def test_mean_reversion_gives_up_in_time() -> None:
    """A fall that goes on is sold `max_hold` bars after the crossing, and not bought again at once."""
    closes = [100, 101] * 15 + [92 - 0.5 * n for n in range(12)]
    for max_hold in (2, 4, 6):
        signals = on_closes("mean_reversion", closes, lookback=20, entry=1.5, exit=0.2, max_hold=max_hold)
        assert signals == [(30, 1), (30 + max_hold, 0)]


def test_changed_size_is_asked_for() -> None:
    """An instance whose size was changed while it holds asks for the new size."""
    closes = [100.0] * 5 + [110.0, 111.0, 112.0]
    history = History("X", 50, series("X", closes).bars)
    strategy = build("breakout", {"entry": 4, "exit": 2, "size": 0.5}, "X")
    (signal,) = strategy.on_bar(series("X", closes).bars[-1], history, 1.0)
    assert signal.exposure == 0.5


@every
def test_a_bar_costs_little(kind: str, params: dict[str, Any]) -> None:
    """A decision takes well under 100 microseconds of its own thread (what others do meanwhile is not counted)."""
    strategy = build(kind, params)
    history, bar = History("AAPL", 512, APPLE[:512]), APPLE[511]
    best = math.inf
    for _ in range(10):
        start = time.thread_time()
        for _ in range(100):
            strategy.on_bar(bar, history, 1.0)
        best = min(best, (time.thread_time() - start) / 100)
    assert best < 100e-6
