"""A stream of reports that the venue refuses to open: a clear word, no crash, and opened as soon as it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokers.errors import Unavailable
from tests.brokers.ccxt_streams.rig import rig, until

SUBSCRIBE = "WS userDataStream.subscribe.signature"
HOUR_AHEAD = 3_600_000


async def test_a_refused_subscription_says_why_in_the_venues_words(tmp_path: Path) -> None:
    """ccxt raises a bare KeyError out of its clean-up; what the venue has said is behind it."""
    async with rig(tmp_path) as here:
        reader = here.broker.reports()
        right = here.broker._client.exchange.secret
        here.broker._client.exchange.secret = "f" * 64
        here.venue.sockets.drop("ws-api")
        with pytest.raises(Unavailable):
            await anext(reader)
        with pytest.raises(Unavailable) as refused:
            await here.broker.connect()
        assert "-1022" in str(refused.value)
        assert "KeyError" not in str(refused.value)
        here.broker._client.exchange.secret = right
        await here.broker.connect()
        assert here.streams() == ["ws-api"]


async def test_a_subscription_refused_for_its_date_is_dated_anew(tmp_path: Path) -> None:
    """The venue's clock has jumped: the next attempt measures it before it signs."""
    async with rig(tmp_path) as here:
        here.venue.clock.offset_ms = HOUR_AHEAD
        here.venue.sockets.drop("ws-api")
        await until(lambda: not here.feeds.is_open)
        with pytest.raises(Unavailable, match="-1021"):
            await here.broker.connect()
        await here.broker.connect()
        assert here.feeds.is_open


@pytest.mark.parametrize("market", ["margin", "usdm"])
async def test_a_token_or_key_of_a_stream_that_is_refused_is_asked_for_again(tmp_path: Path, market: str) -> None:
    """Neither is in what is told."""
    route = {"margin": "POST /sapi/v1/userListenToken", "usdm": "POST /fapi/v1/listenKey"}[market]
    symbol = {"margin": "BTC/USDT", "usdm": "BTC/USDT:USDT"}[market]
    async with rig(tmp_path, market=market, symbols=(symbol,)) as here:
        here.venue.script.plan(route, "code_2015")
        here.venue.sockets.drop()
        await until(lambda: not here.feeds.is_open)
        with pytest.raises(Unavailable) as refused:
            await here.broker.connect()
        assert "-2015" in str(refused.value)
        assert "listenKey=" not in str(refused.value)
        await here.broker.connect()
        assert here.feeds.is_open
        assert len(here.venue.journal.requests(route)) == 3
