"""What fees leave of a holding and nobody can sell: it stays, is told, and keeps nothing busy."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.account import AccountInfo
from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.order import OrderReport, Side
from core.access.audit import Audit
from core.errors import UserError
from core.store.models import AlertRow, OrderRow
from core.trading.by_hand.intents import wanted_of
from core.trading.by_hand.slip import Size, Slip, Unit, Verb
from core.trading.dust import is_dust, stays, too_little, tradable
from core.trading.flatten_plan import End, of_row
from core.trading.flatten_plan import Position as Closing
from core.trading.flattener import Flattener
from core.trading.floor import Floor, Place
from core.trading.protection.spec import ExitSpec
from tests.core.trading.stage import WIDE, Stage, Strategies, dec

COIN = Instrument(
    "BTC/USD",
    "USD",
    AssetClass.CRYPTO,
    tick=Decimal("0.01"),
    lot=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    min_notional=Decimal(5),
    base="BTC",
)
PERP = replace(COIN, symbol="BTC/USD:USD", settlement=Settlement.MARGINED, base="")
RATE = Decimal("0.00123")
FREE = {"slippage": {"model": "fixed", "value": 0}, "fees": {"maker_bps": 0, "taker_bps": 0}}


# --- pure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "price", "expected"),
    [
        ({"a": "-0.0019"}, 10_000, {"a": "-0.001"}),
        ({"a": "-0.0009"}, 10_000, {}),
        ({"a": "-0.002"}, 2_000, {}),  # worth 4
        ({"a": "-0.002"}, None, {"a": "-0.002"}),  # nobody knows what it is worth: the venue says
        ({"a": "-0.002", "b": "-0.0019"}, 2_000, {"a": "-0.002", "b": "-0.001"}),  # worth 6 together
        ({"a": "-0.002", "b": "0.002"}, 2_000, {"a": "-0.002", "b": "0.002"}),  # traded within the house
    ],
)
def test_what_one_order_can_trade(parts: dict[str, str], price: int | None, expected: dict[str, str]) -> None:
    """Whole lots, and at least what the venue takes."""
    found = tradable(COIN, {name: dec(part) for name, part in parts.items()}, None if price is None else dec(price))
    assert found == {name: dec(part) for name, part in expected.items()}


def test_an_order_that_closes_a_future_is_taken_whatever_it_is_worth() -> None:
    """Reduce-only: there only the quantity counts."""
    assert not too_little(PERP, dec("0.002"), dec(1))
    assert too_little(PERP, dec("0.0005"), dec(50_000))


def test_it_is_told_in_units_of_the_coin() -> None:
    """With all its places."""
    assert stays(COIN, dec("0.00000073")) == "0.00000073 BTC stays: less than can be sold"
    assert stays(PERP, dec("-0.0001")) == "0.0001 BTC/USD:USD stays: less than can be bought back"


@given(st.decimals("-3", "3", places=6), st.one_of(st.none(), st.decimals("0.01", "90000", places=2)))
def test_what_can_be_traded_never_exceeds_what_is_held_and_leaves_dust(held: Decimal, price: Decimal | None) -> None:
    """Selling what can be sold ends it: there is no second order."""
    part = tradable(COIN, {"a": -held}, price).get("a", dec(0))
    assert abs(part) <= abs(held)
    assert part * held <= 0
    left = held + part
    assert not left or is_dust(COIN, left, price)


# --- a desk ----------------------------------------------------------------------------------------


class Coins(Stage):
    """A desk on a venue that takes its fee for every buy out of what was bought."""

    def build(self) -> None:
        super().build()
        self.broker.bend = self._bend
        self.broker.bend_account = self._account
        find = self.broker._broker.find_order
        place = self.broker._broker.place_order

        async def found(order: Any) -> Any:
            report = await find(order)
            return None if report is None else self._charged(report)

        async def placed(order: Any) -> OrderReport:
            return self._charged(await place(order))

        self.broker._broker.find_order, self.broker._broker.place_order = found, placed  # type: ignore[method-assign]

    def _bend(self, report: OrderReport) -> list[OrderReport]:
        return [self._charged(report)]

    def _charged(self, report: OrderReport) -> OrderReport:
        fills = (
            replace(fill, fee=fill.quantity * RATE, fee_currency="BTC") if fill.side is Side.BUY else fill
            for fill in report.fills
        )
        return replace(report, fills=tuple(fills))

    def _account(self, info: AccountInfo) -> AccountInfo:
        spent = self.desk.portfolio.spent.values()
        positions = {
            symbol: replace(each, quantity=each.quantity - sum(spent, dec(0)))
            for symbol, each in info.positions.items()
        }
        return replace(info, positions=positions)


@pytest.fixture
async def coins(tmp_path: Path) -> AsyncIterator[Coins]:
    stage = await Coins.open(
        tmp_path, strategies=Strategies("alpha"), instruments=(COIN,), simulated=False, checks_history=False, **FREE
    )
    await stage.start()
    await stage.tick(10_000, "BTC/USD", spread=0)
    yield stage  # type: ignore[misc]
    await stage.close()


async def hold(stage: Stage, units: int = 1) -> None:
    stage.strategies.want("alpha", 1.0, "BTC/USD")
    stage.strategies.instances["alpha"].units = units
    await stage.round(10_000, "BTC/USD")
    await stage.tick(10_000, "BTC/USD", spread=0)


async def test_a_fee_out_of_the_holding_is_not_bought_back(coins: Coins) -> None:
    """However many bars come: there was one order; a restart changes nothing about it."""
    await hold(coins)
    for _ in range(3):
        await coins.round(10_000, "BTC/USD")
    assert coins.held("alpha", "BTC/USD") == dec("0.99877")
    await coins.crash_and_restart()
    await coins.tick(10_000, "BTC/USD", spread=0)
    await coins.round(10_000, "BTC/USD")
    assert len(await coins.orders()) == 1


async def test_an_exit_leaves_the_dust_and_is_over(coins: Coins) -> None:
    """The strategy wishes nothing more: whole lots are sold, once, and nothing is denied."""
    await hold(coins)
    coins.strategies.want("alpha", 0.0, "BTC/USD")
    for _ in range(4):
        await coins.round(10_000, "BTC/USD")
    assert coins.held("alpha", "BTC/USD") == dec("0.00077")
    orders = await coins.orders()
    assert [(each.side, each.quantity, each.state) for each in orders][1:] == [("sell", dec("0.998"), "filled")]
    assert not await AlertRow.filter(kind="denied").exists()


async def test_a_flatten_counts_dust_as_done_and_says_so(coins: Coins) -> None:
    """The second one finds nothing to do."""
    await hold(coins)
    floor = Floor([Place(coins.desk, coins.pipeline, "paper", ("alpha",))])
    work = Flattener(floor, coins.switch, coins.alerts, Audit(coins.wall), coins.wall)
    work.patience, work.pauses = 30.0, (0.0,)
    coins.strategies.instances["alpha"].exposures.clear()
    positions = [Closing("main", symbol, dict(each)) for symbol, each in coins.desk.closing().items()]
    task = await work.begin("everything", positions, "Ada")
    async with asyncio.timeout(60):
        while not task.done():
            await coins.tick(10_000, "BTC/USD", spread=0)
            await asyncio.sleep(0.005)
    alert = await AlertRow.get(kind="flatten")
    assert alert.title == "Flatten everything: done"
    assert alert.body == "Sell 0.998 BTC/USD: closed (0.00077 BTC stays: less than can be sold)"
    assert coins.desk.closing() == {}
    assert coins.desk.dust() == ["0.00077 BTC stays: less than can be sold"]
    assert await OrderRow.filter(side="sell").count() == 1


async def test_a_stop_sells_what_can_be_sold_and_lets_go(coins: Coins) -> None:
    """The guard ends with the dust, is told once, and opens no other."""
    coins.strategies.instances["alpha"].exits = ExitSpec.model_validate({"stop_loss": {"percent": 2}})
    coins.broker.capabilities = replace(coins.broker.capabilities, order_types=frozenset())
    await hold(coins)
    await coins.pipeline.keep()
    (guard,) = coins.pipeline.protection.guards
    assert guard.quantity == dec("0.99877")
    for _ in range(6):
        await coins.tick(9_700, "BTC/USD", spread=0)
        await coins.pipeline.keep()
    assert coins.held("alpha", "BTC/USD") == dec("0.00077")
    assert coins.pipeline.protection.guards == ()
    assert await OrderRow.filter(side="sell").count() == 1
    assert len(await coins.told("exit")) == 1


async def test_a_close_by_hand_sells_whole_lots_and_refuses_dust(coins: Coins) -> None:
    """Everything means everything that can be sold."""
    await hold(coins)
    slip = Slip(Verb.CLOSE, "BTC/USD", Size(dec(100), Unit.POSITION))
    quote = coins.market.quotes["BTC/USD"]
    wanted = wanted_of(slip, coins.desk, quote, coins.market_clock.now())
    assert wanted.intent.quantity == dec("0.998")
    coins.strategies.want("alpha", 0.0, "BTC/USD")
    await coins.round(10_000, "BTC/USD")
    await coins.tick(10_000, "BTC/USD", spread=0)
    with pytest.raises(UserError, match=r"0\.00077 BTC stays: less than can be sold"):
        wanted_of(slip, coins.desk, quote, coins.market_clock.now())


async def test_dust_counts_as_what_it_is_worth(coins: Coins) -> None:
    """For equity and for risk; and it keeps no strategy from moving to another account."""
    await hold(coins)
    coins.strategies.want("alpha", 0.0, "BTC/USD")
    await coins.round(10_000, "BTC/USD")
    await coins.tick(10_000, "BTC/USD", spread=0)
    holding = coins.desk.view().holdings["BTC/USD"]
    assert (holding.quantity, holding.mark) == (dec("0.00077"), 10_000)
    assert coins.desk.portfolio.equity == coins.desk.portfolio.cash + dec("7.7")
    Floor([Place(coins.desk, coins.pipeline, "paper", ())]).check_homes()


def test_positions_of_a_row_keep_their_words() -> None:
    """What stays is stored with the end."""
    closed = Closing("main", "BTC/USD", {"alpha": dec(-1)}, End.CLOSED, stays(COIN, dec("0.0001")))
    assert of_row(closed.row()).told(named=False) == (
        "Sell 1 BTC/USD: closed (0.0001 BTC stays: less than can be sold)"
    )


async def test_whole_lots_that_are_worth_too_little_are_dust_for_a_strategy(coins: Coins) -> None:
    """Its exit is neither sent nor denied with every bar; once they are worth more, they are sold."""
    coins.strategies.want("alpha", 1.0, "BTC/USD")
    coins.strategies.instances["alpha"].units = dec("0.002")
    await coins.round(10_000, "BTC/USD")
    await coins.tick(1_000, "BTC/USD", spread=0)
    coins.strategies.want("alpha", 0.0, "BTC/USD")
    for _ in range(3):
        await coins.round(1_000, "BTC/USD")
    assert await OrderRow.filter(side="sell").count() == 0
    assert await coins.told("denied") == []
    assert coins.pipeline.denials == 0
    await coins.round(20_000, "BTC/USD")
    assert await OrderRow.filter(side="sell").count() == 1


# --- whatever is wished ----------------------------------------------------------------------------

CAREFUL = WIDE.model_copy(update={"min_free_balance_percent": dec(1)})
_WISH = st.tuples(st.sampled_from([1.0, 0.5, 0.0, -1.0]), st.sampled_from(["0.37", "3.3", "19.999"]))


class Counted(Coins):
    """Nothing is ordered that the wallet could not pay, or has not got."""

    def build(self) -> None:
        super().build()
        send = self.broker.place_order

        async def placed(order: Any) -> Any:
            held, price = self.desk.portfolio.quantity("BTC/USD"), self.market.quotes["BTC/USD"].last
            assert order.instrument.is_whole_lots(order.quantity)
            if order.side is Side.SELL:
                assert order.quantity <= held, (order.quantity, held)
            else:
                assert order.quantity * price <= self.desk.portfolio.cash
            return await send(order)

        self.broker.place_order = placed  # type: ignore[method-assign]


async def _round_trip(stage: Counted, wishes: list[tuple[float, str]]) -> None:
    for exposure, units in [*wishes, (0.0, "1")]:
        stage.strategies.instances["alpha"].units = dec(units)
        stage.strategies.want("alpha", exposure, "BTC/USD")
        for _ in range(2):
            await stage.round(10_000, "BTC/USD")
            await stage.tick(10_000, "BTC/USD", spread=0)
        assert stage.desk.portfolio.cash >= 0
        assert stage.held("alpha", "BTC/USD") >= 0
    left = stage.held("alpha", "BTC/USD")
    assert not left or stage.desk.is_dust("BTC/USD", left)
    assert await OrderRow.filter(state="rejected").count() == 0


def test_nothing_is_sold_that_is_not_held_and_nothing_bought_that_is_not_paid_for() -> None:
    """Fees out of the holding, sizes beyond the cash, wishes to be short; and in the end only dust is left."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:

        async def begin() -> Counted:
            stage = await Counted.open(
                Path(folder),
                strategies=Strategies("alpha"),
                instruments=(COIN,),
                simulated=False,
                checks_history=False,
                limits=CAREFUL,
                shorting=False,
                leverage=1,
                **FREE,
            )
            await stage.start()
            await stage.tick(10_000, "BTC/USD", spread=0)
            return stage  # type: ignore[return-value]

        stage = runner.run(begin())

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(_WISH, min_size=1, max_size=5))
        def play(wishes: list[tuple[float, str]]) -> None:
            runner.run(_round_trip(stage, wishes))

        try:
            play()
        finally:
            runner.run(stage.close())
