"""What the market says now: the newest quote, the newest daily volume and the last bars of every symbol."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from brokers.market import Bar, Quote

_MOST_BARS = 250


class Market:
    """The last word of the market, by symbol."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}
        self._volumes: dict[str, Decimal] = {}
        self._bars: dict[str, deque[Bar]] = {}

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The newest quotes."""
        return self._quotes

    @property
    def volumes(self) -> Mapping[str, Decimal]:
        """Units traded in the newest complete day."""
        return self._volumes

    def bars(self, symbol: str) -> Sequence[Bar]:
        """The last bars of a symbol, oldest first."""
        return tuple(self._bars.get(symbol, ()))

    def on_quotes(self, quotes: Iterable[Quote]) -> None:
        """Take over newer quotes; older ones than we have are ignored."""
        for quote in quotes:
            known = self._quotes.get(quote.symbol)
            if known is None or quote.at >= known.at:
                self._quotes[quote.symbol] = quote

    def on_volumes(self, volumes: Mapping[str, Decimal]) -> None:
        """What was traded in the newest complete day, where bars are shorter than that."""
        self._volumes.update(volumes)

    def on_bars(self, bars: Iterable[Bar], *, daily: bool = True) -> None:
        """Take over bars, in order of time, and their volume; one that is known already changes nothing.

        Of bars that are not `daily` the volume is not that of a day.
        """
        for bar in bars:
            if daily and bar.volume > 0:
                self._volumes[bar.symbol] = bar.volume
            known = self._bars.setdefault(bar.symbol, deque(maxlen=_MOST_BARS))
            if not known or bar.at > known[-1].at:
                known.append(bar)

    def remember(self, past: Mapping[str, Sequence[Bar]]) -> None:
        """Take up the bars of before this start, to be looked at; what is traded on comes with the next ones."""
        for symbol, bars in past.items():
            self._bars[symbol] = deque(bars, maxlen=_MOST_BARS)


class OwnMarket(Market):
    """The market as the venue of one account tells it: prices are its own; bars and volumes are everybody's."""

    def __init__(self, shared: Market) -> None:
        super().__init__()
        self._shared = shared

    @property
    def volumes(self) -> Mapping[str, Decimal]:
        """Units traded in the newest complete day, where the bars come from."""
        return self._shared.volumes

    def bars(self, symbol: str) -> Sequence[Bar]:
        """The last bars of a symbol, oldest first, as strategies see them."""
        return self._shared.bars(symbol)
