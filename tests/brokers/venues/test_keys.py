"""At each venue: what a key may do is asked before it is used, and a mode must be written and be one that there is."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import ConfigurationError, Unavailable
from brokers.health import Grade
from brokers.registry import BrokerContext, BrokerFactory, validate
from tests.brokers.venues.recorder import Asked
from tests.brokers.venues.rig import NOW, documented, keys_of
from tests.brokers.venues.test_requests import QUESTIONS, at

RIGHTS = {
    "bybit": ("GET /v5/user/query-api", ("result",)),
    "coinbase": ("GET /api/v3/brokerage/key_permissions", ()),
    "kraken": ("POST /0/private/GetApiKeyInfo", ("result",)),
    "kucoin": ("GET /api/v1/user/api-key", ("data",)),
    "okx": ("GET /api/v5/account/config", ("data", 0)),
}
"""Where each venue tells the rights of a key."""
WITHDRAWS: dict[str, dict[str, Any]] = {
    "bybit": {"permissions": {"Spot": ["SpotTrade"], "Wallet": ["AccountTransfer", "Withdraw"]}},
    "coinbase": {"can_transfer": True},
    "kraken": {"permissions": ["query-funds", "modify-trades", "withdraw-funds"]},
    "kucoin": {"permission": "General, Spot, Transfer"},
    "okx": {"perm": "read_only,trade,withdraw"},
}
READS: dict[str, dict[str, Any]] = {
    "bybit": {"readOnly": 1},
    "coinbase": {"can_trade": False},
    "kraken": {"permissions": ["query-funds", "query-open-trades"]},
    "kucoin": {"permission": "General"},
    "okx": {"perm": "read_only"},
}
FROM_EVERYWHERE: dict[str, dict[str, Any]] = {
    "bybit": {"ips": ["*"]},
    "kraken": {"ipAllowlist": []},
    "kucoin": {"ipWhitelist": ""},
    "okx": {"ip": ""},
}
REFUSALS: dict[str, Any] = {
    "bybit": {"retCode": 10003, "retMsg": "API key is invalid.", "result": {}, "time": 1},
    "coinbase": (401, {"error": "Unauthorized", "error_details": "", "message": "Unauthorized"}),
    "kraken": {"error": ["EAPI:Invalid key"]},
    "kucoin": (401, {"code": "400003", "msg": "KC-API-KEY not exists"}),
    "okx": (401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}),
}
MODES = {
    "binance": ("live", "testnet", "demo"),
    "bybit": ("live", "testnet", "demo"),
    "coinbase": ("live",),
    "kraken": ("live",),
    "kucoin": ("live",),
    "okx": ("live", "demo"),
}
SIGNATURES = {
    "bybit": "x-bapi-api-key",
    "coinbase": "authorization",
    "kraken": "api-key",
    "kucoin": "kc-api-key",
    "okx": "ok-access-key",
}
"""The header of a request that is made with a key."""
LISTS = {
    "coinbase": ("GET /api/v3/brokerage/transaction_summary",),
    "kucoin": ("GET /api/v3/margin/symbols", "GET /api/v1/isolated/symbols"),
}
"""What ccxt signs when it lists markets."""
QUOTES = {
    "bybit": "GET /v5/market/tickers",
    "coinbase": "GET /api/v3/brokerage/market/products/BTC-USDT/ticker",
    "kraken": "GET /0/public/Ticker",
    "kucoin": "GET /api/v1/market/stats",
    "okx": "GET /api/v5/market/ticker",
}
every_venue = pytest.mark.parametrize("venue", RIGHTS)
every_account = pytest.mark.parametrize("key", QUESTIONS)


def rights(venue: str, change: dict[str, Any]) -> dict[str, Any]:
    """The venue's answer about a key, with these rights."""
    line, place = RIGHTS[venue]
    answer = deepcopy(documented(venue)["answers"][line])
    told = answer
    for step in place:
        told = told[step]
    told.update(change)
    return {line: answer}


@every_account
async def test_a_key_that_may_withdraw_is_refused_and_not_used(key: str, tmp_path: Path) -> None:
    """Its rights are asked for first; of the rest ccxt signs only what it lists markets with."""
    venue, _, _ = key.partition(" ")
    asked: list[Asked] = []
    with pytest.raises(ConfigurationError, match=r"brokers\.acc: .*may withdraw money.*take the permission"):
        async with at(key, tmp_path, answers=rights(venue, WITHDRAWS[venue]), asked=asked):
            pass
    signed = [each.line for each in asked if SIGNATURES[venue] in {name.casefold() for name in each.headers}]
    assert sorted(signed[:-1]) == sorted(LISTS.get(venue, ()))  # asked for at once
    assert signed[-1] == RIGHTS[venue][0]


@every_account
async def test_a_key_that_may_only_read_is_refused(key: str, tmp_path: Path) -> None:
    """It would be found out with the first order."""
    venue, _, _ = key.partition(" ")
    with pytest.raises(ConfigurationError, match="may not trade"):
        async with at(key, tmp_path, answers=rights(venue, READS[venue])):
            pass


