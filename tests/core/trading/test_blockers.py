"""A person's own reduce-only order at Binance holds the position: exits go first, with their promise, and nothing flips."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.market import Bar
from brokers.order import ClientOrderId, OrderReport, OrderType, Side, VenueOrderState
from core.trading.blockers import _takes_room, in_the_way
from core.trading.flatten_plan import End
from core.trading.live_order import MANUAL
from core.trading.protection.spec import ExitSpec
from tests.core.trading.armed import SPOT, USDM, Armed, armed
from tests.core.trading.test_exits_on_binance import flatten, house
from tests.core.trading.test_taken import FAPI, LOT, THING
from tests.venues.binance.person import order_by_hand


async def rests_by_hand(stage: Armed, units: str, price: str, side: str = "SELL") -> str:
    """A person's take-profit, placed in the venue's own app; its id."""
    key = stage.venue.keys.of("demo")
    order = {"side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": units, "price": price}
    placed = await order_by_hand(stage.venue, key, FAPI, symbol="BTCUSDT", reduceOnly="true", **order)
    return str(placed["clientOrderId"])


@asynccontextmanager
async def strict(folder: Path, *names: str, **exits: Any) -> AsyncIterator[Armed]:
    """The strategies hold 0.5 each, where all reduce-only orders together close no more than there is."""
    async with armed(folder, USDM, *(names or ("alpha",))) as stage:
        stage.venue.usdm.of("demo").account.counts_reducing = True
        for name in stage.strategies.instances:
            await stage.enter("0.5", name, **exits)
        yield stage


async def cancelled(stage: Armed) -> list[str]:
    """What people were told of orders that are not ours."""
    return [each.splitlines()[0] for each in await stage.told("CRITICAL") if "not ours was cancelled" in each]


async def ours(stage: Armed) -> list[tuple[str, bool, str]]:
    """Our own orders after the entries."""
    return sorted((row.side, row.reduce_only, row.state) for row in await stage.orders() if row.side == "sell")


TOLD = "An order that is not ours was cancelled: sell 0.5 BTC/USDT:USDT at 60,000"


async def leaves(stage: Armed) -> None:
    """By its strategy."""
    await stage.leave()


async def stopped_out(stage: Armed) -> None:
    """By the engine, when its time is up."""
    await stage.pipeline.protect("alpha", stage.symbol, ExitSpec.model_validate({"max_hours": 1}))
    stage.market_clock.advance(4000)
    await stage.pipeline.keep()
    await stage.quiet()


async def flattened(stage: Armed) -> None:
    """By a person's flatten."""
    (position,) = await flatten(stage)
    assert position.end is End.CLOSED


async def closed(stage: Armed) -> None:
    """By a person's close."""
    await house(stage).trade(f"close {stage.symbol} alpha")
    await stage.quiet()


@pytest.mark.parametrize("way", [leaves, stopped_out, flattened, closed])
async def test_every_way_out_goes_before_an_order_that_waits(tmp_path: Path, way: Any) -> None:
    """Refused once, then taken, always reduce-only; the person hears which order of theirs is gone."""
    async with strict(tmp_path) as stage:
        await rests_by_hand(stage, "0.5", "60000")
        await way(stage)
        await stage.agrees()
        assert stage.net == 0
        assert await ours(stage) == [("sell", True, "filled"), ("sell", True, "rejected")]
        assert await cancelled(stage) == [TOLD]
        assert await stage.rests() == []


async def test_only_what_is_in_the_way_is_cancelled(tmp_path: Path) -> None:
    """Three orders of theirs on a position of 1.0; the exit needs half of it: the largest goes, the others stay."""
    async with strict(tmp_path, "alpha", "beta") as stage:
        kept = [await rests_by_hand(stage, "0.2", "61000"), await rests_by_hand(stage, "0.1", "62000")]
        await rests_by_hand(stage, "0.5", "60000")
        await stage.leave()
        await stage.agrees()
        assert stage.net == stage.held("beta", stage.symbol) == Decimal("0.5")
        assert await cancelled(stage) == [TOLD]
        assert sorted(str(each.client_order_id) for each in await stage.rests()) == sorted(kept)


async def test_where_there_is_room_theirs_stays(tmp_path: Path) -> None:
    """They hold back just what the other strategy has."""
    async with strict(tmp_path, "alpha", "beta") as stage:
        kept = await rests_by_hand(stage, "0.5", "60000")
        await stage.leave()
        assert (stage.net, await cancelled(stage)) == (Decimal("0.5"), [])
        assert [str(each.client_order_id) for each in await stage.rests()] == [kept]


