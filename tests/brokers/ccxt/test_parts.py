"""Long JSON is read in parts, and nothing else comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ccxt.parts import in_parts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)
SIGNS = st.sampled_from([*'{}[],:" \n\\0-e.', '"a"', "true", "nul", "NaN", "12", '{"a":[', "]}"])


def nothing() -> None:
    """Nobody waits."""


def plainly(text: str) -> object:
    """What the standard library reads; None for what is no JSON, as `NaN`."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return [json.loads(text, parse_constant=refuse)]
    except ValueError:
        return None


@given(VALUES, st.sampled_from([None, 2]))
def test_what_is_written_is_read(value: object, indent: int | None) -> None:
    """Whatever it is, with spaces or without."""
    assert in_parts(json.dumps(value, indent=indent), nothing) == value


@given(st.lists(SIGNS, max_size=12).map("".join))
def test_what_is_no_json_is_refused(text: str) -> None:
    """Just where the standard library refuses it."""
    expected = plainly(text)
    if expected is None:
        with pytest.raises(ValueError, match=r"\w"):
            in_parts(text, nothing)
    else:
        assert [in_parts(text, nothing)] == expected


@given(VALUES, st.data())
def test_what_is_cut_off_is_refused(value: object, data: st.DataObject) -> None:
    """At whatever place."""
    text = json.dumps({"a": [value]})
    with pytest.raises(ValueError, match=r"\w"):
        in_parts(text[: data.draw(st.integers(0, len(text) - 1))], nothing)


@pytest.mark.parametrize("wrap", [
    lambda markets: {"symbols": markets},
    lambda markets: {"result": {"list": markets}},
    lambda markets: {"result": {str(number): each for number, each in enumerate(markets)}},
    lambda markets: markets,
], ids=["binance", "bybit", "kraken", "coinbase"])  # fmt: skip
def test_each_market_is_a_part(wrap: Callable[[list[Any]], Any]) -> None:
    """However a venue wraps them up."""
    parts = []
    in_parts(json.dumps(wrap([{"filters": [{"lot": "1"}] * 3}] * 100)), lambda: parts.append(1))
    assert len(parts) == 100
