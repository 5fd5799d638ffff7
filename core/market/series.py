"""The bars of one instrument, in order of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from brokers.instrument import Instrument
from brokers.market import Bar


class MarketDataError(Exception):
    """Bars that cannot be trusted or found; the message says where, what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class BarSeries:
    """The bars of `instrument`, each strictly later than the one before; anything else is refused."""

    instrument: Instrument
    bars: tuple[Bar, ...]
    times: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        symbol = self.instrument.symbol
        for bar in self.bars:
            if bar.symbol != symbol or bar.at.tzinfo is None:
                raise MarketDataError(f"{symbol}: a bar of {bar.symbol} at {bar.at} does not belong here")
        object.__setattr__(self, "times", tuple(bar.at for bar in self.bars))
        for earlier, later in zip(self.times, self.times[1:], strict=False):
            if later <= earlier:
                raise MarketDataError(f"{symbol}: the bar at {later} is not after the one at {earlier}")

    @property
    def symbol(self) -> str:
        """The instrument's symbol."""
        return self.instrument.symbol

    def __len__(self) -> int:
        return len(self.bars)

    def __iter__(self) -> Iterator[Bar]:
        return iter(self.bars)

    def known_at(self, at: datetime, count: int) -> Sequence[Bar]:
        """The last `count` bars (fewer where there are not so many) that had ended by `at`."""
        end = bisect_right(self.times, at)
        return self.bars[max(0, end - count) : end]
