"""The market as it is now: prices as they come, bars as they end, feeds that fail, and starts in between."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from unittest.mock import AsyncMock, patch

import pytest

from brokers.errors import Unavailable
from brokers.instrument import Instrument
from core import tending
from core.access.roles import Actor, Role
from core.market import feed
from core.store.instruments import FEEDS, get_instruments
from core.store.models import AlertRow, EquityRow
from core.trading.by_hand.slip import Verb
from risk.view import TradingState
from tests.core.live.house import BTC, ETH, NOON, PAPER, breathe, fills, house, settings, titles, towns
from tests.core.live.town import MINUTE, TOWNS, pair


@pytest.fixture(autouse=True)
def _no_towns(monkeypatch):
    monkeypatch.setattr(feed, "_AGAIN_SECONDS", 0.02)
    yield
    TOWNS.clear()


async def connected(made, number: int = 0) -> None:
    """A feed that was away is connected again, and listens."""
    feed = made.rounds.live.feeds[number]
    async with asyncio.timeout(30):
        while feed.problem or not list(feed.broker.town.quotes._readers()):
            await asyncio.sleep(0.01)
    await breathe()


async def test_a_strategy_trades_at_the_end_of_a_bar(tmp_path):
    """Its order is filled at the next price; in between nothing is decided."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        await made.tick(north, 100)
        await made.at(30)
        await made.tick(north, 120)  # above all bars, but no bar has ended
        assert not made.desk.orders.open_orders
        await made.at(0, minute=1)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE)
        await made.look()
        (order,) = made.desk.orders.open_orders
        assert order.symbol == BTC
        await made.at(1, minute=1)
        await made.tick(north, 121)
        assert made.held() > 0
        ((symbol, price),) = await fills()
        assert (symbol, round(price)) == (BTC, 121)
        assert made.engine.trading_clock.now() == made.clock.now()


async def test_a_bar_that_the_stream_has_not_brought_is_asked_for(tmp_path):
    """A second after its end."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        await made.at(0, minute=1)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE, told=False)
        await made.at(0.5, minute=1)
        assert not made.desk.orders.open_orders
        await made.at(1.5, minute=1)
        assert len(made.desk.orders.open_orders) == 1


async def test_a_venue_without_a_stream_of_bars_is_asked(tmp_path):
    """The same strategy, the same order."""
    north, _ = towns()
    north.streams_bars = False
    async with house(settings(tmp_path)) as made:
        await made.at(0.9, minute=1)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE)
        await made.at(2, minute=1)
        assert len(made.desk.orders.open_orders) == 1


async def test_strategies_see_all_bars_of_an_end_together(tmp_path):
    """A straggler is waited for, for five seconds; what comes then is decided on by itself."""
    north, _ = towns(BTC, ETH)
    both = {"symbols": [BTC, ETH]}
    over = {"market": both, "strategies": [{**settings(tmp_path).strategies[0].model_dump(), **both}]}
    async with house(settings(tmp_path, **over)) as made:
        alpha = made.engine.strategies.get("alpha")
        await made.at(0, minute=1)
        north.bar(BTC, 100, NOON + MINUTE)
        await made.at(0.2, minute=1)
        before = alpha.bars_seen
        north.bar(ETH, 100, NOON + MINUTE)
        await made.look()
        assert alpha.bars_seen == before + 2
        await made.at(0, minute=2)
        north.bar(ETH, 100, NOON + 2 * MINUTE)
        await made.at(4, minute=2)
        assert alpha.bars_seen == before + 2
        await made.at(5, minute=2)
        assert alpha.bars_seen == before + 3
        await made.at(20, minute=2)
        north.bar(BTC, 100, NOON + 2 * MINUTE)
        await made.look()
        assert alpha.bars_seen == before + 4


async def test_a_start_shows_the_past_and_the_newest_bar_once(tmp_path):
    """A restart in the middle of a bar decides nothing again; a bar that ended meanwhile is decided on."""
    north, _ = towns(bars=400)
    async with house(settings(tmp_path)) as made:
        alpha = made.engine.strategies.get("alpha")
        assert alpha.bars_seen == 1  # that of noon: it ended a second ago
        assert len(made.engine.strategies.history(BTC)) == 400
        await made.at(0, minute=1)
        north.bar(BTC, 100, NOON + MINUTE)
        await made.look()
        assert alpha.bars_seen == 2
    north.up()
    async with house(settings(tmp_path), at=NOON + timedelta(seconds=90)) as made:
        alpha = made.engine.strategies.get("alpha")
        assert alpha.bars_seen == 2
        assert len(made.engine.strategies.history(BTC)) == 401
    north.up()
    north.bar(BTC, 120, NOON + 2 * MINUTE, told=False)
    north.bar(BTC, 130, NOON + 3 * MINUTE, told=False)
    async with house(settings(tmp_path), at=NOON + timedelta(seconds=200)) as made:
        alpha = made.engine.strategies.get("alpha")
        assert alpha.bars_seen == 3  # of 12:03; that of 12:02 is history
        assert len(made.engine.strategies.history(BTC)) == 403
        assert await titles() == []


async def test_after_a_gap_old_bars_are_history_and_the_newest_is_traded_on(tmp_path):
    """It is said once."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        alpha = made.engine.strategies.get("alpha")
        for minute in (1, 2, 3):
            north.bar(BTC, 100 + minute, NOON + minute * MINUTE, told=False)
        await made.at(2, minute=3)
        assert alpha.bars_seen == 2
        assert alpha.last_bars[BTC] == NOON + 3 * MINUTE
        assert list(made.engine.strategies.history(BTC).close[-3:]) == [101, 102, 103]
        assert await titles() == ["2 bars came too late to trade on"]


