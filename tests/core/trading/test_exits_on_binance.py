"""Ways out at Binance, over the wire, that the venue would refuse as they were wished: what goes instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.market import Bar
from core.access.audit import Audit
from core.errors import UserError
from core.store.flattens import add_flatten
from core.trading.flatten_plan import End, Position
from core.trading.flattener import Flattener
from core.trading.floor import Floor, Place
from core.trading.ledger import EXTERNAL
from core.trading.protection.guard import Holder
from core.trading.protection.spec import ExitSpec
from core.trading.switch import TradingSwitch
from tests.core.trading.armed import SPOT, USDM, Armed, armed
from tests.core.trading.by_hand.house import House
from tests.venues.binance.person import order_by_hand

STOP = {"stop_loss": {"percent": 5}}


async def sells_by_hand(stage: Armed, units: str) -> None:
    """A person sells a part in the venue's own app."""
    key = stage.venue.keys.of("testnet")
    await order_by_hand(stage.venue, key, symbol="BTCUSDT", side="SELL", type="MARKET", quantity=units)
    await stage.agrees()
    assert stage.held(EXTERNAL, stage.symbol) == -Decimal(units)


async def flatten(stage: Armed) -> list[Position]:
    """Everything, as `/flatten` does."""
    desk = stage.desk
    whole = desk.exits.to_close()
    positions = [Position("main", symbol, dict(parts), whole=whole[symbol]) for symbol, parts in desk.closing().items()]
    await (await flattener_of(stage).begin("everything", positions, "ada"))
    return positions


def house(stage: Armed) -> House:
    """Where a person orders by hand there."""
    return House(stage)  # type: ignore[arg-type]


def flattener_of(stage: Armed) -> Flattener:
    floor = Floor([Place(stage.desk, stage.pipeline, "binance", tuple(stage.strategies.instances))])
    flattener = Flattener(floor, TradingSwitch(stage.wall), stage.alerts, Audit(stage.wall), stage.wall)
    flattener.pauses = (0.0,)
    return flattener


# --- worth too little (futures) ------------------------------------------------------------------------


async def test_a_losing_strategy_leaves_a_future_that_is_worth_less_than_the_least(tmp_path: Path) -> None:
    """Bought for just the least; at 1 % less only an order that promises to close is taken."""
    async with armed(tmp_path, USDM) as stage:
        await stage.enter("0.002")
        await stage.look(49_500)
        await stage.leave()
        assert stage.net == 0
        assert [(row.reduce_only, row.state) for row in await stage.orders()] == [(False, "filled"), (True, "filled")]


async def test_a_part_that_is_worth_too_little_can_be_left_too(tmp_path: Path) -> None:
    """The other strategy keeps what it has."""
    async with armed(tmp_path, USDM, "alpha", "beta") as stage:
        await stage.enter("0.002")
        await stage.enter("0.010", "beta")
        await stage.look(49_500)
        await stage.leave()
        assert (stage.held("alpha", stage.symbol), stage.net) == (0, Decimal("0.010"))


# --- not all of it is there (spot) ---------------------------------------------------------------------


async def test_a_strategy_sells_what_a_person_has_left_of_its_coin(tmp_path: Path) -> None:
    """The rest is booked as sold by others, and people hear of it once; nothing is refused."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.1")
        await sells_by_hand(stage, "0.05")
        await stage.leave()
        await stage.bar()
        await stage.agrees()
        assert stage.net == 0
        assert stage.held("alpha", stage.symbol) == stage.held(EXTERNAL, stage.symbol) == 0
        assert [row.state for row in await stage.orders()] == ["filled", "filled"]
        (told,) = [each for each in await stage.told("WARNING") if "can be sold" in each]
        assert "0.05 of 0.0999 BTC is not in the account: somebody else has sold it" in told


async def test_a_stop_sells_what_is_there(tmp_path: Path) -> None:
    """What rests at the venue is no more than that either; and the guard ends."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.1")
        await sells_by_hand(stage, "0.05")
        stage.strategies.instances["alpha"].exits = ExitSpec.model_validate(STOP)
        await stage.look(49_900)
        assert [each.remaining for each in await stage.rests()] == [Decimal("0.0499")]
        for price in (47_000, 47_000, 47_000):
            await stage.look(price)
        await stage.agrees()
        assert stage.net == 0
        assert stage.pipeline.protection.guards == ()
        assert not await stage.told("CRITICAL")


async def test_everything_is_flattened_by_shares_and_the_rest_is_told(tmp_path: Path) -> None:
    """Two strategies held it; each sells its share of what is left."""
    async with armed(tmp_path, SPOT, "alpha", "beta") as stage:
        await stage.enter("0.2")
        await stage.enter("0.1", "beta")
        await sells_by_hand(stage, "0.15")
        (position,) = await flatten(stage)
        await stage.agrees()
        assert 0 <= stage.net < stage.rules[stage.symbol].lot
        (way_out,) = [row for row in await stage.orders() if row.side == "sell"]
        shares = {name: Decimal(part) for name, part in way_out.allocations.items()}
        assert abs(shares["alpha"] - 2 * shares["beta"]) <= stage.rules[stage.symbol].lot * 3
        assert position.end is End.CLOSED
        assert "is not in the account: somebody else has sold it" in position.why


