"""Quotes, bars and books over real sockets: kept open, opened anew, caught up, asked for where nothing is pushed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from brokers.ccxt.parsing import milliseconds, moment
from brokers.errors import Unavailable
from brokers.market import Quote
from tests.brokers.ccxt_streams.rig import BTC, ETH, QUICK, heard, rest, rig, until
from tests.venues.binance.listing import Listing
from tests.venues.binance.sockets import Socket

pytestmark = pytest.mark.asyncio

MARKET = "STREAM market spot"
SECOND = timedelta(seconds=1)
PATIENT = replace(QUICK, silence=30)


def _bid(price):
    return lambda told: told and told[-1].bid == Decimal(price)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_quotes_come_as_the_market_moves(tmp_path, market):
    """Bid, ask and last, exact, of both symbols; nothing is opened before somebody reads."""
    symbols = (BTC, ETH) if market == "spot" else ("BTC/USDT:USDT", "ETH/USDT:USDT")
    site = "stream" if market == "spot" else "fstream"
    async with rig(tmp_path, keys=False, pace=PATIENT, market=market, symbols=symbols) as here:
        assert here.streams() == []
        quotes = here.broker.quotes(symbols)
        first = await heard(quotes, lambda told: {each.symbol for each in told} == set(symbols))
        assert all(each.bid < each.ask for each in first)
        await until(lambda: here.venue.sockets.of(site))
        here.venue.move("BTCUSDT", "51000.1")
        here.venue.move("ETHUSDT", "3100.5")
        told = await heard(
            quotes,
            lambda told: {(each.symbol, each.bid, each.last) for each in told}.issuperset(
                {
                    (symbols[0], Decimal("51000.1"), Decimal("51000.1")),
                    (symbols[1], Decimal("3100.5"), Decimal("3100.5")),
                }
            ),
        )
        assert {each.symbol for each in told} == set(symbols)


async def test_a_slow_reader_of_quotes_gets_the_newest(tmp_path):
    """However many it has slept through."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        await until(lambda: here.venue.sockets.of("stream"))
        await rest(quotes)
        for number in range(200):
            here.venue.move("BTCUSDT", str(50000 + number))
        witness = here.broker.quotes([BTC])
        await heard(witness, lambda told: told and told[-1].bid == told[-1].last == Decimal(50199))
        told = await rest(quotes)
        assert [each.bid for each in told] == [Decimal(50199)]


async def test_a_lost_stream_of_quotes_is_opened_anew_by_itself(tmp_path):
    """What happened meanwhile is asked for; the reader stays, and health says that there was a restart."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        here.venue.sockets.drop("stream")
        here.venue.move("BTCUSDT", "51000")
        await heard(quotes, _bid("51000"))
        await until(lambda: len(here.streams()) == 2)
        here.venue.move("BTCUSDT", "52000")
        await heard(quotes, _bid("52000"))
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        assert here.broker.health.streams["quotes"].restarts == 1


async def test_an_old_price_is_not_told_as_of_now_after_a_gap(tmp_path):
    """What the old stream said last is not mixed with the first word of the new one, which may be a last price only."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        feed = here.feeds._quotes
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        await rest(quotes)
        feed.opened([BTC])
        feed.hear(BTC, {"last": "51000"})
        assert await rest(quotes) == []
        feed.hear(BTC, {"bid": "50990", "ask": "51010"})
        (told,) = await rest(quotes)
        assert (told.bid, told.ask, told.last) == (Decimal(50990), Decimal(51010), Decimal(51000))


async def test_the_time_of_a_quote_never_goes_back(tmp_path):
    """Not over an opening anew either: the answer of before it may be the newer."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        quotes = here.broker.quotes([BTC])
        (first, *_) = await heard(quotes, bool)
        feed = here.feeds._quotes
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        await rest(quotes)
        newest = milliseconds(first.at) + 60_000
        feed.hear(BTC, {"bid": "50990", "ask": "51010", "timestamp": newest})
        feed.hear(BTC, {"bid": "50989", "timestamp": newest - 5_000})
        assert (await rest(quotes))[-1] == Quote(BTC, Decimal(50989), Decimal(51010), first.last, moment(newest))
        feed.opened([BTC])
        feed.hear(BTC, {"bid": "50991", "ask": "51011", "timestamp": newest - 1})
        (told,) = await rest(quotes)
        assert (told.bid, told.at) == (Decimal(50991), moment(newest))


async def test_a_quote_is_as_old_as_its_bid_and_ask(tmp_path):
    """A last price that moves on alone makes them no younger; a side that is empty ends the quote."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        quotes = here.broker.quotes([BTC])
        (first, *_) = await heard(quotes, bool)
        feed = here.feeds._quotes
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        await rest(quotes)
        now = milliseconds(first.at) + 60_000
        feed.hear(BTC, {"bid": "50990", "ask": "51010", "timestamp": now})
        feed.hear(BTC, {"last": "52000", "timestamp": now + 9_000})
        told = (await rest(quotes))[-1]
        assert (told.bid, told.last, told.at) == (Decimal(50990), Decimal(52000), moment(now))
        feed.hear(BTC, {"bid": "0", "ask": "51010", "timestamp": now + 10_000})
        feed.hear(BTC, {"last": "52001", "timestamp": now + 11_000})
        assert await rest(quotes) == []
        feed.hear(BTC, {"bid": "51000", "ask": "51010", "timestamp": now + 12_000})
        (told,) = await rest(quotes)
        assert (told.bid, told.last, told.at) == (Decimal(51000), Decimal(52001), moment(now + 12_000))


