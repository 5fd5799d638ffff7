"""Every benchmark can be found, says what it measures, and has something to run."""

import importlib
import inspect

import pytest

from tests.benchmarks.__main__ import line, names
from tests.benchmarks.support.figure import Figure, figure, percentile


@pytest.mark.parametrize("name", names())
def test_a_benchmark_says_what_it_measures_and_runs(name):
    module = importlib.import_module(f"tests.benchmarks.{name}")
    assert (module.__doc__ or "").strip()
    assert callable(module.run)
    assert not inspect.signature(module.run).parameters


def test_there_are_benchmarks():
    assert {"start", "commands", "orders", "replay", "risk", "halt", "strategies"} <= set(names())


def test_percentiles_are_samples():
    values = [float(each) for each in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50, 99, 100)
    assert percentile([7.0], 99) == 7


def test_a_goal_binds_the_worst():
    assert figure("f", "ms", [1.0, 9.0], percent=100, goal=5).met == "NO"
    assert Figure("f", "ms", 1.0, goal=5).met == "yes"
    assert Figure("f", "ms", 1.0).met == ""


def test_a_figure_is_a_line_of_the_docs():
    made = figure("f", "ms", [1.0, 9.0], percent=100, goal=5, reference="other 2 ms")
    assert line(made.as_dict()) == "| f | 1 ms | worst 9 ms | other 2 ms | < 5 ms | **no** |"
    assert line(Figure("many", "/s", 25_000).as_dict()) == "| many | 25,000 /s | | | | |"
