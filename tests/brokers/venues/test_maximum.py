"""The largest order that a venue takes, as it says itself: read from ccxt's limits, and from the venue's own words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.ccxt.markets import most_of
from brokers.instrument import Instrument
from tests.brokers.ccxt.rig import account
from tests.brokers.venues.test_bybit import linear
from tests.brokers.venues.test_okx import swap


@pytest.mark.parametrize(("market", "largest"), [("spot", 9000), ("margin", 9000), ("usdm", 1000)])
async def test_binance_tells_one_for_all_orders_and_one_for_those_at_market(
    tmp_path: Path, market: str, largest: int
) -> None:
    """LOT_SIZE and MARKET_LOT_SIZE."""
    async with account(tmp_path, market) as rig:
        assert (rig.instrument.max_quantity, rig.instrument.max_market_quantity) == (largest, 120)
        assert (rig.instrument.most(at_market=False), rig.instrument.most(at_market=True)) == (largest, 120)


async def test_bybit_and_okx_tell_it_in_words_of_their_own(tmp_path: Path) -> None:
    """Ccxt leaves those for market orders out. OKX counts contracts, as we do."""
    async with linear(tmp_path) as bybit:
        assert (bybit.instrument.max_quantity, bybit.instrument.max_market_quantity) == (1190, 500)
    async with swap(tmp_path) as okx:
        assert okx.instrument.most(at_market=True) == 35_000


@pytest.mark.parametrize("said", [None, {}, {"max": None}, {"max": "0.00000000"}, {"max": 0}])
def test_a_venue_that_says_nothing_or_zero_has_no_maximum(said: object) -> None:
    """Binance says zero where a filter is off."""
    assert most_of({"market": said}, "market") is None


def test_the_smaller_of_both_counts_at_market_and_a_lot_is_always_possible() -> None:
    """Whole lots only, and none that is nothing."""
    one = Instrument("ACME", "USD", lot=Decimal(2), max_quantity=Decimal(9), max_market_quantity=Decimal(7))
    assert (one.most(at_market=True), one.most(at_market=False)) == (6, 8)
    assert replace(one, max_market_quantity=Decimal(11)).most(at_market=True) == 8
    assert replace(one, max_market_quantity=Decimal(1)).most(at_market=True) == 2
    assert Instrument("ACME", "USD").most(at_market=True) is None
    with pytest.raises(ValueError, match="above zero"):
        replace(one, max_quantity=Decimal(0))