async def test_bids_and_asks_that_fall_silent_are_asked_for_however_busy_the_rest_is(tmp_path, monkeypatch):
    """The stream has forgotten them: it is opened anew."""
    tell = Socket.tell
    deaf = []

    def without_the_touch(self, channel, event, *more):
        if not (deaf and isinstance(event, dict) and {"b", "B", "a", "A"} <= event.keys()):
            tell(self, channel, event, *more)

    monkeypatch.setattr(Socket, "tell", without_the_touch)
    async with rig(tmp_path, keys=False) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        deaf.append(True)
        here.venue.move("BTCUSDT", "52000")
        await heard(quotes, lambda told: told and told[-1].bid > 51_000, 10)


async def test_a_stream_that_breaks_after_each_message_is_opened_ever_more_rarely(tmp_path):
    """Venues ban an address that connects too often."""
    stormy = replace(QUICK, first_pause=0.1, longest_pause=30.0, tries=99)
    async with rig(tmp_path, keys=False, pace=stormy) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        (group,) = here.feeds._quotes._groups
        for lost in (1, 2, 3):
            await until(lambda: group._channel is not None and here.broker.health.streams["quotes"].is_open)
            here.venue.move("BTCUSDT", str(50_000 + lost))
            await heard(quotes, _bid(str(50_000 + lost)))
            here.venue.sockets.drop("stream")
            await until(lambda: group._failures == lost)  # noqa: B023


async def test_a_silent_stream_of_quotes_is_opened_anew(tmp_path):
    """It is open, answers pings, and says nothing."""
    async with rig(tmp_path, keys=False) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        await until(lambda: len(here.streams()) == 2)
        for socket in here.venue.sockets.of("stream"):
            socket.silence("market spot")
        here.venue.move("BTCUSDT", "51000")
        await heard(quotes, _bid("51000"))
        here.venue.move("BTCUSDT", "52000")
        await heard(quotes, _bid("52000"))


async def test_a_stream_that_forgets_one_symbol_is_opened_anew(tmp_path):
    """The other one is still told, so the stream is not silent; an answer says that something has happened."""
    async with rig(tmp_path, keys=False) as here:
        quotes = here.broker.quotes([BTC, ETH])
        await heard(quotes, lambda told: {each.symbol for each in told} == {BTC, ETH})
        await until(lambda: len(here.streams()) == 2)
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        await rest(quotes)  # the first answer, too
        for socket in here.venue.sockets.of("stream"):
            socket.streams = {name for name in socket.streams if name.startswith("btc")}
        here.venue.move("ETHUSDT", "3200")

        async def beat():
            for number in range(10_000):
                here.venue.move("BTCUSDT", str(50000 + number % 400))
                await asyncio.sleep(0.02)

        beating = asyncio.create_task(beat())
        await heard(quotes, lambda told: told and (told[-1].symbol, told[-1].bid) == (ETH, Decimal(3200)))
        await until(lambda: any("ethusdt@bookTicker" in socket.streams for socket in here.venue.sockets.of("stream")))
        beating.cancel()


async def test_a_shutdown_of_the_server_is_not_waited_for(tmp_path):
    """The venue says that it is about to close."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        quotes = here.broker.quotes([BTC])
        await heard(quotes, bool)
        await until(lambda: len(here.streams()) == 2)
        here.venue.script.plan(MARKET, "shutdown", times=2)
        here.venue.move("BTCUSDT", "51000")
        await heard(quotes, _bid("51000"))
        await until(lambda: len(here.streams()) == 2)


@pytest.mark.parametrize(("market", "symbol", "site"), [("spot", BTC, "stream"), ("usdm", "BTC/USDT:USDT", "fstream")])
async def test_streams_that_cannot_be_opened_are_asked_for_meanwhile(tmp_path, market, symbol, site):
    """Again and again, until one can be opened."""
    pace = replace(PATIENT, opening=0.2)
    async with rig(tmp_path, keys=False, pace=pace, market=market, symbols=[symbol]) as here:
        door = here.venue.doors.pop(site)
        quotes = here.broker.quotes([symbol])
        await heard(quotes, bool)
        here.venue.move("BTCUSDT", "51000")
        await heard(quotes, _bid("51000"))
        assert not here.broker.health.streams["quotes"].is_open
        assert not here.broker.health.streams["quotes"].polled  # the stream is what is wanted, and it is not there
        here.venue.doors[site] = door
        await until(lambda: here.broker.health.streams["quotes"].is_open)
        here.venue.move("BTCUSDT", "52000")
        await heard(quotes, _bid("52000"))


async def test_a_subscription_while_the_socket_opens_and_the_last_reader_that_goes(tmp_path):
    """Two readers at once share a stream, a third symbol gets another; sockets close when nobody reads."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        one, two = here.broker.quotes([BTC]), here.broker.quotes([BTC])
        for reader in (one, two):
            await heard(reader, bool)
        three = here.broker.quotes([BTC, ETH])
        await heard(three, lambda told: told and told[-1].symbol == ETH)
        await until(
            lambda: (
                {name for each in here.venue.sockets.of("stream") for name in each.streams}
                == {"btcusdt@bookTicker", "btcusdt@miniTicker", "ethusdt@bookTicker", "ethusdt@miniTicker"}
            )
        )
        await one.aclose()
        here.venue.move("BTCUSDT", "51000")
        await heard(two, _bid("51000"))
        await two.aclose()
        await three.aclose()
        three = here.broker.quotes([ETH])
        await until(
            lambda: not any(name.startswith("btc") for each in here.venue.sockets.of("stream") for name in each.streams)
        )
        del three
        await until(lambda: here.streams() == [])


