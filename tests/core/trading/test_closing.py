"""How much of what strategies hold goes out in one order: shares of it, pure, for all mixes of holders."""

from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from brokers.instrument import Instrument
from core.trading.dust import cut, not_there, tradable

LOT = Decimal("0.001")
COIN = Instrument("BTC/USDT", "USDT", lot=LOT, base="BTC")
parts_of = st.dictionaries(
    st.sampled_from(["alpha", "beta", "gamma", "manual"]),
    st.integers(-5_000, 5_000).filter(bool).map(lambda lots: lots * LOT),
    min_size=1,
)
units_of = st.integers(0, 12_000_000).map(lambda units: units * Decimal("0.000001"))


@given(parts=parts_of, most=units_of)
def test_a_cut_leaves_just_the_most_and_everybody_has_a_share(parts, most):
    """Never more than somebody has, never another side, and shares to within a lot; the other side stays whole."""
    net = sum(parts.values())
    kept = cut(COIN, parts, most)
    if abs(net) <= most:
        assert kept == parts
        return
    sign = 1 if net > 0 else -1
    assert sum(kept.values()) == sign * COIN.floor_quantity(most)
    total = sum(part for part in parts.values() if part * sign > 0)
    share = sum(part for part in kept.values() if part * sign > 0) / total
    for name, part in parts.items():
        left = kept.get(name, Decimal(0))
        assert COIN.is_whole_lots(left)
        if part * sign < 0:
            assert left == part
        else:
            assert 0 <= left * sign <= part * sign
            assert abs(left - part * share) <= LOT


@given(parts=parts_of, cover=units_of)
def test_no_more_is_sold_than_there_is(parts, cover):
    """Buying back needs no cover, and what is bought in the same order gives some."""
    done = tradable(COIN, parts, Decimal(50_000), cover)
    assert -sum(done.values()) <= max(cover, 0)
    if -sum(parts.values()) <= cover:
        assert done == tradable(COIN, parts, Decimal(50_000))


@given(parts=parts_of, most=st.integers(1, 2_000).map(lambda lots: lots * LOT))
def test_slices_add_up_to_the_whole_and_none_is_larger_than_the_most(parts, most):
    """One after another, until nothing is left: as many as are needed, and no part is turned round."""
    left, slices = dict(parts), 0
    net = sum(parts.values())
    while left and sum(left.values()):
        done = cut(COIN, left, most)
        assert abs(sum(done.values())) <= most
        left = {name: part - done.get(name, 0) for name, part in left.items()}
        assert all(part * parts[name] >= 0 for name, part in left.items())
        left = {name: part for name, part in left.items() if part}
        slices += 1
    assert slices == math.ceil(abs(net) / most)


def test_what_is_not_there_is_told_in_words() -> None:
    """How much, of what, and why."""
    text = "0.05 of 0.1 BTC is not in the account: somebody else has sold it, so it cannot be closed"
    assert not_there(COIN, Decimal("0.1"), Decimal("0.05")) == text
