"""A person closes more than the venue takes at once, over the wire: out in slices, and told how many and what is left."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import UserError
from core.events import OrderChanged
from core.store.models import AuditLine
from core.trading.by_hand.slices import slices_of
from core.trading.by_hand.slip import Verb
from core.trading.flatten_plan import End
from core.trading.live_order import MANUAL
from core.trading.switch import GLOBAL
from risk.intent import OrderIntent
from risk.view import TradingState
from tests.core.trading.armed import SPOT, USDM, Armed, armed
from tests.core.trading.by_hand.house import TESS
from tests.core.trading.stage import until
from tests.core.trading.test_exits_on_binance import flatten, house, large
from tests.venues.binance.app import BinanceServer


async def sold(stage: Armed) -> list[tuple[Decimal, str, bool]]:
    """Our sells, the smallest first."""
    return sorted((row.quantity, row.state, row.reduce_only) for row in await stage.orders() if row.side == "sell")


@pytest.mark.parametrize("place", [SPOT, USDM], ids=["spot", "usdm"])
async def test_a_close_above_the_venues_maximum_goes_in_slices(tmp_path: Path, place: tuple[str, str, str]) -> None:
    """The preview says in how many; all of it goes; the strategy does not buy it back; each order is in the audit."""
    async with large(tmp_path, place) as stage:
        held, by_hand = stage.rules[stage.symbol].floor_quantity(stage.net), house(stage)
        if place is SPOT:
            await check_remainder(stage)
        preview = await by_hand.say(f"close {stage.symbol} alpha")
        assert (preview.quantity, preview.code) == (held, "")
        assert "The venue takes 120 at once: it goes in 3 orders, one after another." in preview.notes
        assert abs(preview.held_after) < stage.rules[stage.symbol].lot
        placed = await by_hand.yes(preview)
        assert placed.told == "✅ 3 orders are on their way"
        await stage.quiet()
        await stage.bar()
        await stage.agrees()
        assert 0 <= stage.net < stage.rules[stage.symbol].lot
        promised = place is USDM
        assert await sold(stage) == [(each, "filled", promised) for each in (held - 240, Decimal(120), Decimal(120))]
        lines = await AuditLine.filter(action="manual order").all()
        assert sum(line.outcome == "filled" or "close" in line.detail for line in lines) >= 3
        assert not await stage.told("CRITICAL")


async def test_a_part_above_the_maximum_is_closed_too_and_an_entry_is_denied(tmp_path: Path) -> None:
    """Half of one's own position in two orders; to add as much is denied, with the largest size that passes."""
    async with large(tmp_path, USDM) as stage:
        by_hand = house(stage)
        await by_hand.trade(f"close {stage.symbol} alpha half")
        await stage.quiet()
        assert stage.net == 150
        assert [each for each, *_ in await sold(stage)] == [Decimal(30), Decimal(120)]
        preview = await by_hand.say(f"buy {stage.symbol} 150")
        assert (preview.code, preview.largest) == ("VENUE_MAXIMUM", 120)


async def test_what_the_venue_refuses_ends_it_and_people_know_what_is_left(tmp_path: Path) -> None:
    """The second of three is refused: the third is not sent, and a second close closes just the rest."""
    async with large(tmp_path, USDM) as stage:
        by_hand = house(stage)
        preview = await by_hand.say(f"close {stage.symbol} alpha")
        refuse(stage.venue, skip=1)
        placed = await by_hand.yes(preview)
        assert placed.told.startswith("🔴 1 of 3 orders are out. The next was not taken: INSUFFICIENT_FUNDS: ")
        assert placed.told.endswith("240 BTC/USDT:USDT were not sent: look, then /close the rest.")
        (told,) = [each for each in await stage.told("CRITICAL") if "Not all of it was sent: sell 300" in each]
        assert placed.told in told
        await stage.quiet()
        await stage.bar()
        assert stage.net == 240  # neither sold by the strategy's next bar, nor bought back
        await by_hand.trade(f"close {stage.symbol} alpha")
        await stage.quiet()
        await stage.agrees()
        assert stage.net == 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("drop_after", "🔴 Whether the venue has it is not known yet"),
        ("error", "🔴 It was not taken: INSUFFICIENT_FUNDS: "),
    ],
)
async def test_one_order_that_is_not_there_is_not_told_as_on_its_way(tmp_path: Path, fault: str, told: str) -> None:
    """The answer to the press says so at once."""
    async with armed(tmp_path, USDM) as stage:
        await stage.enter("0.5")
        preview = await house(stage).say(f"close {stage.symbol}")
        stage.venue.script.plan("STREAM user *", "miss", times=None)
        more = {"code": -2019, "msg": "Margin is insufficient."} if fault == "error" else {}
        stage.venue.script.plan("POST /fapi/v1/order", fault, **more)
        assert (await house(stage).yes(preview)).told.startswith(told)