@every_account
async def test_a_key_for_every_address_is_a_warning(key: str, tmp_path: Path) -> None:
    """And one with a list of addresses is good; Coinbase does not tell."""
    venue, _, _ = key.partition(" ")
    async with at(key, tmp_path) as here:
        texts = {finding.text: finding.grade for finding in await here.broker.inspect()}
        assert texts["The key may trade, and may not withdraw"] is Grade.GOOD
        listed = "The key works from listed IP addresses only"
        assert texts.get(listed) is (None if venue == "coinbase" else Grade.GOOD)
    if venue in FROM_EVERYWHERE:
        async with at(key, tmp_path, answers=rights(venue, FROM_EVERYWHERE[venue])) as here:
            found = [finding for finding in await here.broker.inspect() if "works from everywhere" in finding.text]
            assert [finding.grade for finding in found] == [Grade.WARNING]


@every_account
async def test_a_key_that_the_venue_does_not_take(key: str, tmp_path: Path) -> None:
    """Mistyped, or of another mode: all that it may be is said, in plain words."""
    venue, _, _ = key.partition(" ")
    line, _ = RIGHTS[venue]
    with pytest.raises(ConfigurationError, match=r"does not take this API key.*keys of its own.*IP addresses"):
        async with at(key, tmp_path, answers={line: REFUSALS[venue]}):
            pass


@pytest.mark.parametrize("venue", MODES)
def test_a_mode_must_be_written(venue: str) -> None:
    """There is none that anybody would mean by saying nothing."""
    (problem,) = validate("acc", {"adapter": venue})
    assert problem == "brokers.acc.mode: is missing; add it"


@pytest.mark.parametrize("word", ["paper", "LIVE", "sandbox", "testnet", "demo"])
@pytest.mark.parametrize("venue", MODES)
def test_a_mode_that_is_not_there_is_told_with_those_that_are(venue: str, word: str, tmp_path: Path) -> None:
    """Nobody lands at real money by a typing error."""
    raw = {"adapter": venue, "mode": word}
    if word in MODES[venue]:
        assert validate("acc", raw) == []
        return
    context = BrokerContext(tmp_path, lambda: datetime(2026, 1, 1, tzinfo=UTC), symbols=("BTC/USDT",))
    with pytest.raises(ConfigurationError) as refused:
        BrokerFactory(context).build("acc", raw)
    assert str(refused.value).startswith("brokers.acc.mode: ")
    assert all(f"{mode}" in str(refused.value) for mode in MODES[venue])


@every_venue
def test_half_a_key_is_no_key(venue: str) -> None:
    """And where keys have a passphrase, it is asked for."""
    keys = keys_of(documented(venue))
    assert validate("acc", {"adapter": venue, "mode": "live", **keys}) == []
    (problem,) = validate("acc", {"adapter": venue, "mode": "live", "api_key": keys["api_key"]})
    assert "secret belong together" in problem
    if "password" in keys:
        keys.pop("password")
        (problem,) = validate("acc", {"adapter": venue, "mode": "live", **keys})
        assert "passphrase" in problem


def dated(venue: str, asked: Asked) -> datetime:
    """When a signed request says that it was made."""
    said = {name.casefold(): value for name, value in asked.headers.items()}
    if venue == "coinbase":
        claims = said["authorization"].split(".")[1]
        return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(claims + "=="))["nbf"], UTC)
    if venue == "okx":
        return datetime.fromisoformat(said["ok-access-timestamp"])
    name = {"bybit": "x-bapi-timestamp", "kucoin": "kc-api-timestamp"}[venue]
    return datetime.fromtimestamp(int(said[name]) / 1000, UTC)


@pytest.mark.parametrize("key", [each for each in QUESTIONS if each != "kraken"])
async def test_requests_are_dated_by_the_venues_clock(key: str, tmp_path: Path) -> None:
    """It says that it is another month; Kraken wants a number that grows, and no date."""
    venue, _, _ = key.partition(" ")
    async with at(key, tmp_path) as here:
        await here.sent()
        assert abs(dated(venue, here.venue.changes()[-1]) - NOW) < timedelta(seconds=20)


@every_account
@pytest.mark.parametrize("status", [429, 418])
async def test_a_venue_that_is_asked_too_much_is_left_alone(key: str, status: int, tmp_path: Path) -> None:
    """For as long as it says: nothing more is sent meanwhile."""
    venue, _, _ = key.partition(" ")
    async with at(key, tmp_path) as here:
        here.answer(QUOTES[venue], (status, {"code": "429", "msg": "slow down"}, {"Retry-After": "30"}))
        with pytest.raises(Unavailable):
            await here.broker.get_quote(here.instrument.symbol)
        before = len(here.venue.asked)
        with pytest.raises(Unavailable, match="wants no requests until"):
            await here.broker.get_quote(here.instrument.symbol)
        assert len(here.venue.asked) == before
        until = here.broker.health.banned_until
        assert until is not None
        assert abs(until - NOW - timedelta(seconds=30)) < timedelta(seconds=5)