async def test_a_late_bar_is_no_reason_to_trade(tmp_path):
    """A breakout that comes a period late opens nothing."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        await made.at(1, minute=2)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE)
        await made.at(7, minute=2)
        assert made.engine.strategies.history(BTC).close[-1] == 120
        assert not made.desk.orders.open_orders
        assert await titles() == ["A bar came too late to trade on"]


async def test_the_second_feed_takes_over_and_gives_back(tmp_path):
    """After silence; and back after four times as long of being well. Prices of the other one do not count."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        await made.tick(north, 100)
        await made.tick(south, 999)
        assert made.engine.market.quotes[BTC].last == 100
        north.down()
        await made.at(10)
        await made.tick(south, 101)
        assert made.engine.market.quotes[BTC].last == 100
        assert made.rounds.status == "live from town"
        await made.at(17)
        await made.tick(south, 102)
        assert made.engine.market.quotes[BTC].last == 102
        assert made.rounds.status == "live from town-2 in place of a preferred feed"
        north.up()
        await connected(made)
        for seconds in range(20, 84, 4):
            await made.at(seconds)
            await made.tick(north, 200)
            await made.tick(south, 103)
        assert made.engine.market.quotes[BTC].last == 200
        assert made.rounds.status == "live from town"
        assert await titles() == ["Prices come from town-2 now", "Prices come from town again"]


async def test_after_a_change_bars_and_history_are_the_other_venues(tmp_path):
    """No average of prices of two venues."""
    north, south = towns()
    south.history.clear()
    for minute in range(-5, 1):
        south.bar(BTC, 500, NOON + minute * MINUTE)
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        await made.tick(north, 100)
        await made.at(30)
        north.down()
        south.bar(BTC, 510, NOON + MINUTE, told=False)
        await made.at(50)
        await made.tick(south, 505)
        assert list(made.engine.strategies.history(BTC).close) == [500] * 6
        await made.at(0, minute=1)
        south.bars.publish(south.history[BTC, MINUTE][-1])
        await made.look()
        assert list(made.engine.strategies.history(BTC).close) == [500] * 6 + [510]