async def test_a_halt_between_two_slices_stops_the_rest(tmp_path: Path) -> None:
    """Nothing is sent past somebody who stops; what is left can be flattened, while halted too."""
    async with large(tmp_path, USDM) as stage:
        by_hand, switch = house(stage), stage.desk._around.switch
        preview = await by_hand.say(f"close {stage.symbol} alpha")

        async def halt(_change: OrderChanged) -> None:
            await switch.set(GLOBAL, TradingState.HALTED, "too hot", "ada")

        stage.desk._around.events.subscribe(OrderChanged, halt)
        placed = await by_hand.yes(preview)
        assert placed.told.startswith("🔴 1 of 3 orders are out. Trading is halted. 240 BTC/USDT:USDT were not sent")
        await stage.quiet()
        assert stage.net == 240
        (position,) = await flatten(stage)
        await stage.agrees()
        assert (stage.net, position.end) == (0, End.CLOSED)


async def test_a_slice_in_doubt_ends_it_and_is_never_closed_twice(tmp_path: Path) -> None:
    """It counts in full: what is closed next is what was never sent, and the doubt ends by itself."""
    async with large(tmp_path, USDM) as stage:
        by_hand = house(stage)
        preview = await by_hand.say(f"close {stage.symbol} alpha")
        stage.venue.script.plan("POST /fapi/v1/order", "drop_after", times=1, skip=1)
        stage.venue.script.plan("STREAM user *", "miss", times=None)
        placed = await by_hand.yes(preview)
        assert "2 of 3 orders are out. Whether the venue has the last of them is not known" in placed.told
        assert "120 BTC/USDT:USDT were not sent" in placed.told
        assert (await by_hand.say(f"close {stage.symbol} alpha")).quantity == 120
        await by_hand.trade(f"close {stage.symbol} alpha")
        await stage.agrees()  # the venue is asked for all of them
        await stage.bar()
        await stage.agrees()
        assert (stage.net, [row.state for row in await stage.orders() if row.state != "filled"]) == (0, [])


async def test_what_is_being_closed_is_not_closed_once_more(tmp_path: Path) -> None:
    """A limit order rests that closes all of a future: a close at market beside it would end short."""
    async with armed(tmp_path, USDM) as stage:
        by_hand = house(stage)
        await by_hand.trade(f"buy {stage.symbol} 0.5")
        await stage.quiet()
        await by_hand.trade(f"close {stage.symbol} 0.3 limit 55000 gtc")
        preview = await by_hand.say(f"close {stage.symbol}")
        assert (preview.quantity, preview.reduce_only) == (Decimal("0.2"), True)
        await by_hand.yes(preview)
        with pytest.raises(UserError, match=r"is being closed already: /cancel BTC/USDT:USDT first"):
            await by_hand.say(f"close {stage.symbol}")
        await until(lambda: stage.held(MANUAL, stage.symbol) == Decimal("0.3"))


async def check_remainder(stage: Armed) -> None:
    """240 BTC and a crumb that the venue would find too small: it goes with a part of the next."""
    thing = stage.rules[stage.symbol]
    wish = (await wanted(stage)).resized(Decimal(240) + thing.lot)
    sizes = [each.quantity for each in slices_of(wish, stage.desk)]
    assert sizes == [60 + thing.lot, Decimal(60), Decimal(120)]
    assert [each.allocations for each in slices_of(wish, stage.desk)] == [{"alpha": -size} for size in sizes]


async def wanted(stage: Armed) -> OrderIntent:
    """The order that a close of everything would be."""
    by_hand = house(stage)
    slip, desk = by_hand._slip(Verb.CLOSE, [stage.symbol, "alpha"], TESS)
    return by_hand._wanted(slip, desk, stage.market.quotes[stage.symbol]).intent


def refuse(venue: BinanceServer, skip: int) -> None:
    """The venue refuses one order."""
    venue.script.plan("POST /fapi/v1/order", "error", code=-2019, msg="Margin is insufficient.", skip=skip)
