"""`quarterdeck check --broker NAME` against Binance on this machine, and against the paper venue: what it says, and that it does nothing."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from brokers.adapters.paper import PaperTradingBroker
from brokers.network import OPEN, Network
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.source import TickSource
from core.broker_check import check_broker
from core.clock import SystemClock
from core.errors import SettingsError
from core.replay_rounds import archive_of
from core.settings import Settings, parse_settings
from tests.venues.binance import keys
from tests.venues.binance.app import BinanceServer

CLOSING = "Nothing was ordered, changed or cancelled."


@pytest.fixture
async def venue() -> AsyncIterator[BinanceServer]:
    async with BinanceServer() as found:
        yield found


def settings(folder: Path, broker: dict[str, Any], **market: Any) -> Settings:
    replayed = {"source": "bundled", "symbols": ["AAPL"]}
    return parse_settings(
        {
            "users": [{"id": 1, "name": "Ada", "role": "admin"}],
            "telegram": {"token": "123456789:AAE" + "x" * 32},
            "data_dir": str(folder),
            "market": market or replayed,
            "accounts": {"main": {"broker": broker}},
        }
    )


def at_binance(folder: Path, key: keys.Key, *, secret: str = "", **broker: Any) -> Settings:
    raw = {
        "adapter": "binance", "market": "spot", "mode": "live", "api_key": key.api_key, "secret": secret or key.secret,
        "timeout_seconds": 2, **broker,
    }  # fmt: skip
    return settings(folder, raw, source="live", symbols=["BTC/USDT"], feeds=[{"account": "main"}])


async def said(given: Settings, network: Network, name: str = "main") -> tuple[bool, str]:
    """Whether all is well, and everything that was printed; no secret is ever in it."""
    lines: list[str] = []
    good = await check_broker(given, name, network, lines.append)
    shown = "\n".join(lines)
    raw = given.accounts["main"].broker
    assert not [each for each in (raw.get("api_key"), raw.get("secret")) if each and each in shown]
    assert lines[-1] == CLOSING
    return good, shown


def wrong(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith("  WRONG")]


async def test_a_good_key(venue: BinanceServer, tmp_path: Path) -> None:
    """Everything is read and nothing placed."""
    good, shown = await said(at_binance(tmp_path, venue.key), venue.network)
    assert good, shown
    for part in (
        "account main: binance, mode live", "Connected in", "BTC/USDT (tick 0.01, lot 0.00001, worth at least 5)",
        "Balances:", "USDT", "Positions:", "Open orders: 0", "BTC/USDT is 5", "with real money",
        "may not withdraw", "listed IP addresses only", "The clocks agree",
    ):  # fmt: skip
        assert part in shown, part
    assert wrong(shown) == []
    assert "look " not in shown
    assert not venue.journal.all("accepted")


async def test_a_symbol_that_the_venue_does_not_have(venue: BinanceServer, tmp_path: Path) -> None:
    """It is wrong, with what it may be called there; everything else is looked at as well."""
    raw = {"adapter": "binance", "market": "spot", "mode": "live"}
    raw |= {"api_key": venue.key.api_key, "secret": venue.key.secret}
    symbols = ["BTC/USD", "ETH/USDT"]
    given = settings(tmp_path, raw, source="live", symbols=symbols, feeds=[{"account": "main"}])
    good, shown = await said(given, venue.network)
    assert not good
    assert wrong(shown) == [
        "  WRONG  Binance has no 'BTC/USD' here; did you mean 'BTC/USDT'? It is left out; correct it in the settings."
    ]
    for part in ("Rules of 1: ETH/USDT", "Balances:", "Open orders: 0", "ETH/USDT is ", "The clocks agree"):
        assert part in shown, part


async def test_a_key_that_may_withdraw_is_refused(venue: BinanceServer, tmp_path: Path) -> None:
    """And what to do is said; the account is not even read."""
    key = venue.keys.add("live", keys.USUAL | {keys.WITHDRAW})
    good, shown = await said(at_binance(tmp_path, key), venue.network)
    assert not good
    assert len(wrong(shown)) == 1
    assert "may withdraw money" in shown
    assert "take the permission to withdraw away" in shown
    assert "Balances" not in shown


async def test_a_key_for_every_address_is_a_warning(venue: BinanceServer, tmp_path: Path) -> None:
    """It works, and is worth a look."""
    key = venue.keys.add("live", is_restricted=False)
    good, shown = await said(at_binance(tmp_path, key), venue.network)
    assert good, shown
    assert "  look   The key works from everywhere" in shown


async def test_a_key_that_may_only_read(venue: BinanceServer, tmp_path: Path) -> None:
    """It would be found out with the first order."""
    key = venue.keys.add("live", frozenset({keys.READ}))
    good, shown = await said(at_binance(tmp_path, key), venue.network)
    assert not good
    assert "may not trade" in shown


@pytest.mark.parametrize(
    ("mode", "of", "secret"),
    [("live", "testnet", ""), ("testnet", "live", ""), ("demo", "live", ""), ("live", "live", "wrong" * 12)],
)
async def test_a_key_that_is_not_taken(venue: BinanceServer, tmp_path: Path, mode: str, of: str, secret: str) -> None:
    """Of another mode, or with a wrong secret: all that it may be is said."""
    given = at_binance(tmp_path, venue.keys.of(of), secret=secret, mode=mode)
    good, shown = await said(given, venue.network)
    assert not good
    assert len(wrong(shown)) == 1, shown
    assert "WRONG  Not connected: Binance does not take this API key" in shown
    assert "each has keys of its own" in shown


async def test_a_clock_that_is_off(venue: BinanceServer, tmp_path: Path) -> None:
    """Twenty seconds: it works, for requests are dated by the venue's clock, and it is said."""
    venue.clock.offset_ms = 20_000
    good, shown = await said(at_binance(tmp_path, venue.key), venue.network)
    assert good, shown
    assert re.search(r"  look   This machine's clock is (19|20|21) s behind the venue's", shown), shown
    assert "chrony" in shown


