"""Something happens behind our back at Binance, over the wire: it is booked by hand, and everything goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.order import ClientOrderId, OrderRequest, Side, TimeInForce
from brokers.registry import BrokerContext, BrokerFactory
from core.errors import UserError
from core.store.models import AlertRow
from core.trading.adjusting import Yes
from core.trading.adjustment import Found, Plan, Treatment, Wish
from core.trading.ledger import EXTERNAL
from core.trading.live_order import MANUAL
from core.trading.profit import profit_of
from risk.view import TradingState
from tests.core.trading.test_on_binance import Wired
from tests.venues.binance.app import BinanceServer

PERPETUAL = "BTC/USDT:USDT"


@dataclass
class Sight:
    """What somebody sees, and confirms."""

    found: Found
    wish: Wish
    token: str


class Adjusted(Wired):
    """An account whose difference is booked."""

    async def differs(self, *, waits: bool = False) -> None:
        """It stays for its minute, and the desk has acted on it. Real money that `waits` for its yes is held anyway."""
        await self.desk.reconcile()
        assert waits or self.desk.state_for() is TradingState.ACTIVE
        with pytest.raises(UserError, match="less than a minute"):
            await self.desk.adjustments.look()
        self.wall.advance(61)
        assert await self.desk.reconcile()

    async def see(self, wish: Wish | None = None) -> Sight:
        wish = wish or Wish()
        found = await self.desk.adjustments.look()
        return Sight(found, wish, self.desk.adjustments.plan(found, wish)[2])

    async def book(self, sight: Sight) -> None:
        async def along(_plan: Plan) -> None: ...

        await self.desk.adjustments.book(sight.found, sight.wish, Yes(sight.token, "Ada", "a transfer"), along)

    async def resume(self) -> None:
        switch = self.desk._around.switch
        for scope, each in list(switch.settings.items()):
            await switch.relax(scope, each, "Ada")
        assert self.desk.state_for((), next(iter(self.rules))) is TradingState.ACTIVE

    def move(self, **coins: str) -> None:
        """Between wallets inside the venue: no list that we may read has it."""
        wallet = self.venue.spot.desk.wallet
        for coin, amount in coins.items():
            wallet.add(coin, Decimal(amount))
        wallet.changed()


@pytest.fixture
async def spot(tmp_path: Path) -> AsyncIterator[Adjusted]:
    async with BinanceServer() as venue:
        wallet = venue.spot.desk.wallet
        wallet.balances.clear()
        wallet.add("USDT", Decimal(100_000))
        wallet.changed()
        stage = Adjusted(tmp_path, venue)
        await stage.begin()
        yield stage
        await stage.end()


async def test_a_transfer_out_of_the_spot_wallet(spot: Adjusted) -> None:
    """Money and coins: REDUCING, booked as capital, resumed, and it trades to the last digit."""
    await spot.trade("0.3", alpha="0.1", beta="0.2")
    await spot.agrees()
    alpha, gained = spot.held("alpha", "BTC/USDT"), profit_of(spot.desk.portfolio, "beta").net
    spot.move(USDT="-12345.67891234", BTC="-0.05")
    await spot.differs()
    assert spot.desk.state_for() is TradingState.REDUCING
    sight = await spot.see(Wish(first="alpha"))
    deposits = spot.desk.portfolio.deposits
    await spot.book(sight)
    await spot.agrees()
    assert spot.held("alpha", "BTC/USDT") == alpha - Decimal("0.05")
    assert profit_of(spot.desk.portfolio, "beta").net == gained
    assert profit_of(spot.desk.portfolio, EXTERNAL).net == 0
    price = spot.desk.portfolio.marks["BTC/USDT"]
    assert deposits is not None
    assert spot.desk.portfolio.deposits == deposits - Decimal("12345.67891234") - Decimal("0.05") * price
    assert [row.title for row in await AlertRow.filter(kind="adjustment")] == ["Adjustment booked: 2 differences"]
    await spot.resume()
    await spot.trade("0.1")
    await spot.agrees()


async def test_the_monthly_reset_of_a_testnet(spot: Adjusted) -> None:
    """Every balance is another one, and coins are there that never were: the books go on in the same folder."""
    await spot.trade("0.3")
    await spot.agrees()
    wallet = spot.venue.spot.desk.wallet
    wallet.balances.clear()
    for coin, amount in {"USDT": 10_000, "BTC": 1, "BNB": 3, **{f"C{n}": n + 1 for n in range(40)}}.items():
        wallet.add(coin, Decimal(amount))
    wallet.changed()
    await spot.differs()
    await spot.book(await spot.see())
    await spot.agrees()
    assert spot.held(EXTERNAL, "BNB/USDT") == 3
    assert spot.held("alpha", "BTC/USDT") + spot.held(EXTERNAL, "BTC/USDT") == 1
    assert spot.desk.portfolio.equity == spot.desk.portfolio.worth()["USDT"]  # type: ignore[index]
    await spot.resume()
    await spot.trade("0.01")
    await spot.agrees()


async def test_dust_that_was_converted(spot: Adjusted) -> None:
    """What was left of a coin became some BNB: manual's part goes first."""
    await spot.trade("0.3", manual="0.1", alpha="0.2")
    await spot.agrees()
    manual = spot.held(MANUAL, "BTC/USDT")
    spot.move(BTC="-0.00005", BNB="0.004")
    await spot.differs()
    await spot.book(await spot.see(Wish(Treatment.RESULT)))
    await spot.agrees()
    assert spot.held(MANUAL, "BTC/USDT") == manual - Decimal("0.00005")
    portfolio = spot.desk.portfolio
    converted = Decimal("0.004") * portfolio.marks["BNB/USDT"] - Decimal("0.00005") * portfolio.marks["BTC/USDT"]
    assert profit_of(portfolio, EXTERNAL).net == converted


