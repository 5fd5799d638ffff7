"""Quotes, bars and books as each venue pushes them: its documented messages over a real WebSocket, through ccxt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.streams.pace import Pace
from brokers.market import Bar
from tests.brokers.venues.rig import NOW, Account, account, documented

MINUTE = timedelta(minutes=1)
QUICK = Pace(silence=60, poll=0.05, late=0.1, first_pause=0.02)
VENUES = ("bybit", "coinbase", "kraken", "kucoin", "okx")
STREAMS = [(venue, market) for venue in VENUES for market in documented(venue)["streams"]]
BID, ASK, LAST = Decimal("50020.1"), Decimal("50020.3"), Decimal("50020.2")
"""What every venue's last message says."""


def venues_with(stream: str) -> pytest.MarkDecorator:
    """Every venue and market that pushes this."""
    found = [(venue, market) for venue, market in STREAMS if stream in documented(venue)["streams"][market]]
    return pytest.mark.parametrize(("venue", "market"), found, ids=[" ".join(each) for each in found])


every_venue = venues_with("quotes")


@asynccontextmanager
async def listening(
    venue: str, market: str, folder: Path, **more: Any
) -> AsyncIterator[tuple[Account, dict[str, Any]]]:
    """Prices of one venue's market without keys, and the examples of its streams."""
    facts = documented(venue)
    streams, settings = facts["streams"][market], {}
    answers = {**streams.get("answers", {}), **more}
    if market in ("linear", "swap"):
        settings["market"] = market
        lines = {"linear": "GET /v5/market/instruments-info", "swap": "GET /api/v5/public/instruments"}
        lists = {
            "linear": {"retCode": 0, "result": {"category": "linear", "list": [facts["cases"].get("linear_market")]}},
            "swap": {"code": "0", "msg": "", "data": [facts["cases"].get("swap")]},
        }
        answers[lines[market]] = lists[market]
        if market == "swap":
            answers["GET /api/v5/market/ticker"] = {"code": "0", "msg": "", "data": [facts["cases"]["swap_ticker"]]}
    where = {"answers": answers, "replies": streams["replies"], "keys": False, "pace": QUICK}
    async with account(venue, folder, streams["symbol"], **where, **settings) as here:
        yield here, streams


async def until(stream: Any, enough: Callable[[Any], bool]) -> Any:
    """The first item that is enough."""
    async with asyncio.timeout(15):
        while not enough(item := await anext(stream)):
            pass
    return item


@every_venue
async def test_quotes_are_pushed(venue: str, market: str, tmp_path: Path) -> None:
    """Bid, ask and last price as the venue's newest message says, and not as it was asked before."""
    async with listening(venue, market, tmp_path) as (here, streams):
        example = streams["quotes"]
        quotes = here.broker.quotes([streams["symbol"]])
        assert (await here.venue.heard(example["asks"])).place == example["place"]
        if "asks too" in example:
            await here.venue.heard(example["asks too"])
        first = await until(quotes, lambda quote: True)
        assert 49_000 < first.bid < first.ask  # asked for: nothing may change for long
        await here.venue.push(example["place"], *example["says"])
        quote = await until(quotes, lambda each: (each.bid, each.last) == (BID, LAST))
        assert (quote.symbol, quote.ask) == (streams["symbol"], ASK)
        stream = here.broker.health.streams["quotes"]
        assert (stream.is_open, stream.polled) == (True, False)


