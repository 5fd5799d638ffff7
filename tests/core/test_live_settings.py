"""The settings of a live market, and what is wrong with them in words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.choosing import chosen, remember
from bot.sandbox.run import sandbox_settings, stored_settings
from bot.sandbox.server import SandboxServer
from core.checking import check_deeply
from core.errors import SettingsError
from core.settings import MarketSettings, Period, merge, parse_settings

BTC, ETH = "BTC/USDT", "ETH/USDT"
BINANCE = {"adapter": "binance", "market": "spot", "mode": "live"}
KEYS = {**BINANCE, "mode": "testnet", "api_key": "k" * 64, "secret": "s" * 64}
BASE: dict[str, Any] = {
    "telegram": {"token": "123456789:" + "A" * 35},
    "users": [{"id": 1, "name": "Ada", "role": "admin"}],
    "market": {"source": "live", "symbols": [BTC, ETH], "feeds": [BINANCE]},
    "accounts": {"paper": {"broker": {"adapter": "paper", "currency": "USDT"}}},
}


def problems(folder: Path, **over: Any) -> list[str]:
    try:
        check_deeply(parse_settings(merge({**BASE, "data_dir": folder}, over)))
    except SettingsError as error:
        return list(error.problems)
    return []


def test_feeds_have_names_of_their_own_and_all_symbols_unless_they_say_so():
    market = MarketSettings(
        source="live",
        symbols=(BTC, ETH),
        feeds=({**BINANCE, "symbols": [ETH]}, BINANCE, {"account": "main"}),
        period="15m",
    )
    assert [(each.name, each.account, each.symbols) for each in market.sources] == [
        ("binance", "", (ETH,)),
        ("binance-2", "", (BTC, ETH)),
        ("main", "main", (BTC, ETH)),
    ]
    assert market.sources[0].broker == BINANCE
    assert market.period.length == timedelta(minutes=15)
    assert [each.length for each in Period] == sorted(each.length for each in Period)


@pytest.mark.parametrize(
    ("market", "said"),
    [
        ({"feeds": []}, "a live market needs feeds"),
        ({"speed": 5}, "speed belongs to a replay; leave it out"),
        ({"source": "bundled"}, "feeds belongs to a live market; leave it out"),
        ({"feeds": [{**BINANCE, "symbols": [BTC]}]}, "no feed has ETH/USDT"),
        ({"feeds": [{**BINANCE, "account": "main"}]}, "write either `account: NAME` or `adapter: NAME`"),
        ({"feeds": [{}]}, "write either `account: NAME` or `adapter: NAME`"),
        ({"feeds": [{**BINANCE, "symbols": ["XRP/USDT"]}]}, "symbols: write a list of some of: BTC/USDT, ETH/USDT"),
        ({"feeds": [{**BINANCE, "symbols": BTC}]}, "symbols: write a list of some of"),
        ({"period": "2m"}, "Input should be '1m', '5m'"),
    ],
)
def test_what_cannot_be_a_live_market(market, said):
    with pytest.raises(ValueError, match="(?s)" + said.replace("(", r"\(")):
        MarketSettings.model_validate({**BASE["market"], **market})


def test_a_good_live_market(tmp_path):
    """A paper account, and one at the venue."""
    assert problems(tmp_path) == []
    both = {**BASE["accounts"], "main": {"broker": KEYS, "symbols": [BTC]}}
    assert problems(tmp_path, accounts=both, market={"feeds": [BINANCE, {"account": "main", "symbols": [BTC]}]}) == []


def test_a_real_venue_cannot_trade_history(tmp_path):
    """It says what to write."""
    market = {"source": "bundled", "symbols": ["AAPL"], "feeds": []}
    (problem,) = problems(tmp_path, market=market, accounts={"main": {"broker": KEYS}, "paper": {"symbols": ["AAPL"]}})
    assert problem.startswith("accounts.main.broker: binance is a real venue and cannot trade replayed history; set")
    assert "source: live" in problem


@pytest.mark.parametrize(
    ("over", "said"),
    [
        (
            {"market": {"feeds": [{"adapter": "binence", "mode": "live"}]}},
            "market.feeds.1 (binence).adapter: unknown adapter 'binence'; did you mean 'binance'?",
        ),
        ({"market": {"feeds": [{"adapter": "binance"}]}}, "market.feeds.1 (binance).mode"),
        ({"market": {"feeds": [{"adapter": "paper"}]}}, "market.feeds.1 (paper): paper has no prices of its own"),
        ({"market": {"feeds": [{"account": "papier"}]}}, "market.feeds.1 (papier).account: there is no account"),
        ({"market": {"feeds": [{"account": "paper"}]}}, "market.feeds.1 (paper).account: paper has no prices"),
        (
            {"market": {"feeds": [{"account": "main"}]}, "accounts": {"main": {"broker": KEYS, "symbols": [BTC]}}},
            "market.feeds.1 (main).symbols: main does not trade ETH/USDT; leave them out",
        ),
        ({"accounts": {"paper": {"symbols": ["XRP/USDT"]}}}, "accounts.paper.symbols: XRP/USDT not in market.symbols"),
        (
            {
                "accounts": {"paper": {"symbols": [ETH]}},
                "strategies": [{"name": "one", "kind": "trend", "symbols": [BTC]}],
            },
            "strategies.0 (one).symbols: paper does not trade BTC/USDT; add it to its symbols",
        ),
    ],
)
def test_deep_problems_of_a_live_market(tmp_path, over, said):
    """Each with its place."""
    assert any(each.startswith(said) for each in problems(tmp_path, **over)), problems(tmp_path, **over)


@pytest.mark.parametrize("venue", ["binance", "kraken", "bybit", "kucoin", "okx", "coinbase"])
def test_the_sandbox_can_be_on_the_prices_of_any_venue(tmp_path, venue):
    """No key, nothing to set; money stays in the paper venue."""
    settings = sandbox_settings(tmp_path, SandboxServer(data_dir=tmp_path), {}, venue)
    check_deeply(settings)
    assert settings.market.sources[0].broker == {"adapter": venue, "mode": "live"}
    assert {name: each.broker["adapter"] for name, each in settings.accounts.items()} == {"paper": "paper"}


def test_a_sandbox_stays_with_the_market_that_it_began_with(tmp_path):
    """Books of history and of a venue do not mix, and are looked at again as what they are."""
    old, new = tmp_path / "old", tmp_path / "new"
    assert (chosen(new, "binance"), chosen(new, "")) == ("binance", "")
    remember(new, "binance")
    assert (chosen(new, "binance"), chosen(new, "")) == ("binance", "binance")
    assert stored_settings(new).market.is_live
    with pytest.raises(SettingsError, match="holds a sandbox on binance; give --data-dir another"):
        chosen(new, "kraken")
    old.mkdir()
    (old / "paper-paper.sqlite3").touch()
    with pytest.raises(SettingsError, match="holds a sandbox on history"):
        chosen(old, "binance")
    assert not stored_settings(old).market.is_live


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        (
            {**BINANCE, "mode": "testnet"},
            (
                "accounts.main.broker: there is no key; put QUARTERDECK_ACCOUNTS__MAIN__BROKER__API_KEY and "
                "QUARTERDECK_ACCOUNTS__MAIN__BROKER__SECRET into .env"
            ),
        ),
        (
            {**KEYS, "dead_man_seconds": 60},
            "accounts.main.broker.dead_man_seconds: Binance has no timer that cancels orders here; leave it out",
        ),
        (
            {**KEYS, "currency": "EUR"},
            (
                "accounts.main: BTC/USDT is paid in USDT, the account is kept in EUR, and nothing says what one is worth in "
                "the other; set broker.currency to USDT, or add the rate to fx"
            ),
        ),
        (
            {**KEYS, "market": "margin"},
            "accounts.main.broker: Binance has no testnet mode for margin; set mode to live",
        ),
    ],
)
def test_what_an_account_at_a_venue_cannot_be(tmp_path, broker, said):
    """Told by the check of the settings, by the place where it stands, and not by a crash of the start."""
    main = {"broker": broker, "symbols": [BTC]}
    assert problems(tmp_path, accounts={"paper": BASE["accounts"]["paper"], "main": main}) == [said]
    main["fx"] = {"USDT": "0.92"}
    assert (problems(tmp_path, accounts={"main": main}) == []) == ("currency" in broker)
