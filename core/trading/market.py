"""What the market says now: the newest quote and the newest daily volume of every symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from brokers.market import Bar, Quote


class Market:
    """The last word of the market, by symbol."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}
        self._volumes: dict[str, Decimal] = {}

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The newest quotes."""
        return self._quotes

    @property
    def volumes(self) -> Mapping[str, Decimal]:
        """Units traded in the newest complete day."""
        return self._volumes

    def on_quotes(self, quotes: Iterable[Quote]) -> None:
        """Take over newer quotes; older ones than we have are ignored."""
        for quote in quotes:
            known = self._quotes.get(quote.symbol)
            if known is None or quote.at >= known.at:
                self._quotes[quote.symbol] = quote

    def on_bars(self, bars: Iterable[Bar]) -> None:
        """Take over the volume of daily bars."""
        for bar in bars:
            if bar.volume > 0:
                self._volumes[bar.symbol] = bar.volume
