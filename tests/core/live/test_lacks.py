"""What a venue does not tell: prices of one symbol, history, the time; and what is made of the rest meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.errors import Unavailable
from brokers.market import Quote
from core import live_rounds, price_telling
from core.market import feed
from core.store.models import AlertRow
from tests.core.live.house import BTC, ETH, NOON, LiveHouse, breathe, house, settings, titles, towns
from tests.core.live.town import MINUTE, TOWNS, Town, TownBroker

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _no_towns():
    yield
    TOWNS.clear()


def both(folder):
    """One strategy on two symbols."""
    symbols = {"symbols": [BTC, ETH]}
    return settings(folder, market=symbols, strategies=[{**settings(folder).strategies[0].model_dump(), **symbols}])


def mute(town: Town, monkeypatch, symbol: str) -> None:
    """The venue tells nothing of one symbol any more."""
    quote, bars = TownBroker.get_quote, TownBroker.get_bars

    async def get_quote(self, asked):
        if self.town is town and asked == symbol:
            raise Unavailable(f"{symbol} is halted")
        return await quote(self, asked)

    async def get_bars(self, asked, **given):
        if self.town is town and asked == symbol:
            raise Unavailable(f"no bars of {symbol}")
        return await bars(self, asked, **given)

    monkeypatch.setattr(TownBroker, "get_quote", get_quote)
    monkeypatch.setattr(TownBroker, "get_bars", get_bars)


# --- prices --------------------------------------------------------------------------------------------


async def test_one_symbol_without_prices_is_told_by_name(tmp_path):
    """Stops on it see no price, so people are woken; that is over with its next price. The other goes on."""
    north, _ = towns(BTC, ETH)
    async with house(both(tmp_path)) as made:
        made.is_quiet = True
        for seconds in (10, 20):
            await made.at(seconds)
            await made.tick(north, 100)
        assert made.rounds.status == "live from town; NO PRICES of ETH/USDT"
        assert not made.rounds.is_well
        (row,) = await AlertRow.filter(kind="prices")
        assert (row.title, row.severity) == ("There are no prices of ETH/USDT", "CRITICAL")
        assert row.status == "open"
        await made.at(21)
        await made.tick(north, 100, ETH)
        assert made.rounds.status == "live from town"
        assert made.rounds.is_well
        assert len(await titles()) == 1
        await row.refresh_from_db()
        assert (row.status, row.note) == ("closed", "town gives prices again")


async def test_after_a_silence_of_all_each_symbol_has_its_time(tmp_path):
    """The first price of one is no alarm about the others."""
    north, south = towns(BTC, ETH)
    async with house(both(tmp_path)) as made:
        made.is_quiet = True
        south.down()
        await made.at(30)
        await made.tick(north, 100)
        assert await titles() == ["There are no prices of BTC/USDT, ETH/USDT"]
        await made.at(44)
        await made.tick(north, 100)
        assert len(await titles()) == 1
        await made.at(46)
        await made.tick(north, 100)
        assert (await titles())[1:] == ["There are no prices of ETH/USDT"]


async def test_prices_that_are_there_after_a_start_end_what_was_told_before_it(tmp_path):
    """Nobody is woken again and again for a silence of yesterday."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        south.down()
        north.down()
        await made.at(30)
        assert (await AlertRow.get(kind="prices")).status == "open"
    north.up()
    south.up()
    async with house(settings(tmp_path), at=NOON + MINUTE) as made:
        for seconds in range(5, 25, 5):
            await made.at(seconds, minute=1)
        assert (await AlertRow.get(kind="prices")).status == "closed"


async def test_prices_that_come_and_go_are_one_silence(tmp_path):
    """Nobody is woken anew for each of its pieces."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        south.down()
        for minute in range(3):
            await made.at(30, minute)
            await made.tick(north, 100)
        row = await AlertRow.get(kind="prices")
        assert row.status == "open"
        for seconds in range(40, 60, 5):
            await made.at(seconds, 2)
            await made.tick(north, 100)
        await row.refresh_from_db()
        assert row.status == "closed"


async def test_a_price_that_is_older_than_the_last_moves_no_mark(tmp_path):
    """An answer may be overtaken by the stream."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        await made.at(10)
        await made.tick(north, 150)
        north.price(BTC, 90, made.clock.now() - SECOND)
        await made.look()
        assert made.engine.market.quotes[BTC].last == 150
        assert made.desk.portfolio.marks[BTC] == 150


