"""ccxt rounds by changing the rounding of the whole process: ours must not depend on whether it has been called."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, getcontext, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ccxt.decimals import keep_to_itself
from brokers.ccxt.loading import load_exchange_class

ROUND, DECIMAL_PLACES, TICK_SIZE = 1, 2, 4


@pytest.fixture(scope="module")
def plain() -> Callable[..., Any]:
    return load_exchange_class("binance")({}).decimal_to_precision


@pytest.fixture(scope="module")
def kept() -> Callable[..., Any]:
    exchange = load_exchange_class("binance")({})
    keep_to_itself(exchange)
    return exchange.decimal_to_precision


def test_without_us_it_changes_how_everybody_rounds(plain: Callable[..., Any]) -> None:
    """Why all this: should ccxt mend it, this fails, and we can do without."""
    with localcontext() as ours:
        assert round(Decimal("0.125"), 2) == Decimal("0.12")
        plain("25.245", ROUND, 2, DECIMAL_PLACES)
        assert ours is getcontext()
        assert round(Decimal("0.125"), 2) == Decimal("0.13")


def test_with_us_our_context_stays(kept: Callable[..., Any]) -> None:
    """In a usual context and in a strange one."""
    for digits in (28, 5):
        with localcontext() as ours:
            ours.prec = digits
            before = repr(ours)
            assert kept("12345.675", ROUND, 2, DECIMAL_PLACES) == "12345.68"
            assert repr(getcontext()) == before


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=9), st.sampled_from(["0.01", "0.00001", "1", "10"]))
def test_what_it_answers_is_the_same(
    plain: Callable[..., Any], kept: Callable[..., Any], number: Decimal, tick: str
) -> None:
    """Only the side effect is gone."""
    with localcontext():
        expected = plain(f"{number:f}", ROUND, tick, TICK_SIZE)
    assert kept(f"{number:f}", ROUND, tick, TICK_SIZE) == expected