async def test_bars_are_told_once_when_they_have_ended(tmp_path):
    """Each second has one, with what the venue has; the end is its time."""
    async with rig(tmp_path, keys=False, pace=PATIENT, beat_seconds=0.1) as here:
        began = datetime.now(UTC)
        bars = here.broker.bars([BTC, ETH], SECOND)
        told = await heard(bars, lambda told: len(told) >= 6)
        for symbol in (BTC, ETH):
            ours = [each for each in told if each.symbol == symbol]
            assert [b.at - a.at for a, b in pairwise(ours)] == [SECOND] * (len(ours) - 1)
            assert ours[0].at > began
            assert ours[-1].at <= datetime.now(UTC)
            await asyncio.sleep(0.2)  # the venue's time is known as well as a round trip tells
            answer = await here.broker.get_bars(symbol, until=ours[-1].at, count=len(ours), period=SECOND)
            assert list(answer) == ours


async def test_bars_that_a_broken_stream_missed_are_asked_for(tmp_path):
    """The stream is away for two seconds: no bar is missing, none comes twice."""
    async with rig(tmp_path, keys=False, pace=PATIENT, beat_seconds=0.1) as here:
        bars = here.broker.bars([BTC], SECOND)
        first = await heard(bars, bool)
        door = here.venue.doors.pop("stream")
        here.venue.sockets.drop("stream")
        await asyncio.sleep(1.5)
        here.venue.doors["stream"] = door
        told = first + await heard(bars, lambda told: len(told) == 3)
        assert [b.at - a.at for a, b in pairwise(told)] == [SECOND] * 3


async def test_books_follow_the_market(tmp_path):
    """No deeper than asked, exact, best first; and again after the stream was lost."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        books = here.broker.books([BTC], 3)
        await asyncio.sleep(0.1)
        here.venue.spot.book("BTCUSDT", bids=[("50000.01", "0.3")], asks=[("50000.02", "0.2"), ("50001", "1")])
        told = await heard(books, lambda told: told and told[-1].bids[0].price == Decimal("50000.01"))
        assert [(level.price, level.quantity) for level in told[-1].asks][:2] == [
            (Decimal("50000.02"), Decimal("0.2")),
            (Decimal(50001), Decimal(1)),
        ]
        assert len(told[-1].asks) <= 3
        here.venue.sockets.drop("stream")
        await until(lambda: here.venue.sockets.of("stream"))
        await asyncio.sleep(0.2)
        here.venue.move("BTCUSDT", "52000")
        await heard(books, lambda told: told and told[-1].bids[0].price == Decimal(52000))


async def test_market_data_ends_when_the_broker_disconnects(tmp_path):
    """Readers hear of it; nothing waits for ever."""
    async with rig(tmp_path, keys=False, pace=PATIENT) as here:
        readers = [here.broker.quotes([BTC]), here.broker.bars([BTC], SECOND), here.broker.books([BTC])]
        await asyncio.sleep(0.05)
        await here.broker.disconnect()
        for reader in readers:
            with pytest.raises(Unavailable):
                await rest(reader)


async def test_hundreds_of_symbols_are_brought_by_several_streams(tmp_path):
    """No socket carries more than a venue allows, no question is longer than its address may be."""
    listings = {f"C{number}USDT": Listing(f"C{number}USDT", f"C{number}", "USDT", Decimal(10)) for number in range(450)}
    symbols = [f"{each.base}/USDT" for each in listings.values()]
    async with rig(tmp_path, keys=False, pace=PATIENT, symbols=symbols, more=listings.values()) as here:
        quotes = here.broker.quotes(symbols)
        told = await heard(quotes, lambda told: len({each.symbol for each in told}) == 450, 20)
        assert {each.symbol for each in told} == set(symbols)
        await until(lambda: len(here.feeds._quotes._groups) == 3)
        assert here.broker.health.streams["quotes"].restarts == 0
