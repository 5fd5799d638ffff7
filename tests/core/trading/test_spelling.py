"""Symbols as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.spelling import spelt

KNOWN = ["AAPL", "BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT", "BRK.B"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("aapl", "AAPL"),
        ("btc/usdt", "BTC/USDT"),
        ("BTCUSDT", "BTC/USDT"),
        ("btc-usdt", "BTC/USDT"),
        ("BTC/USDT:USDT", "BTC/USDT:USDT"),
        ("btcusdtusdt", "BTC/USDT:USDT"),
        ("ethusdt", "ETH/USDT:USDT"),  # there is no other
        ("eth/usdt", "ETH/USDT:USDT"),
        ("brkb", "BRK.B"),
        ("BTC", None),
        ("USDT", None),
        ("", None),
    ],
)
def test_what_is_meant(typed, meant):
    """In full first, then without marks, then without what a perpetual is settled in."""
    assert spelt(typed, KNOWN) == meant


def test_what_could_mean_two_means_none():
    """Money is not placed on a guess."""
    assert spelt("BTCUSD", ["BTC/USD", "BTCU/SD"]) is None
    assert spelt("BTCUSDT", ["BTC/USDT:USDT", "BTC/USDT:BTC"]) is None


@given(st.lists(st.text("AB/:", min_size=1, max_size=6), unique=True))
def test_what_is_written_in_full_is_what_is_meant(known):
    """Whatever else there is."""
    assert [spelt(each.lower(), known) for each in known] == known
