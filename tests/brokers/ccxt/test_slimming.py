"""Of thousands of markets only what is needed stays in memory, and what is needed stays."""

from __future__ import annotations

import re
from pathlib import Path

import ccxt
import pytest

from brokers.adapters.binance import words
from brokers.ccxt import markets
from brokers.ccxt.loading import load_exchange_class
from brokers.ccxt.slimming import forgetful, once
from tests.brokers.ccxt.rig import account

RAW = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "isSpotTradingAllowed": True,
    "orderTypes": ["LIMIT"],
    "filters": [{"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"}],
}


def exchange(kept):
    made = load_exchange_class("binance")()
    made.options["crossMarginPairsData"] = made.options["isolatedMarginPairsData"] = []
    forgetful(made, kept)
    made.set_markets([made.parse_market(dict(RAW))])
    return made


def test_only_the_words_stay_and_what_was_read_from_the_others():
    """The lot is read before its filter is let go."""
    market = exchange(frozenset({"orderTypes"})).market("BTC/USDT")
    assert market["info"] == {"orderTypes": ["LIMIT"]}
    assert market["limits"]["amount"]["min"] == 0.00001


def test_where_nobody_has_looked_everything_stays():
    """Another class of ccxt may read any word again."""
    assert exchange(None).market("BTC/USDT")["info"] == RAW


def test_each_market_is_kept_once():
    """By symbol and by the venue's id it is the same object, and still found by both."""
    made = exchange(frozenset())
    market = made.market("BTC/USDT")
    assert made.markets_by_id["BTCUSDT"][0] is not market
    once(made)
    assert made.markets_by_id["BTCUSDT"][0] is market
    assert made.safe_market("BTCUSDT", None, None, "spot") is market


def test_two_markets_of_one_id_stay_two():
    """What differs by id from what is known by symbol is not taken for the same."""
    made = exchange(frozenset())
    other = {**made.market("BTC/USDT"), "active": False}
    made.markets_by_id["BTCUSDT"].append(other)
    once(made)
    assert made.markets_by_id["BTCUSDT"][1] is other


@pytest.mark.parametrize("market", ["spot", "margin", "usdm"])
async def test_binance_keeps_the_words_alone_and_trades(tmp_path, market):
    """An order at the market, whose type ccxt looks up among the words."""
    async with account(tmp_path, market) as rig:
        known = rig.broker._client.exchange.market(rig.symbol)
        assert known["info"].keys() <= words.MARKET_WORDS
        assert "orderTypes" in known["info"]
        assert any(each is known for each in rig.broker._client.exchange.markets_by_id[known["id"]])
        assert (await rig.place(quantity="0.01")).venue_order_id
    markets.forget()


def test_ccxt_reads_no_other_words():
    """A newer ccxt may look up more: then this fails, and the word belongs into the list."""
    folder = Path(ccxt.__file__).parent
    source = "".join((folder / each / "binance.py").read_text() for each in ("async_support", "pro"))
    source += (folder / "async_support" / "binanceusdm.py").read_text()
    read = re.findall(r"market\['info'\](?:\['(\w+)'\]|, '(\w+)')", source)
    assert {first or second for first, second in read} == words.MARKET_WORDS
    assert source.count("market['info']") == len(read)