async def test_without_prices_nothing_new_is_traded(tmp_path):
    """The gate refuses prices of long ago, people are woken, and the status says it plainly."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        await made.tick(north, 100)
        north.down()
        south.down()
        await made.at(30)
        assert made.rounds.status.startswith("NO PRICES for 29 s, so nothing new trades (town: ")
        assert not made.rounds.is_well
        assert (await made.service.overview()).feed.startswith("NO PRICES for 29 s, so nothing new trades (town: ")
        (row,) = await AlertRow.filter(kind="prices")
        assert (row.title, row.severity) == ("There are no prices of BTC/USDT", "CRITICAL")
        assert re.match(r"town: (the town is cut off|town is not connected)\n", row.body), row.body
        bar = north.bar(BTC, 120, NOON + MINUTE, told=False)
        await made.at(1, minute=1)
        made.rounds.live.on_bars(made.rounds.live.lanes[0].feed, [bar])
        await made.look()
        assert made.engine.strategies.wishes(BTC)[0].exposure == 1
        assert not made.desk.orders.open_orders
        (denied,) = await AlertRow.filter(kind="denied")
        assert "PRICE_UNKNOWN" in denied.title + denied.body
        north.up()
        await connected(made)
        await made.tick(north, 120)
        assert made.rounds.is_well
        assert made.rounds.status == "live from town"


async def test_a_price_that_a_venue_repeats_is_old(tmp_path):
    """Whoever says the same old thing again and again is silent; a price from the future is one of now."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        await made.tick(north, 100)
        await made.at(10)
        await made.tick(south, 101)
        for seconds in (14, 17, 18):
            await made.at(seconds)
            north.price(BTC, 100, NOON - MINUTE)
            await made.look()
        assert made.rounds.live.lanes[0].feed.name == "town-2"
        south.price(BTC, 102, made.clock.now() + timedelta(hours=3))
        await made.look()
        assert made.engine.market.quotes[BTC].at == made.clock.now()
        await made.at(19)
        await made.tick(south, 103)
        assert made.engine.market.quotes[BTC].last == 103


async def test_a_stop_is_looked_at_with_every_price(tmp_path):
    """Between two bars."""
    north, _ = towns()
    over = {"strategies": [{**settings(tmp_path).strategies[0].model_dump(), "exits": {"stop_loss": {"percent": 5}}}]}
    async with house(settings(tmp_path, **over)) as made:
        await made.at(0, minute=1)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE)
        await made.look()
        await made.at(1, minute=1)
        await made.tick(north, 120)
        assert made.held() > 0
        await made.at(20, minute=1)
        await made.tick(north, 113)
        await made.at(21, minute=1)
        await made.tick(north, 113)
        assert made.held() == 0


async def test_a_fast_market_is_seen_by_its_newest_price(tmp_path):
    """A thousand prices are one look of every account."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        await made.tick(north, 100)
        seen = []
        sweep = made.desk.sweep

        async def counted():
            seen.append(made.engine.market.quotes[BTC].last)
            return await sweep()

        made.desk.sweep = counted
        for number in range(1000):
            north.price(BTC, 100 + number, made.clock.now())
        await breathe()
        await made.rounds.step()
        for moments in made.rounds._moments.values():
            await moments.step()
        assert seen == [1099]


async def test_a_new_day_begins_at_midnight(tmp_path):
    """What the daily loss is measured from is the last equity of the day before."""
    north, _ = towns()
    late = NOON + timedelta(hours=11, minutes=59, seconds=50)
    north.bar(BTC, 100, late.replace(second=0))
    async with house(settings(tmp_path), at=late) as made:
        await made.tick(north, 100)
        assert made.desk.baselines.day == late.date()
        made.clock.set(late + timedelta(seconds=11))
        await made.look()
        assert made.desk.baselines.day == (late + timedelta(days=1)).date()


async def test_the_volume_of_the_day_is_that_of_the_daily_bar(tmp_path):
    """Not that of the last minute; asked for anew with each day."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        assert made.engine.market.volumes == {BTC: 5000}
        await made.at(0, minute=1)
        north.bar(BTC, 100, NOON + MINUTE)
        await made.look()
        assert made.engine.market.volumes == {BTC: 5000}
        assert [each[2] for each in north.asked if each[2] != MINUTE] == [timedelta(days=1)]


