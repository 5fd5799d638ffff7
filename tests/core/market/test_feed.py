"""What a feed passes on of what a venue says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from brokers.instrument import Instrument
from brokers.market import Bar, Quote
from core.market.feed import Feed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Ear:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.quotes: list[Quote] = []

    async def on_instruments(self, feed: Feed, instruments: Sequence[Instrument]) -> None:
        """Of no interest."""

    def on_quote(self, feed: Feed, quote: Quote) -> None:
        self.quotes.append(quote)

    def on_bars(self, feed: Feed, bars: Iterable[Bar]) -> None:
        """Of no interest."""


class Venue:
    """Has these bars."""

    def __init__(self, *bars: Bar) -> None:
        self._bars = bars

    async def get_bars(self, symbol: str, **_: Any) -> Sequence[Bar]:
        return self._bars


def feed(*bars: Bar) -> Feed:
    return Feed("venue", Venue(*bars), ["A"], period=MINUTE, silence=5, is_own=True)  # type: ignore[arg-type]


def quote(bid: str = "9", ask: str = "11", last: str = "10", symbol: str = "A") -> Quote:
    return Quote(symbol, Decimal(bid), Decimal(ask), Decimal(last), NOON)


def bar(minute: int, *prices: str, volume: str = "1", symbol: str = "A") -> Bar:
    return Bar(symbol, NOON + minute * MINUTE, *map(Decimal, prices or "1111"), Decimal(volume))


@pytest.mark.parametrize(
    "bad",
    [
        quote(bid="11.01"),
        quote(bid="0"),
        quote(ask="0"),
        quote(last="0"),
        quote(bid="-1"),
        quote(ask="-1", bid="-2"),
        quote(last="-10"),
        quote(last="NaN"),
        quote(bid="NaN"),
        quote(ask="NaN"),
        quote(ask="Infinity"),
        quote(last="sNaN"),
        quote(symbol="B"),
    ],
    ids=lambda each: f"{each.symbol} {each.bid} {each.ask} {each.last}",
)
async def test_a_quote_that_cannot_be_is_no_quote(bad: Quote):
    """It is as if the venue had said nothing: if it says nothing else, it is silent."""
    made, ear = feed(), Ear()
    made._tell(ear, bad)
    assert not ear.quotes
    assert not made._heard
    made._tell(ear, quote(bid="11"))  # bid and ask may meet
    assert len(ear.quotes) == 1


async def test_nonsense_is_logged_once_and_says_why_nothing_is_heard():
    """A venue that repeats it many times a second fills no disk; until it says something good."""
    made, ear = feed(), Ear()
    with capture_logs() as logs:
        for _ in range(1000):
            made._tell(ear, quote(bid="12"))
        assert made.why == "A: its bid 12 is above its ask 11"
        made._tell(ear, quote())
        assert made.why == "silent"
        made._tell(ear, quote(bid="12"))
    assert len(logs) == 2


async def test_bars_come_in_order_and_once_and_make_sense():
    """Whatever the venue answers; the last word on a period counts."""
    sound = [bar(1), bar(3, "5", "4", "2", "3"), bar(4)]
    nonsense = [
        bar(5, "NaN", "1", "1", "1"),
        bar(6, "1", "1", "0", "1"),
        bar(7, "1", "2", "1", "3"),
        bar(8, volume="-1"),
        bar(9, volume="NaN"),
        bar(2, symbol="B"),
    ]
    found = await feed(sound[2], bar(1, *"2222"), sound[1], *nonsense, sound[0]).bars(
        "A", until=NOON, count=9, period=MINUTE
    )
    assert found == sound