async def test_the_venue_moves_on_between_question_and_yes(spot: Adjusted) -> None:
    """What is compared anew has another token."""
    spot.move(USDT="-10")
    await spot.differs()
    sight = await spot.see()
    spot.move(USDT="-1")
    await spot.desk.reconcile()
    assert (await spot.see()).token != sight.token


@pytest.fixture
async def futures(tmp_path: Path) -> AsyncIterator[Adjusted]:
    async with BinanceServer() as venue:
        stage = Adjusted(tmp_path, venue)
        await stage.begin((PERPETUAL,), "demo", "usdm")
        yield stage
        await stage.end()


async def test_a_future_that_nobody_tells_of(futures: Adjusted) -> None:
    """Its entry price is the venue's: when it is closed, cash agrees, too."""
    await futures.trade("0.02", PERPETUAL)
    futures.venue.move("BTCUSDT", "61000")
    await secretly(futures, Side.BUY, "0.03")
    futures.venue.move("BTCUSDT", "62000")
    await futures.prices()
    await futures.differs()
    assert futures.desk.state_for((), PERPETUAL) is TradingState.REDUCING
    await futures.book(await futures.see())
    await futures.agrees()
    assert futures.held(EXTERNAL, PERPETUAL) == Decimal("0.03")
    assert profit_of(futures.desk.portfolio, EXTERNAL).net == 0
    await futures.resume()
    futures.venue.move("BTCUSDT", "63000")
    await futures.trade("-0.05", PERPETUAL, alpha="-0.02", external="-0.03")
    await futures.agrees()


async def test_a_future_that_is_gone(futures: Adjusted) -> None:
    """A liquidation, say, that is older than any list: its loss is in cash, and nobody's strategy has it."""
    await futures.trade("0.04", PERPETUAL)
    gained = profit_of(futures.desk.portfolio, "alpha").net
    await secretly(futures, Side.SELL, "0.03")
    await futures.differs()
    await futures.book(await futures.see(Wish(Treatment.RESULT)))
    await futures.agrees()
    assert futures.held("alpha", PERPETUAL) == Decimal("0.01")
    assert profit_of(futures.desk.portfolio, "alpha").net == gained
    lost = profit_of(futures.desk.portfolio, EXTERNAL).net
    assert lost is not None
    assert lost < 0  # the fee, and the spread


async def test_a_debt_that_nobody_tells_of(tmp_path: Path) -> None:
    """Cross margin: a coin that was borrowed and moved away is a short position of nobody's; paid back, it is gone."""
    async with BinanceServer() as venue:
        stage = Adjusted(tmp_path, venue)
        await stage.begin(("BTC/USDT",), "live", "margin")
        try:
            wallet, held = venue.margin.desk.wallet, stage.desk.portfolio.quantity("BTC/USDT")
            wallet.borrow("BTC", Decimal(2))
            wallet.add("BTC", -Decimal(2) - held)
            wallet.changed()
            await stage.differs(waits=True)
            await stage.book(await stage.see())
            await stage.agrees()
            assert stage.desk.portfolio.quantity("BTC/USDT") == stage.held(EXTERNAL, "BTC/USDT") == -2
            wallet.add("BTC", Decimal(2))
            wallet.repay("BTC", Decimal(2))
            wallet.changed()
            await stage.differs(waits=True)
            await stage.book(await stage.see())
            await stage.agrees()
            assert stage.held(EXTERNAL, "BTC/USDT") == 0
            assert profit_of(stage.desk.portfolio, EXTERNAL).net == 0
        finally:
            await stage.end()


async def secretly(stage: Adjusted, side: Side, quantity: str) -> None:
    """Somebody trades at the venue, and no list has it afterwards."""
    account = stage.venue.usdm.of("demo").account
    key = stage.venue.keys.of("demo")
    context = BrokerContext(
        stage.folder / "else", lambda: datetime.now(UTC), symbols=(PERPETUAL,), network=stage.venue.network
    )
    raw = {"adapter": "binance", "mode": "demo", "market": "usdm", "api_key": key.api_key, "secret": key.secret}
    other = BrokerFactory(context).build("other", raw)
    await other.connect()
    try:
        trades, incomes = len(account.trades), len(account.incomes)
        number = ClientOrderId(f"somebody{trades}")
        await other.place_order(
            OrderRequest(number, stage.rules[PERPETUAL], side, Decimal(quantity), time_in_force=TimeInForce.GTC)
        )
        async with asyncio.timeout(5):
            while len(account.trades) == trades:
                await asyncio.sleep(0.01)
        del account.trades[trades:], account.incomes[incomes:]
    finally:
        await other.disconnect()