async def test_one_slow_account_holds_up_no_other(tmp_path):
    """Its venue does not answer; the other account trades on."""
    north, _ = towns()
    strategies = [
        {**settings(tmp_path).strategies[0].model_dump(), "name": name, "account": account}
        for name, account in (("alpha", "fund"), ("beta", "main"))
    ]
    given = settings(tmp_path, accounts={"main": PAPER, "fund": PAPER}, strategies=strategies)
    async with house(given) as made:
        held, hung = asyncio.Event(), made.engine.floor.desk("fund")

        async def hang():
            await held.wait()

        hung.broker.settled = hang
        made.clock.set(NOON + MINUTE)
        north.price(BTC, 120, made.clock.now())
        north.bar(BTC, 120, NOON + MINUTE)
        await breathe()
        await made.rounds.step()
        stuck = asyncio.create_task(made.rounds._moments["fund"].step())
        await breathe()
        async with asyncio.timeout(30):
            await made.rounds._moments["main"].step()
            async with made.rounds.apart("main"):
                pass
            await made.rounds.note_equity()
        assert len(made.engine.floor.desk("main").orders.open_orders) == 1
        assert not hung.orders.open_orders
        held.set()
        await stuck
        assert len(hung.orders.open_orders) == 1


async def test_an_account_that_fails_is_halted_and_the_others_go_on(tmp_path):
    """As in a replay."""
    north, _ = towns()
    strategies = [{**settings(tmp_path).strategies[0].model_dump(), "account": "main"}]
    given = settings(tmp_path, accounts={"main": PAPER, "fund": PAPER}, strategies=strategies)
    async with house(given) as made:

        async def broken():
            raise ZeroDivisionError("a bug")

        made.engine.floor.desk("fund").broker.settled = broken
        await made.tick(north, 100)
        assert made.engine.floor.desk("fund").state_for() is TradingState.HALTED
        assert made.engine.floor.desk("main").state_for() is TradingState.ACTIVE


# --- instruments ---------------------------------------------------------------------------------------


async def test_instruments_are_remembered_for_a_start_without_venues(tmp_path):
    """What is held is known, and the account is there; only prices are not."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        await made.at(0, minute=1)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE)
        await made.look()
        await made.at(1, minute=1)
        await made.tick(north, 120)
        held = made.held()
        assert held > 0
    for town in (north, south):
        town.up()
        town.is_up = False

    async with house(settings(tmp_path), at=NOON + 2 * MINUTE, prepare=impatient) as made:
        assert made.held() == held
        assert made.desk.portfolio.instruments == {BTC: pair(BTC)}
        assert made.desk.reconciled
        assert made.desk.state_for() is TradingState.ACTIVE


async def test_without_any_word_of_a_venue_a_paper_account_waits_for_one(tmp_path, monkeypatch):
    """The chat is there and says why; nothing is halted, for nothing can happen; then it goes on by itself."""
    monkeypatch.setattr(tending, "_RECONNECT_SECONDS", 0.05)
    north, south = towns()
    north.is_up = south.is_up = False
    async with house(settings(tmp_path), prepare=impatient) as made:
        made.clock.set(NOON + timedelta(seconds=40))
        await made.look()
        await made.engine.alert_watch.look()
        await made.engine.sweep()  # that it has no money is not a loss
        await made.rounds.note_equity()
        assert not await EquityRow.all().exists()
        assert made.desk.state_for() is TradingState.ACTIVE
        assert not made.desk.reconciled
        assert made.rounds.status.startswith("NO PRICES for 39 s, so nothing new trades (")
        assert [row.title for row in await AlertRow.all()] == ["There are no prices of BTC/USDT"]
        compared, settled = asyncio.Event(), made.desk.broker.settled

        async def not_yet():
            await compared.wait()
            await settled()

        made.desk.broker.settled = not_yet
        north.up()
        await made.engine.feeds[0].broker.connect()
        await made.rounds.live.on_instruments(made.engine.feeds[0], await made.engine.feeds[0].instruments())
        assert not made.desk.reconciled
        await made.engine.sweep()  # still
        measured, roll_day = asyncio.Event(), made.desk.roll_day

        async def not_measured_yet(*at):
            await measured.wait()
            await roll_day(*at)

        made.desk.roll_day = not_measured_yet
        compared.set()
        async with asyncio.timeout(30):
            while not made.desk.reconciled:
                await asyncio.sleep(0.02)
        await made.engine.sweep()  # nor before there is anything to measure a loss from
        assert made.desk.state_for() is TradingState.ACTIVE
        measured.set()
        async with asyncio.timeout(30):
            while made.desk.baselines is None:
                await asyncio.sleep(0.02)
        assert made.desk.broker.is_connected
        assert made.desk.portfolio.instruments == {BTC: pair(BTC)}
        assert made.desk.baselines.day_start_equity == 100_000


async def test_rules_that_have_changed_count_at_once_and_are_told(tmp_path):
    """Those of the preferred feed; another's do not."""
    north, south = towns()
    south.instruments[BTC] = pair(BTC, lot=Decimal("0.5"))
    async with house(settings(tmp_path)) as made:
        assert made.desk.portfolio.instruments == {BTC: pair(BTC)}
        assert await titles() == []
    north.up()
    north.instruments[BTC] = pair(BTC, lot=Decimal("0.001"))
    south.up()
    async with house(settings(tmp_path), at=NOON + MINUTE) as made:
        assert made.desk.portfolio.instruments[BTC].lot == Decimal("0.001")
        assert (await get_instruments(FEEDS))[BTC].lot == Decimal("0.001")
        assert await titles() == ["BTC/USDT: the venue has changed its rules"] * 2  # of the feed, and of the account
        row = await AlertRow.filter(kind="instrument").first()
        assert row.body == "lot: 0.0001 → 0.001"