@pytest.mark.parametrize("wrong", [{"bid": "102"}, {"ask": "0"}, {"last": "NaN"}])
async def test_prices_that_cannot_be_are_silence(tmp_path, wrong):
    """The next venue takes over, and the reason is told."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        await made.tick(north, 100)
        for seconds in range(4, 24, 4):
            await made.at(seconds)
            given = {"bid": "99", "ask": "101", "last": "100", **wrong}
            numbers = {name: Decimal(value) for name, value in given.items()}
            north.latest[BTC] = Quote(BTC, at=made.clock.now(), **numbers)
            north.quotes.publish(north.latest[BTC])
            await made.tick(south, 105)
        assert made.engine.market.quotes[BTC].last == 105
        row = await AlertRow.get(kind="prices")
        assert row.title == "Prices come from town-2 now"
        assert "BTC/USDT: town: BTC/USDT: " in row.body


async def test_a_clock_that_is_wrong_is_named_as_the_reason(tmp_path):
    """The venue talks; to a machine whose clock is ahead all it says is old."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        south.down()
        for seconds in range(2, 30, 4):
            await made.at(seconds)
            north.price(BTC, 100, made.clock.now() - 90 * SECOND)
            await made.look()
        assert "town: its prices are 90 s old (is the clock of this machine right?)" in made.rounds.status
        assert "clock of this machine" in (await AlertRow.get(kind="prices")).body