async def test_a_venue_that_is_away(venue: BinanceServer, tmp_path: Path) -> None:
    """Nobody listens there."""
    network = venue.network
    await venue.stop()
    good, shown = await said(at_binance(tmp_path, venue.key), network)
    assert not good
    assert len(wrong(shown)) == 1
    assert "Not connected" in shown
    assert "status page" in shown


class _Offline(AbstractResolver):
    """No name has an address."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}, {family}")

    async def close(self) -> None:
        return None


async def test_a_machine_that_is_offline(tmp_path: Path) -> None:
    """One sentence that asks what it may be, and ends where it ends."""
    key = keys.Keys().of("live")
    good, shown = await said(at_binance(tmp_path, key), Network(resolver=_Offline()))
    assert not good
    assert "its name has no address; is this machine online? Look whether this machine reaches the venue" in shown


async def test_a_ban(venue: BinanceServer, tmp_path: Path) -> None:
    """Until when is said."""
    venue.limits.stop("api", 600, 418)
    good, shown = await said(at_binance(tmp_path, venue.key), venue.network)
    assert not good
    until = [SystemClock().now() + timedelta(seconds=seconds) for seconds in (570, 600)]
    assert any(f"Wait until {each:%H:%M} UTC" in shown for each in until), shown
    assert "other programs" in shown


async def test_a_ban_outlives_the_connection(venue: BinanceServer, tmp_path: Path) -> None:
    """Connecting again sends nothing: asking during a ban makes it longer."""
    given, network = at_binance(tmp_path, venue.key), venue.network
    venue.limits.stop("api", 600, 418)
    await said(given, network)
    heard = len(venue.journal.requests())
    good, shown = await said(given, network)
    assert not good
    assert "wants no requests until" in shown
    assert len(venue.journal.requests()) == heard > 0


async def test_a_feed_without_a_key(venue: BinanceServer, tmp_path: Path) -> None:
    """It has no account to read, and needs none."""
    raw = {"adapter": "binance", "market": "spot", "mode": "live"}
    given = settings(
        tmp_path, {"adapter": "paper", "currency": "USDT"}, source="live", symbols=["BTC/USDT"], feeds=[raw]
    )
    good, shown = await said(given, venue.network, "binance")
    assert good, shown
    assert "market data only" in shown
    assert "BTC/USDT is 5" in shown
    assert "Balances" not in shown


async def test_a_paper_account_on_a_live_market(venue: BinanceServer, tmp_path: Path) -> None:
    """Its rules are those that the feed tells."""
    raw = {"adapter": "binance", "market": "spot", "mode": "live"}
    given = settings(
        tmp_path, {"adapter": "paper", "currency": "USDT"}, source="live", symbols=["BTC/USDT"], feeds=[raw]
    )
    good, shown = await said(given, venue.network)
    assert good, shown
    assert "BTC/USDT (tick 0.01" in shown
    assert list(tmp_path.iterdir()) == []


async def test_a_paper_account_that_is_not_there_yet(tmp_path: Path) -> None:
    """It is as it would be, and nothing of it is left behind: the settings may still change."""
    good, shown = await said(settings(tmp_path, {"adapter": "paper", "initial_cash": "1234.50"}), OPEN)
    assert good
    assert "Balances: 1,234.5 USD" in shown
    assert list(tmp_path.iterdir()) == []


async def test_a_paper_account_in_use(tmp_path: Path) -> None:
    """What it really has is shown, while the program holds it, and no byte of it changes."""
    given = settings(tmp_path, {"adapter": "paper", "initial_cash": "1000"})
    source = TickSource([archive_of(given.market).instruments()["AAPL"]])
    context = BrokerContext(tmp_path, SystemClock().now, source)
    broker = BrokerFactory(context).build("main", given.accounts["main"].broker)
    assert isinstance(broker, PaperTradingBroker)
    await broker.connect()
    try:
        await broker.transfer(Decimal(-250), "USD")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        good, shown = await said(given, OPEN)
        assert good, shown
        assert "Balances: 750 USD" in shown
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    finally:
        await broker.disconnect()


async def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    """Is told with what there is."""
    with pytest.raises(SettingsError) as found:
        await said(settings(tmp_path, {"adapter": "paper"}), OPEN, "mian")
    assert "did you mean main?" in found.value.problems[0]
