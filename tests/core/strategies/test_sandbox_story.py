"""The history that the sandbox shows: early trades, a conflict, and a crash while both are long."""

from __future__ import annotations

from typing import Any

from core.market.archive import bundled_archive
from core.market.history import History
from core.strategy.registry import build_strategy

CRASH_EVE = 147  # bar index of 2000-09-28

INSTANCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "trend-aapl": (
        "trend",
        "AAPL",
        {"fast": 15, "slow": 40, "band": 0.25, "atr_period": 10, "allow_short": True},
    ),
    "reversion-aapl": ("mean_reversion", "AAPL", {"lookback": 10, "entry": 1.5, "exit": 0.25, "max_hold": 8}),
    "breakout-ibm": ("breakout", "IBM", {"entry": 15, "exit": 8}),
    "trend-msft": ("trend", "MSFT", {"fast": 10, "slow": 30, "band": 0.25, "atr_period": 7}),
    "reversion-ibm": ("mean_reversion", "IBM", {"lookback": 10, "entry": 1.5, "exit": 0.25, "max_hold": 8}),
}


def exposures(name: str) -> list[float]:
    """What the instance wants after each of the first 160 bars."""
    kind, symbol, params = INSTANCES[name]
    strategy, history, wanted = build_strategy(kind, name, [symbol], params), History(symbol, 100), [0.0]
    for bar in bundled_archive().load(symbol).bars[:160]:
        history.append(bar)
        wanted.append(next((s.exposure for s in strategy.on_bar(bar, history, wanted[-1])), wanted[-1]))
    return wanted[1:]


def test_the_story() -> None:
    """Within 45 bars three instances trade and two disagree; on the eve of the crash both are long AAPL."""
    wanted = {name: exposures(name) for name in INSTANCES}
    first = {name: next(bar for bar, exposure in enumerate(path) if exposure) for name, path in wanted.items()}
    assert first == {
        "breakout-ibm": 17,
        "reversion-aapl": 24,
        "reversion-ibm": 30,
        "trend-aapl": 40,
        "trend-msft": 73,
    }
    both = list(zip(wanted["trend-aapl"], wanted["reversion-aapl"], strict=True))
    assert [bar for bar, pair in enumerate(both) if pair == (-1, 1)][:21] == list(range(43, 64))
    assert both[CRASH_EVE] == both[CRASH_EVE - 1] == (1, 1)
