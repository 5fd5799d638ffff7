"""What a feed of bars makes of breaks and of answers that come late, without a venue."""

from datetime import timedelta

import pytest

from brokers.ccxt.pulse import Pulse
from brokers.ccxt.streams.bars import BarFeed
from tests.brokers.ccxt_streams.rig import AT, BTC, QUICK, bar, rest

pytestmark = pytest.mark.asyncio

MINUTE = timedelta(minutes=1)


class _Venue:
    """Has bars, and a time."""

    def __init__(self):
        self.now, self.bars, self.asked = AT, [], 0

    async def ask(self, _symbol, until, _count, _period):
        self.asked += 1
        return [each for each in self.bars if each.at <= until]

    def feed(self, *, is_final: bool) -> BarFeed:
        pulse = Pulse(lambda: self.now).stream("bars")
        return BarFeed(lambda: None, self.ask, MINUTE, "1m", lambda: self.now, QUICK, pulse, is_final=is_final)


def _row(minute: int, close: str):
    """The candle of the minute that ends at `minute`."""
    return [int((AT + (minute - 1) * MINUTE).timestamp() * 1000), close, close, close, close, "0"]


async def test_the_last_word_of_a_broken_stream_is_not_believed():
    """The candle went on while nobody listened: the first word of the next stream must not make a bar of it."""
    venue = _Venue()
    feed = venue.feed(is_final=True)
    bars = feed.subscribe([BTC])
    feed.hear(BTC, _row(1, "1"))
    feed.opened([BTC])
    feed.hear(BTC, _row(2, "3"))
    assert await rest(bars, 0.01) == []
    venue.now, venue.bars = AT + MINUTE, [bar(1, "2")]
    await feed.catch_up([BTC])
    assert await rest(bars, 0.01) == [bar(1, "2")]


async def test_a_bar_that_the_venue_must_have_is_asked_for_until_it_is_there():
    """Its lists lag behind its stream."""
    venue = _Venue()
    feed = venue.feed(is_final=False)
    bars = feed.subscribe([BTC])
    feed.hear(BTC, _row(1, "1"))
    feed.hear(BTC, _row(2, "1"))
    venue.now = AT + MINUTE

    async def later(symbol, until, count, period):
        if venue.asked == 1:
            venue.bars = [bar(1, "5")]
        return await venue.ask(symbol, until, count, period)

    feed._ask = later
    await feed.catch_up([BTC])
    assert await rest(bars, 0.01) == [bar(1, "5")]
    assert venue.asked == 2


async def test_a_candle_that_makes_no_sense_is_passed_over():
    """The next one counts."""
    venue = _Venue()
    feed = venue.feed(is_final=True)
    bars = feed.subscribe([BTC])
    feed.hear(BTC, [None, "x"])
    feed.hear(BTC, _row(1, "1"))
    feed.hear(BTC, _row(2, "1"))
    assert await rest(bars, 0.01) == [bar(1, "1")]