async def test_what_others_buy_later_is_theirs(tmp_path: Path) -> None:
    """By chat or at the venue: nobody sells it to make good what was sold before."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.1")
        await sells_by_hand(stage, "0.05")
        await stage.leave()
        key = stage.venue.keys.of("testnet")
        await order_by_hand(stage.venue, key, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.06")
        await house(stage).trade(f"buy {stage.symbol} 0.03")
        await stage.quiet()
        for _ in range(2):
            await stage.bar()
            await stage.agrees()
        assert stage.held("alpha", stage.symbol) == 0
        assert stage.held("manual", stage.symbol) == Decimal("0.02997")
        assert stage.net == stage.held("manual", stage.symbol) + stage.held(EXTERNAL, stage.symbol)


@pytest.mark.parametrize(("units", "orders"), [("0.03", ["sell"]), ("0.08", ["buy"])])
async def test_nobody_buys_inside_the_house_what_is_not_there(tmp_path: Path, units: str, orders: list[str]) -> None:
    """One strategy leaves while another enters: what they trade with each other is real."""
    async with armed(tmp_path, SPOT, "alpha", "beta") as stage:
        await stage.enter("0.1")
        await sells_by_hand(stage, "0.05")
        before = len(await stage.orders())
        stage.strategies.want("alpha", 0.0, stage.symbol)
        stage.strategies.instances["beta"].units = Decimal(units)
        stage.strategies.want("beta", 1.0, stage.symbol)
        await stage.bar()
        await stage.agrees()
        assert [row.side for row in (await stage.orders())[before:]] == orders
        assert stage.held("alpha", stage.symbol) == stage.held(EXTERNAL, stage.symbol) == 0
        assert stage.held("beta", stage.symbol) == stage.net > 0


async def test_a_coin_that_has_paid_somebody_elses_fees_can_still_be_sold(tmp_path: Path) -> None:
    """Hand trades pay in the BNB that a person holds here: a crumb less than a lot stays, and nobody is alarmed."""
    async with armed(tmp_path, ("spot", "testnet", "BNB/USDT"), also=("BTC/USDT",)) as stage:
        await stage.enter("2.018", "alpha")
        stage.venue.spot.desk.bnb_fees = True
        key = stage.venue.keys.of("testnet")
        await order_by_hand(stage.venue, key, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
        await stage.agrees()
        assert stage.net < stage.held("alpha", stage.symbol)
        await stage.leave("alpha")
        await stage.agrees()
        assert [row.state for row in await stage.orders()] == ["filled", "filled"]
        assert 0 <= stage.net < stage.rules[stage.symbol].lot


async def test_a_close_by_hand_is_what_is_there(tmp_path: Path) -> None:
    """And when nothing is, that is said."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.1")
        await sells_by_hand(stage, "0.05")
        by_hand = house(stage)
        await by_hand.trade(f"close {stage.symbol} alpha")
        await stage.quiet()
        assert stage.net == 0
        with pytest.raises(UserError, match=r"Nothing to close: 0\.05 of 0\.05 BTC is not in the account"):
            await by_hand.say(f"close {stage.symbol} alpha")


