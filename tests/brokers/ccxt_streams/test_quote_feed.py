"""What a feed of quotes makes of an answer that the stream has overtaken, without a venue."""

from decimal import Decimal

import pytest

from brokers.ccxt.pulse import Pulse
from brokers.ccxt.streams.quotes import QuoteFeed
from tests.brokers.ccxt_streams.rig import AT, BTC, QUICK, rest

pytestmark = pytest.mark.asyncio


def _ticker(bid: str | None, last: str | None = None) -> dict[str, str | None]:
    return {"bid": bid, "ask": bid and str(Decimal(bid) + 1), "last": last}


class _Venue:
    """Answers with `answer`; while it is asked, its stream tells `meanwhile`."""

    def __init__(self, answer, meanwhile=None):
        self.feed = QuoteFeed(lambda: None, (), self.ask, lambda: AT, QUICK, Pulse(lambda: AT).stream("quotes"))
        self.answer, self.meanwhile = answer, meanwhile

    async def ask(self, _topics):
        if self.meanwhile is not None:
            self.feed.hear(BTC, self.meanwhile)
        return {BTC: self.answer}


async def test_an_answer_that_the_stream_has_overtaken_moves_no_price_back():
    """It was made before what came meanwhile: nothing might correct it for long."""
    venue = _Venue([_ticker("51000", "51000")], meanwhile=_ticker("52000"))
    quotes = venue.feed.subscribe([BTC])
    venue.feed.hear(BTC, _ticker("50000"))
    assert await venue.feed.ask([BTC]) == []
    told = await rest(quotes, 0.01)
    assert (told[-1].bid, told[-1].last) == (52_000, 51_000)


async def test_an_answer_that_nothing_has_overtaken_is_told_and_is_news():
    """In as many parts as the venue has."""
    venue = _Venue([_ticker("51000"), _ticker(None, "51001")])
    quotes = venue.feed.subscribe([BTC])
    venue.feed.hear(BTC, _ticker("50000"))
    assert await venue.feed.ask([BTC]) == [BTC]
    assert [(each.bid, each.last) for each in await rest(quotes, 0.01)][-1] == (51_000, 51_001)