async def test_rules_that_change_while_prices_are_heard_count_without_a_new_connection(tmp_path, monkeypatch):
    """They are asked for now and then; a venue that does not tell them goes on giving prices."""
    monkeypatch.setattr(feed, "_RULES_SECONDS", 0.01)
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        broker = made.rounds.live.feeds[0].broker
        told = AsyncMock(side_effect=Unavailable("not now"))
        with patch.object(broker, "get_instruments", told):
            while told.await_count < 2:
                await asyncio.sleep(0.01)
        assert made.rounds.live.feeds[0].problem == ""
        north.instruments[BTC] = pair(BTC, lot=Decimal("0.001"))
        async with asyncio.timeout(20):
            while made.desk.portfolio.instruments[BTC].lot != Decimal("0.001"):
                await asyncio.sleep(0.01)


async def test_what_is_held_and_not_in_the_market_any_more_stops_the_start(tmp_path):
    """Whether or not its instrument is remembered: there would be no price of it."""
    from core.errors import SettingsError

    north, _ = towns(BTC, ETH)
    async with house(settings(tmp_path, market={"symbols": [BTC, ETH]})) as made:
        await made.at(0, minute=1)
        await made.tick(north, 120)
        north.bar(BTC, 120, NOON + MINUTE)
        north.bar(ETH, 100, NOON + MINUTE)
        await made.look()
        await made.at(1, minute=1)
        await made.tick(north, 120)
        assert made.held() > 0
    north.up()
    with pytest.raises(SettingsError, match="still holds or orders BTC/USDT: put it back"):
        async with house(settings(tmp_path, market={"symbols": [ETH]}, strategies=[])):
            pass


def test_the_towns_rules_are_those_of_a_crypto_pair():
    assert isinstance(pair(BTC), Instrument)
    assert (pair(BTC).base, pair(BTC).currency) == ("BTC", "USDT")


def impatient(engine) -> None:
    """A start that does not wait for feeds."""

    async def at_once(start) -> None:
        await engine.rounds.step()

    engine.rounds.ready = at_once


# --- by hand -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["BTC/USDT", "btcusdt"])
async def test_a_pair_is_traded_by_hand_under_its_name_or_a_short_form(tmp_path, typed):
    """Previewed, bought, drawn, listed, protected and cancelled."""
    north, _ = towns()
    ada = Actor("telegram:1", "Ada", Role.ADMIN)
    async with house(settings(tmp_path, strategies=[])) as made:
        await made.tick(north, 100)
        shown = await made.service.preview_order(Verb.BUY, [typed, "0.5"], ada)
        assert shown.symbol == BTC
        placed = await made.service.place_order(Verb.BUY, list(shown.words), shown.seen, ada)
        assert placed.order
        await made.at(2)
        await made.tick(north, 101)
        assert made.held() == Decimal("0.5")
        assert (await made.service.candles(typed)).symbol == BTC
        assert (await made.service.fills(symbol=typed)).total == 1
        assert (await made.service.exits_of("", typed, ada)).symbol == BTC
        assert not (await made.service.cancel_orders(typed, ada)).ok  # known, and nothing is open
