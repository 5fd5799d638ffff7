"""What a yes to real money is bound to, whose money an account has, and which coins may be traded beside each other."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import ConfigurationError
from brokers.registry import BrokerContext, BrokerFactory
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.listing import Listing

STEP = Decimal("0.0001")
ETH_BTC = Listing("ETHBTC", "ETH", "BTC", Decimal("0.06"), tick=STEP, min_price=STEP, min_notional=STEP)


def broker(folder: Path, adapter: str, **settings: Any) -> Any:
    context = BrokerContext(folder, lambda: datetime.now(UTC), symbols=("BTC/USDT",))
    keys = {"api_key": "k" * 20, "secret": "s" * 20}
    return BrokerFactory(context).build("main", {"adapter": adapter, "mode": "live", **keys, **settings})


def test_margin_is_another_account_than_spot_and_wants_a_yes_of_its_own(tmp_path: Path) -> None:
    """They share the list of markets; money that may be borrowed is another matter."""
    made = [broker(tmp_path, "binance", market=market) for market in ("spot", "margin", "usdm")]
    assert len({each.identity for each in made}) == len({each.wallet for each in made}) == 3


@pytest.mark.parametrize(
    ("adapter", "markets", "more"),
    [("bybit", ("spot", "linear"), {}), ("okx", ("spot", "swap"), {"password": "p"})],
)
def test_one_wallet_may_pay_for_two_markets(
    tmp_path: Path, adapter: str, markets: tuple[str, str], more: dict[str, Any]
) -> None:
    """So two accounts with one key there have the same money, and each market wants its own yes."""
    one, two = (broker(tmp_path, adapter, market=market, **more) for market in markets)
    assert one.wallet == two.wallet
    assert one.identity != two.identity
    other = broker(tmp_path, adapter, market=markets[0], **{**more, "api_key": "x" * 20})
    assert other.wallet != one.wallet


@pytest.mark.parametrize(
    ("symbols", "currency", "words"),
    [
        (("BTC/USDT", "ETH/BTC"), "USDT", "ETH/BTC is paid in BTC, which is the position of BTC/USDT"),
        (("ETH/USDT", "ETH/BTC"), "USDT", "ETH/USDT and ETH/BTC are both a holding of ETH"),
        (("BTC/USDT",), "BTC", "the account is kept in BTC, which is the position of BTC/USDT"),
    ],
)
async def test_a_coin_is_a_position_or_money_never_both(
    tmp_path: Path, symbols: tuple[str, ...], currency: str, words: str
) -> None:
    """Else what one of them pays with is missing in the other. Who only reads prices may read them all."""
    async with BinanceServer(more=[ETH_BTC]) as venue:
        key = venue.keys.of("testnet")
        context = BrokerContext(tmp_path, lambda: datetime.now(UTC), symbols=symbols, network=venue.network)
        factory, raw = BrokerFactory(context), {"adapter": "binance", "mode": "testnet", "currency": currency}
        with pytest.raises(ConfigurationError, match=words):
            await factory.build("main", {**raw, "api_key": key.api_key, "secret": key.secret}).connect()
        reader = factory.build("prices", raw)
        await reader.connect()
        await reader.disconnect()
