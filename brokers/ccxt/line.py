"""What exists of a connection to a venue between connect and disconnect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from brokers.ccxt.calls import KnownOrders
from brokers.ccxt.checks import listed
from brokers.ccxt.client import Client
from brokers.ccxt.dead_man import DeadMan
from brokers.ccxt.lookup import Lookup
from brokers.ccxt.marketdata import MarketData
from brokers.ccxt.markets import Told
from brokers.ccxt.ordering import Ordering
from brokers.ccxt.streams.feeds import Feeds
from brokers.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Line:
    """Its parts, and what is traded over it."""

    client: Client
    instruments: dict[str, Instrument]
    left_out: Mapping[str, str]
    rules: Told
    known: KnownOrders
    lookup: Lookup
    ordering: Ordering
    market: MarketData
    feeds: Feeds
    dead_man: DeadMan

    def told_of(self, symbols: Iterable[str]) -> list[str]:
        """`symbols` without those that were left out; of them alone there is no stream, and of strange ones neither."""
        wanted = list(symbols)
        kept = [each for each in wanted if each not in self.left_out] or wanted
        return [listed(self.instruments, each).symbol for each in kept]