async def test_nobody_sells_a_strategys_coins_as_their_own(tmp_path: Path) -> None:
    """It would leave the strategy with coins that are gone, and have it sell what others buy."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.1")
        by_hand = house(stage)
        await by_hand.trade(f"buy {stage.symbol} 0.02")
        await stage.quiet()
        with pytest.raises(UserError, match=r"You hold 0\.01998 BTC/USDT by hand.*Others hold alpha 0\.0999: /close"):
            await by_hand.say(f"sell {stage.symbol} 0.05")
        await by_hand.trade(f"sell {stage.symbol} 0.0199")
        await stage.quiet()
        await by_hand.trade(f"close {stage.symbol} alpha")
        await stage.quiet()
        assert stage.net < stage.rules[stage.symbol].lot * 10


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
async def test_a_trailing_distance_in_price_is_refused_in_the_preview(tmp_path: Path, place: Any) -> None:
    """With the words that the venue takes."""
    async with armed(tmp_path, place) as stage:
        with pytest.raises(UserError, match="in percent only: write, say, trail 2%"):
            await house(stage).say(f"buy {stage.symbol} 0.01 trail 100")


# --- more than the venue takes at once -----------------------------------------------------------------


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
async def test_a_position_above_the_venues_maximum_is_left_in_slices(tmp_path: Path, place: Any) -> None:
    """By its strategy, at its next bar: three orders, none of them refused."""
    async with large(tmp_path, place) as stage:
        held = stage.net
        await stage.leave()
        await stage.agrees()
        assert stage.net < stage.rules[stage.symbol].lot
        rows = [row for row in await stage.orders() if row.origin == "strategy" and row.side == "sell"]
        assert sorted(row.quantity for row in rows) == in_slices(stage, held)
        assert {row.state for row in rows} == {"filled"}
        assert not [each for each in await stage.told("WARNING", "CRITICAL") if "denied" in each or "refused" in each]


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
async def test_a_position_above_the_venues_maximum_is_flattened_in_slices(tmp_path: Path, place: Any) -> None:
    """One after another, without a pause, and told as closed."""
    async with large(tmp_path, place) as stage:
        held = stage.net
        (position,) = await flatten(stage)
        await stage.agrees()
        assert position.end is End.CLOSED
        rows = [row for row in await stage.orders() if row.origin == "flatten"]
        assert sorted(row.quantity for row in rows) == in_slices(stage, held)


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
async def test_a_stop_above_the_venues_maximum_is_the_venues_in_part_and_ours_for_the_rest(
    tmp_path: Path, place: Any
) -> None:
    """When it is hit, all of it is sold."""
    async with large(tmp_path, place) as stage:
        stage.strategies.instances["alpha"].exits = ExitSpec.model_validate(STOP)
        await stage.look(50_000)
        assert [each.remaining for each in await stage.rests()] == [120]
        guard = stage.pipeline.protection.guard("alpha", stage.symbol)
        assert guard is not None
        assert guard.holder is Holder.BOTH
        for _ in range(3):
            await stage.look(47_000)
        await stage.agrees()
        assert stage.net < stage.rules[stage.symbol].lot
        assert stage.pipeline.protection.guards == ()
        assert not await stage.told("CRITICAL")


async def test_an_entry_above_the_venues_maximum_is_denied_in_plain_words(tmp_path: Path) -> None:
    """Nothing is sent, and the largest that passes is named."""
    async with armed(tmp_path, USDM, money=20_000_000) as stage:
        stage.strategies.instances["alpha"].units = Decimal(150)
        stage.strategies.want("alpha", 1.0, stage.symbol)
        await stage.bar()
        assert await stage.orders() == []
        (told,) = [each for each in await stage.told("WARNING") if "denied" in each]
        assert "VENUE_MAXIMUM: The venue takes no order above 120 BTC/USDT:USDT" in told
        assert "Largest that passes: 120" in told


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
async def test_a_slice_whose_answer_is_lost_is_never_sent_twice(tmp_path: Path, fault: str) -> None:
    """It counts in full while it is in doubt; the others go out; in the end just what was held is sold."""
    async with large(tmp_path, USDM) as stage:
        held = stage.net
        stage.venue.script.plan("POST /fapi/v1/order", fault, times=1, skip=1)
        stage.strategies.want("alpha", 0.0, stage.symbol)
        await stage.prices()
        price = stage.market.quotes[stage.symbol].last
        await stage.pipeline.order({stage.symbol: Bar(stage.symbol, stage.market_clock.now(), *[price] * 4)})
        for _ in range(12):
            stage.wall.advance(30)
            await stage.desk.look_after_orders()
        await stage.quiet()
        await stage.bar()
        await stage.agrees()
        assert stage.net == 0
        sold = [fact for fact in stage.venue.journal.all("execution") if str(fact["side"]).lower() == "sell"]
        assert sum(Decimal(str(fact["quantity"])) for fact in sold) == held


async def test_a_flatten_in_slices_survives_a_crash(tmp_path: Path) -> None:
    """Stopped after the first slice, it goes on with what is left, and with no more."""
    async with large(tmp_path, USDM) as stage:
        held, whole = stage.net, stage.desk.exits.to_close()
        position = Position("main", stage.symbol, dict(whole[stage.symbol]), whole=whole[stage.symbol])
        await add_flatten("everything", "ada", stage.wall.now(), [position.row()])
        await stage.pipeline.flatten(stage.symbol, position.parts, "flatten by ada")
        await stage.quiet()
        assert stage.net == held - 120
        stage.again()
        flattener = flattener_of(stage)
        await flattener.load()
        await asyncio.gather(*flattener._tasks)
        assert stage.net == 0
        sold = sorted(row.quantity for row in await stage.orders() if row.side == "sell")
        assert sold == in_slices(stage, held)


def in_slices(stage: Armed, units: Decimal) -> list[Decimal]:
    """Whole lots of `units`, at most 120 at once."""
    whole = stage.rules[stage.symbol].floor_quantity(units)
    return [whole - 240, Decimal(120), Decimal(120)]


@asynccontextmanager
async def large(folder: Path, place: tuple[str, str, str]) -> AsyncIterator[Armed]:
    """A strategy that holds 300, where the venue takes 120 at market at once."""
    async with armed(folder, place, money=20_000_000) as stage:
        stage.strategies.instances["alpha"].units = Decimal(300)
        for part in (0.25, 0.5, 0.75, 1.0):
            stage.strategies.want("alpha", part, stage.symbol)
            await stage.bar()
        assert stage.net > 299
        yield stage