async def test_a_spare_venue_that_is_away_is_told_before_it_is_needed(tmp_path, monkeypatch):
    """Once, and again if it was there in between."""
    monkeypatch.setattr(feed, "_AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(price_telling, "_SPARE_SECONDS", 0.05)
    _, south = towns()
    async with house(settings(tmp_path)) as made:
        for _ in range(2):
            south.down()
            async with asyncio.timeout(30):
                while made.engine.feeds[1].away_for < 0.1:
                    await asyncio.sleep(0.01)
            await made.at(5)
            await made.look()
            south.up()
            async with asyncio.timeout(30):
                while made.engine.feeds[1].away_for:
                    await asyncio.sleep(0.01)
                    south.price(BTC, 100, made.clock.now())
            await made.look()
        assert await titles() == ["town-2 has been away for 0 min"] * 2


# --- history and bars ----------------------------------------------------------------------------------


async def test_no_bar_comes_before_the_history_of_its_own_venue(tmp_path):
    """A venue that takes over brings a bar before its past is known: strategies see it behind that past only."""
    north, south = towns()
    south.history.clear()
    for minute in range(-5, 1):
        south.bar(BTC, 500, NOON + minute * MINUTE)
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        alpha = made.engine.strategies.get("alpha")
        await made.tick(north, 100)
        before = alpha.bars_seen
        north.down()
        made.clock.set(NOON + MINUTE + SECOND)
        south.price(BTC, 505, made.clock.now())
        await breathe()
        await made.rounds.step()  # south counts from here on, and nobody has asked it for anything yet
        south.bar(BTC, 510, NOON + MINUTE)
        await breathe()
        await made.rounds.step()
        assert list(made.engine.strategies.history(BTC).close) == [100] * 6
        await made.look()
        assert list(made.engine.strategies.history(BTC).close) == [500] * 6 + [510]
        assert alpha.bars_seen == before + 1


async def test_a_symbol_that_cannot_be_asked_for_holds_up_no_other(tmp_path, monkeypatch):
    """Without a stream of bars, too: what of the others is missing is asked for; of the one it is told."""
    north, south = towns(BTC, ETH)
    north.streams_bars = south.streams_bars = False
    mute(north, monkeypatch, ETH)
    async with house(both(tmp_path)) as made:
        alpha = made.engine.strategies.get("alpha")
        await made.at(6)
        assert len(made.engine.strategies.history(BTC)) == 6
        before = alpha.bars_seen
        north.bar(BTC, 100, NOON + MINUTE)
        await made.at(2, minute=1)
        await made.at(6, minute=1)
        assert alpha.bars_seen == before + 1
        assert made.engine.market.volumes == {BTC: 5000}
        assert await titles() == ["There is no history of ETH/USDT"]
        monkeypatch.undo()
        await made.at(40, minute=1)
        assert len(made.engine.strategies.history(ETH)) == 6
        assert (await titles())[1:] == ["The history of BTC/USDT, ETH/USDT is there"]


async def test_a_symbol_without_history_delays_the_bars_of_no_other(tmp_path, monkeypatch):
    """It is asked for every half minute by then; a bar that has ended is asked for a second after its end."""
    north, south = towns(BTC, ETH)
    north.streams_bars = south.streams_bars = False
    mute(north, monkeypatch, ETH)
    async with house(both(tmp_path)) as made:
        for seconds in (4, 9, 18, 35, 57):
            await made.at(seconds)
        (lane,) = made.rounds.live.lanes
        assert lane.ask_at > NOON + MINUTE + 6 * SECOND
        before = made.engine.strategies.get("alpha").bars_seen
        north.bar(BTC, 100, NOON + MINUTE)
        await made.at(2, minute=1)
        await made.at(6, minute=1)
        assert made.engine.strategies.get("alpha").bars_seen == before + 1


async def test_a_slow_account_does_not_look_ahead(tmp_path):
    """While it was busy another bar has ended: it decides on that one, not on the one before with it in view."""
    north, _ = towns()
    async with house(settings(tmp_path)) as made:
        await made.at(0, minute=1)
        alpha, seen = made.engine.strategies.get("alpha"), []
        decide = alpha.strategy.on_bar

        def watched(bar, history, exposure):
            seen.append((bar.at, history.at[-1]))
            return decide(bar, history, exposure)

        alpha.strategy.on_bar = watched
        north.bar(BTC, 101, NOON + MINUTE)
        await breathe()
        await made.rounds.step()
        await made.rounds._thinking.acquire()  # another account's strategies think
        moment = asyncio.create_task(made.rounds._moments["main"].step())
        await breathe()
        north.bar(BTC, 102, NOON + 2 * MINUTE)
        made.clock.set(NOON + 2 * MINUTE - 3 * SECOND)  # the venue's clock is ahead of ours
        north.bars.publish(north.history[BTC, MINUTE][-1])
        await breathe()
        await made.rounds.step()
        made.rounds._thinking.release()
        await moment
        await made.look()
        assert [at for at, _ in seen] == [NOON + 2 * MINUTE]
        assert all(str(newest)[:16] == at.isoformat()[:16] for at, newest in seen)


async def test_a_bar_of_a_venue_that_does_not_count_any_more_is_not_decided_on(tmp_path):
    """An account was busy while another venue took over, and history became that one's."""
    north, south = towns()
    async with house(settings(tmp_path)) as made:
        made.is_quiet = True
        alpha = made.engine.strategies.get("alpha")
        made.clock.set(NOON + MINUTE + SECOND)
        before = alpha.bars_seen
        north.bar(BTC, 120, NOON + MINUTE)
        south.bar(BTC, 90, NOON + MINUTE, told=False)
        await breathe()
        await made.rounds.step()  # the bar waits for the account
        north.down()
        made.clock.set(NOON + MINUTE + 20 * SECOND)
        south.price(BTC, 90, made.clock.now())
        await breathe()
        await made.rounds.step()
        await made.rounds.live.serve_once(made.rounds.live.lanes[0])
        await made.rounds.step()
        assert made.engine.strategies.history(BTC).close[-1] == 90
        await made.rounds._moments["main"].step()
        assert alpha.bars_seen == before
        assert not made.desk.orders.open_orders


# --- a start -------------------------------------------------------------------------------------------


async def started(made: LiveHouse) -> float:
    """How long a start waits for the feeds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await made.rounds.ready(lambda *_: None)
    return loop.time() - began


async def test_a_start_without_any_venue_does_not_wait_for_long(tmp_path, monkeypatch):
    """Nobody looks at an empty screen for half a minute because a cable is out."""
    monkeypatch.setattr(live_rounds, "_VAIN_SECONDS", 0.1)
    north, south = towns()
    north.is_up = south.is_up = False
    async with house(settings(tmp_path)) as made:
        assert await started(made) < 5
        assert [feed.problem for feed in made.engine.feeds] == ["the town is cut off"] * 2


async def test_a_start_goes_on_with_the_second_venue(tmp_path, monkeypatch):
    """When the first has been waited for; its prices, rules and history are there before the accounts are connected."""
    monkeypatch.setattr(live_rounds, "_START_SECONDS", 20.0)
    north, south = towns()
    north.is_up = False
    given = settings(tmp_path, market={"failover_seconds": 1})
    south.price(BTC, 100, NOON + SECOND)
    async with house(given, prepare=_by_the_loop) as made:
        assert made.desk.reconciled
        assert made.rounds.live.lanes[0].feed.name == "town-2"
        assert len(made.engine.strategies.history(BTC)) == 6


def _by_the_loop(engine) -> None:
    """Patience is measured in true time, and what is silent is asked for."""
    engine.rounds.live._seconds = asyncio.get_running_loop().time
    for each in engine.feeds:
        each._silence = 0.5
