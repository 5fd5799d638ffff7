"""Strategies are found, described, and built or refused with every reason."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from core.strategies.trend import Trend
from core.strategy.registry import (
    StrategyConfigurationError,
    build_strategy,
    strategy,
    strategy_classes,
    strategy_kinds,
)
from core.strategy.sdk import Signal
from tests.core.market.bars import MONDAY


def problems(kind: str, symbols: list[str], **params: object) -> list[str]:
    with pytest.raises(StrategyConfigurationError) as caught:
        build_strategy(kind, "mine", symbols, params)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


def test_discovery() -> None:
    """Every file in core.strategies is found by its kind."""
    own = [kind for kind, cls in strategy_classes().items() if cls.__module__.startswith("core.strategies.")]
    assert own == ["breakout", "mean_reversion", "trend"]


def test_every_kind_is_described() -> None:
    """Help and cards have a title, a summary, and for each parameter a type, a default and a description."""
    for kind in (each for each in strategy_kinds() if each.kind in ("breakout", "mean_reversion", "trend")):
        assert kind.title
        assert kind.summary.endswith(".")
        assert all(info.type and info.default and info.description for info in kind.parameters)
    trend = next(kind for kind in strategy_kinds() if kind.kind == "trend")
    fast, size = trend.parameters[0], next(info for info in trend.parameters if info.name == "size")
    assert (fast.name, fast.type, fast.default, fast.bounds) == ("fast", "whole number", "20", "2 to 200")
    assert size.bounds == "above 0 to 1"


def test_text_from_chat_builds() -> None:
    """Numbers and yes/no may be text."""
    built = build_strategy("trend", "mine", ["AAPL"], {"fast": "5", "band": "0.25", "allow_short": "yes"})
    assert isinstance(built, Trend)
    assert (built.params.fast, built.params.band, built.params.allow_short) == (5, 0.25, True)
    assert (built.name, built.symbols, built.kind) == ("mine", ("AAPL",), "trend")


def test_parameters_cannot_change_underneath() -> None:
    """Parameters are immutable: a change is a new instance."""
    built = build_strategy("trend", "mine", ["AAPL"], {})
    with pytest.raises(ValueError, match="frozen"):
        built.params.fast = 3


def test_all_problems_at_once() -> None:
    """One error lists everything, with a remedy each."""
    found = problems("trend", [], fasst=3, slow="abc", band=-1, size=math.nan)
    assert found == [
        "mine.symbols: there is no symbol. Name at least one.",
        (
            "mine.slow: 'abc' will not do: input should be a valid integer, unable to parse string as an integer. "
            "Give slow (whole number, 3 to 400; default 60), or leave it out."
        ),
        (
            "mine.band: -1 will not do: input should be greater than or equal to 0. "
            "Give band (number, 0 to 10; default 0.5), or leave it out."
        ),
        (
            "mine.size: nan will not do: input should be a finite number. "
            "Give size (number, above 0 to 1; default 1.0), or leave it out."
        ),
        (
            "mine.fasst: there is no parameter 'fasst'. Did you mean fast? "
            "The choices are: fast, slow, atr_period, band, size, allow_short."
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("trend", {"fast": 90}, "mine: fast (90) must be less than slow (60)"),
        ("breakout", {"exit": 30}, "mine: exit (30) must not be more than entry (20)"),
        ("mean_reversion", {"exit": 2}, "mine: exit (2.0) must be less than entry (2.0)"),
    ],
)
def test_parameters_that_do_not_go_together(kind: str, params: dict[str, object], said: str) -> None:
    """What holds between parameters is checked too."""
    (found,) = problems(kind, ["A"], **params)
    assert found.startswith(said)


def test_unknown_kind_and_doubled_symbol() -> None:
    """A misspelt kind gets a suggestion; a symbol is named once."""
    unknown, doubled = problems("trnd", ["A", "A"])
    choices = ", ".join(strategy_classes())
    assert unknown == f"mine.kind: there is no strategy kind 'trnd'. Did you mean trend? The choices are: {choices}."
    assert doubled == "mine.symbols: A is named twice. Name it once."
    assert "Did you mean" not in problems("xyz", ["A"])[0]


def test_a_kind_is_taken_once() -> None:
    """Two strategies cannot share a word."""

    class Other(Trend):
        """Another."""

    with pytest.raises(ValueError, match="taken by Trend"):
        strategy("trend")(Other)
    assert strategy("trend")(Trend) is Trend


@pytest.mark.parametrize("exposure", [1.01, -1.01, math.nan, math.inf])
def test_impossible_signals_are_refused(exposure: float) -> None:
    """An exposure is a finite number in [-1, 1]."""
    with pytest.raises(ValueError, match="exposure"):
        Signal("s", "X", exposure, "why", MONDAY)


def test_a_signal_has_a_zone() -> None:
    """A signal without a time zone is refused."""
    with pytest.raises(ValueError, match="aware"):
        Signal("s", "X", 1.0, "why", datetime(2024, 1, 1))
