"""What is asked for and not listed is left out and named; what is listed and closed for now is worked with as always."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.errors import ConfigurationError, Rejected
from brokers.health import Grade
from tests.brokers.ccxt.rig import account as at_binance
from tests.brokers.venues.rig import account, documented

BTC = "BTC/USDT"
# By venue: what lists its markets, and how it says that one of them is closed.
CLOSED = {
    "bybit": ("GET /v5/market/instruments-info", '"status": "Trading"', '"status": "Closed"'),
    "kraken": ("GET /0/public/AssetPairs", '"status": "online"', '"status": "cancel_only"'),
    "okx": ("GET /api/v5/public/instruments", '"state": "live"', '"state": "suspend"'),
    "kucoin": ("GET /api/v2/symbols", '"enableTrading": true', '"enableTrading": false'),
    "coinbase": ("GET /api/v3/brokerage/market/products", '"trading_disabled": false', '"trading_disabled": true'),
}


@pytest.mark.parametrize("venue", CLOSED)
async def test_a_pair_in_maintenance_stays(venue: str, tmp_path: Path) -> None:
    """At a start, too: its position counts and is valued, and an inspection tells that it is closed."""
    route, is_open, is_closed = CLOSED[venue]
    told = json.dumps(documented(venue)["answers"][route])
    assert is_open in told
    answers = {route: json.loads(told.replace(is_open, is_closed))}
    async with account(venue, tmp_path, answers=answers) as here:
        assert [each.symbol for each in await here.broker.get_instruments()] == [BTC]
        position = (await here.broker.get_account_info()).positions[BTC]
        assert position.quantity > 0
        assert position.average_price > 0
        found = [each for each in await here.broker.inspect() if "not open for trading now" in each.text]
        assert [each.grade for each in found] == [Grade.WARNING]
        assert found[0].text.startswith(BTC)
        assert here.broker.left_out == {}


@pytest.mark.parametrize(
    ("market", "wrong", "meant"),
    [
        ("spot", "BTC/USD", BTC),
        ("spot", "BTCUSDT", BTC),
        ("spot", "btc/usdt", BTC),
        ("spot", "DOGE/USDT", ""),
        ("spot", "XRP/USDT", ""),
        ("margin", "BTC-USDT", BTC),
        ("usdm", "BTC/USDT", "BTC/USDT:USDT"),
    ],
)
async def test_one_wrong_symbol_takes_nobody_else_away(tmp_path: Path, market: str, wrong: str, meant: str) -> None:
    """It is named, with another spelling of it and never another coin; its orders are refused in plain words."""
    other = "ETH/USDT:USDT" if market == "usdm" else "ETH/USDT"
    async with at_binance(tmp_path, market, symbols=(other, wrong)) as rig:
        rig.venue.move("ETHUSDT", Decimal(3_000))
        (known,) = await rig.broker.get_instruments()
        assert known.symbol == other
        hint = f"; did you mean {meant!r}?" if meant else ""
        assert rig.broker.left_out == {wrong: f"Binance has no {wrong!r} here{hint}"}
        (found,) = [each for each in await rig.broker.inspect() if each.grade is Grade.PROBLEM]
        assert found.text == rig.broker.left_out[wrong]
        with pytest.raises(Rejected, match=f"this account has no {wrong}"):
            await rig.broker.get_quote(wrong)
        with pytest.raises(Rejected, match=f"this account has no {wrong}"):
            rig.broker.quotes([wrong])
        assert await first(rig.broker.quotes([wrong, other])) == other
        await rig.broker.get_account_info()
        await rig.broker.get_open_orders()
        assert await rig.broker.get_fills(datetime.now(UTC)) == ()


async def first(stream: object) -> str:
    async for quote in stream:  # type: ignore[attr-defined]
        await stream.aclose()  # type: ignore[attr-defined]
        return str(quote.symbol)
    raise AssertionError


@pytest.mark.parametrize("symbols", [("BTC/USD",), ("BTC/USD", "ETHUSDT")])
async def test_an_account_with_no_symbol_that_there_is_is_refused(tmp_path: Path, symbols: Sequence[str]) -> None:
    """All of them are named: whoever reads it mends them at once."""
    with pytest.raises(ConfigurationError) as found:
        async with at_binance(tmp_path, "spot", symbols=symbols):
            pass
    assert all(f"Binance has no {each!r} here; did you mean" in str(found.value) for each in symbols)