async def test_a_position_that_is_gone_is_not_sold_and_nothing_is_cancelled(tmp_path: Path) -> None:
    """A person has closed it a moment ago, and the books do not know yet; their order on the other side stays."""
    async with strict(tmp_path) as stage:
        stage.venue.script.plan("STREAM user *", "miss", times=None)
        key = stage.venue.keys.of("demo")
        await order_by_hand(stage.venue, key, FAPI, symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.8")
        kept = await rests_by_hand(stage, "0.3", "40000", "BUY")
        await stage.leave()
        assert await ours(stage) == [("sell", True, "rejected")]
        await stage.agrees()
        await stage.bar()
        await stage.agrees()
        assert (stage.net, stage.held("alpha", stage.symbol)) == (Decimal("-0.3"), 0)
        assert await cancelled(stage) == []
        assert [str(each.client_order_id) for each in await stage.rests()] == [kept]


async def test_ours_is_never_cancelled_for_it(tmp_path: Path) -> None:
    """A person has sold a part, which the books do not know yet: what is in the way is a close of our own that rests."""
    async with strict(tmp_path) as stage:
        by_hand = house(stage)
        await by_hand.trade(f"buy {stage.symbol} 0.2")
        await stage.quiet()
        await by_hand.trade(f"close {stage.symbol} {MANUAL} limit 60000 gtc")
        stage.venue.script.plan("STREAM user *", "miss", times=None)
        key = stage.venue.keys.of("demo")
        await order_by_hand(stage.venue, key, FAPI, symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.2")
        await stage.prices()
        stage.strategies.want("alpha", 0.0, stage.symbol)
        price = stage.market.quotes[stage.symbol].last
        await stage.pipeline.order({stage.symbol: Bar(stage.symbol, stage.market_clock.now(), *[price] * 4)})
        assert await ours(stage) == [("sell", True, "rejected"), ("sell", True, "working")]
        assert (len(await stage.rests()), await cancelled(stage)) == (1, [])


async def test_a_cancel_in_doubt_is_told_too(tmp_path: Path) -> None:
    """Theirs may be gone: they hear of it, and the exit goes with the next bar."""
    async with strict(tmp_path) as stage:
        await rests_by_hand(stage, "0.5", "60000")
        stage.venue.script.plan("DELETE /fapi/v1/order", "drop_after")
        await stage.leave()
        assert (stage.net, await cancelled(stage)) == (Decimal("0.5"), [TOLD])
        await stage.bar()
        await stage.agrees()
        assert (stage.net, await cancelled(stage)) == (0, [TOLD])


@pytest.mark.parametrize("fault", ["drop_after", "html_502_before"])
async def test_what_cannot_be_asked_is_tried_with_the_next_bar(tmp_path: Path, fault: str) -> None:
    """The venue is away just then: the exit stays refused, and goes later."""
    async with strict(tmp_path) as stage:
        await rests_by_hand(stage, "0.5", "60000")
        stage.venue.script.plan("GET /fapi/v1/openOrders", fault)
        await stage.leave()
        assert stage.net == Decimal("0.5")
        await stage.bar()
        await stage.agrees()
        assert stage.net == 0


HALF = st.decimals("0.1", "2", places=1)


def report(number: int, units: Decimal, **more: Any) -> OrderReport:
    at, state = datetime(2026, 1, 1, tzinfo=UTC), VenueOrderState.WORKING
    shape = {"type": OrderType.LIMIT, "limit_price": Decimal(1), "reduce_only": True, "side": Side.SELL, **more}
    name = ClientOrderId(f"web_{number}")
    return OrderReport(name, str(number), THING.symbol, quantity=units, state=state, at=at, **shape)


@given(HALF, st.decimals("-2", "2", places=1), st.lists(HALF, max_size=5), HALF)
def test_as_few_as_will_do_and_none_where_there_is_nothing_to_close(
    units: Decimal, held: Decimal, resting: list[Decimal], ours: Decimal
) -> None:
    """Each of them is needed, together they are enough; and if they are not, none is cancelled in vain."""
    theirs = [report(number, each) for number, each in enumerate(resting)]
    taken = sum(resting, ours)
    chosen = in_the_way(-units, held, taken, theirs)
    freed, room = sum(each.remaining for each in chosen), held - taken
    assert not chosen or (held >= units and room + freed >= units > room + freed - chosen[-1].remaining)
    assert chosen or held < units or room >= units or room + sum(resting) < units


def test_what_takes_room() -> None:
    """On futures a promise that does not wait for a price; where coins are locked, whatever sells them."""
    stop = {"type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(1)}
    kinds = [report(1, LOT), report(2, LOT, **stop), report(3, LOT, reduce_only=False), report(4, LOT, side=Side.BUY)]
    for locks, expected in ((False, [1]), (True, [1, 2, 3])):
        takes = [each for each in kinds if _takes_room(THING.symbol, Side.SELL, each, locks=locks)]
        assert [int(each.venue_order_id) for each in takes] == expected
    assert not _takes_room("ETH/USDT:USDT", Side.SELL, kinds[0], locks=True)


async def test_ways_out_of_coins_go_before_an_order_that_locks_them(tmp_path: Path) -> None:
    """Spot: a person's limit order holds the coins of a strategy, which is stopped out, flattened, or leaves."""
    async with armed(tmp_path, SPOT, "alpha", "beta") as stage:
        for name in ("alpha", "beta"):
            await stage.enter("0.5", name)
        key = stage.venue.keys.of("testnet")
        order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
        kept = await order_by_hand(stage.venue, key, **order, quantity="0.2", price="61000")
        await order_by_hand(stage.venue, key, **order, quantity="0.4", price="60000")
        await stage.leave("alpha")
        await stage.agrees()
        assert stage.held("alpha", stage.symbol) < stage.rules[stage.symbol].lot
        assert await cancelled(stage) == [TOLD.replace("0.5 BTC/USDT:USDT", "0.4 BTC/USDT")]
        assert [each.client_order_id for each in await stage.rests()] == [kept["clientOrderId"]]
        (position,) = await flatten(stage)
        assert position.end is End.CLOSED
        assert (stage.net < stage.rules[stage.symbol].lot * 10, await stage.rests()) == (True, [])


async def test_where_there_is_no_money_nothing_is_cancelled(tmp_path: Path) -> None:
    """A purchase that is refused is no exit; nor is what a future lacks of margin."""
    async with armed(tmp_path, SPOT) as stage:
        await stage.enter("0.5")
        key = stage.venue.keys.of("testnet")
        order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.4"}
        await order_by_hand(stage.venue, key, **order, price="60000")
        await house(stage).trade(f"buy {stage.symbol} 5")
        assert sorted(row.state for row in await stage.orders()) == ["filled", "rejected"]
        assert (await cancelled(stage), len(await stage.rests())) == ([], 1)