@every_venue
async def test_quotes_come_by_asking_where_no_stream_opens(
    venue: str, market: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole ones, from the first answer on."""
    async with listening(venue, market, tmp_path) as (here, streams):
        feeds = here.broker._connected().feeds
        monkeypatch.setattr(feeds._quotes, "is_pushed", False)
        quote = await until(here.broker.quotes([streams["symbol"]]), lambda each: True)
        assert (quote.last, quote.bid < quote.ask) == (50_000, True)
        assert here.venue.told == []
        assert here.broker.health.streams["quotes"].polled


@every_venue
async def test_a_lost_stream_is_opened_anew(venue: str, market: str, tmp_path: Path) -> None:
    """Subscribed as before, and quotes go on."""
    async with listening(venue, market, tmp_path) as (here, streams):
        example = streams["quotes"]
        quotes = here.broker.quotes([streams["symbol"]])
        await here.venue.heard(example["asks"])
        await until(quotes, lambda each: True)
        here.venue.told.clear()
        await here.venue.sockets[example["place"]].close()
        await here.venue.heard(example["asks"])
        await here.venue.push(example["place"], *example["says"])
        await until(quotes, lambda each: (each.bid, each.ask, each.last) == (BID, ASK, LAST))
        async with asyncio.timeout(15):
            while here.broker.health.streams["quotes"].restarts != 1:
                await asyncio.sleep(0.01)


async def test_a_token_that_has_expired_is_asked_for_anew(tmp_path: Path) -> None:
    """KuCoin's lasts a day, and ccxt would use it for ever."""
    bullet = "POST /api/v1/bullet-public"
    async with listening("kucoin", "spot", tmp_path) as (here, streams):
        example = streams["quotes"]
        quotes = here.broker.quotes([streams["symbol"]])
        await here.venue.heard(example["asks"])
        assert len(here.venue.said(bullet)) == 1
        here.venue.told.clear()
        await here.venue.push(example["place"], {"id": "1", "type": "error", "code": 401, "data": "token is expired"})
        async with asyncio.timeout(15):
            while len(here.venue.said(bullet)) < 2:
                await asyncio.sleep(0.01)
        await here.venue.heard(example["asks"])
        await here.venue.push(example["place"], *example["says"])
        await until(quotes, lambda each: each.bid == BID)


@venues_with("bars")
async def test_bars_are_told_when_they_have_ended(venue: str, market: str, tmp_path: Path) -> None:
    """A candle of the next minute ends the one before, and the venue confirms what that was; each is told once."""
    async with listening(venue, market, tmp_path) as (here, streams):
        example, symbol = streams["bars"], streams["symbol"]
        bars = here.broker.bars([symbol], MINUTE)
        assert (await here.venue.heard(example["asks"])).place == example["place"]
        here.venue.answers.update(example["history"])
        later(here)
        await here.venue.push(example["place"], *example["says"])
        bar = await until(bars, lambda each: True)
        prices = (Decimal(50_000), Decimal(50_030), Decimal(49_990), Decimal(50_020))
        assert bar == Bar(symbol, NOW + MINUTE, *prices, Decimal("1.5"))


async def test_bars_are_asked_for_where_there_is_no_stream_of_them(tmp_path: Path) -> None:
    """Coinbase's, in ccxt. No socket is opened, and whoever looks is told."""
    async with listening("coinbase", "spot", tmp_path) as (here, streams):
        bars = here.broker.bars([streams["symbol"]], MINUTE)
        row = {"start": "1780315200", "low": "49990", "high": "50030", "open": "50000", "close": "50020", "volume": "1"}
        here.answer("GET /api/v3/brokerage/market/products/BTC-USDT/candles", {"candles": [row]})
        while not here.broker.health.streams["bars 1m"].polled:
            await asyncio.sleep(0.01)
        later(here, seconds=120)
        bar = await until(bars, lambda each: True)
        assert (bar.at, bar.close) == (NOW + MINUTE, 50_020)
        assert here.venue.told == []
        assert here.broker.health.streams["bars 1m"].polled


def later(here: Account, seconds: int = 62) -> None:
    """Time passes at the venue."""
    exchange = here.broker._client.exchange
    was = exchange.milliseconds
    exchange.milliseconds = lambda: was() + seconds * 1000


@venues_with("books")
async def test_books_follow_what_is_pushed(venue: str, market: str, tmp_path: Path) -> None:
    """A snapshot, then what changes; a level of nothing is gone."""
    async with listening(venue, market, tmp_path) as (here, streams):
        example = streams["books"]
        books = here.broker.books([streams["symbol"]], 2)
        assert (await here.venue.heard(example["asks"])).place == example["place"]
        await asyncio.sleep(0.05)  # ccxt makes its book when the subscription is confirmed
        await here.venue.push(example["place"], *example["says"])
        book = await until(books, lambda each: each.bids[0].price == BID)
        assert (book.asks[0].price, book.asks[0].quantity, book.bids[0].quantity) == (
            ASK,
            Decimal("0.5"),
            Decimal("0.25"),
        )
        assert len(book.bids) == len(book.asks) == 2


async def test_books_are_asked_for_where_quotes_would_spoil_them(tmp_path: Path) -> None:
    """At Bybit's spot market a quote is a book of one level, and ccxt keeps one book for both."""
    async with listening("bybit", "spot", tmp_path) as (here, streams):
        book = await until(here.broker.books([streams["symbol"]], 1), lambda each: True)
        assert book.bids[0].price < book.asks[0].price
        assert here.venue.told == []
        assert here.broker.health.streams["books"].polled
