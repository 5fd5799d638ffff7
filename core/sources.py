"""What the settings say of where prices come from, built."""

from __future__ import annotations

from collections.abc import Collection

from brokers.port import AbstractBroker
from brokers.simulation.source import TickSource
from core.market.feed import Feed
from core.replay_rounds import archive_of
from core.settings import FeedSettings, MarketSettings
from core.trading.desk import Desk

# A symbol is asked for before its feed, or its price, would be too old.
_ASKED_IN_TIME = 3


def source_of(market: MarketSettings) -> TickSource:
    """The market that simulated venues live on; by which rules a live one trades is learnt from its feeds."""
    if market.is_live:
        return TickSource((), symbols=market.symbols)
    instruments = archive_of(market).instruments()
    return TickSource([instruments[symbol] for symbol in market.symbols])


def feed_of(given: FeedSettings, market: MarketSettings, broker: AbstractBroker, adapter: str) -> Feed:
    """A source of live prices that listens to `broker`."""
    return Feed(
        given.name,
        broker,
        given.symbols,
        period=market.period.length,
        silence=market.failover_seconds / _ASKED_IN_TIME,
        is_own=not given.account,
        adapter=adapter,
    )


def needs_own(account: str, symbols: Collection[str], market: MarketSettings) -> bool:
    """Whether prices of what a real account trades may come from anywhere but its own connection."""
    sources = [each.account for symbol in symbols for each in market.sources if symbol in each.symbols]
    return market.is_live and set(sources) != {account}


def own_feed_of(desk: Desk, market: MarketSettings) -> Feed:
    """What the venue of a real account says of prices, for this account alone."""
    return Feed(
        desk.account,
        desk.broker,
        sorted(desk.symbols),
        period=market.period.length,
        silence=market.failover_seconds / _ASKED_IN_TIME,
        is_own=False,
        with_bars=False,
    )
