"""Brings together the bars that end at one moment, whatever way and in whatever order they come. Pure.

For the newest end all symbols are waited for, but no longer than `grace`: what comes later is a moment of its own.
Where bars are missing they are to be asked for (`missing`), and until that was tried, or the time is up, a bar does not
pass those before it: history has no holes that could be filled. Nothing of a symbol is handed on before the history
of its source was shown (`begin`): a bar and the bars before it are of one venue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from brokers.market import Bar

# A venue's clock may be so far ahead of ours; a bar that ends later than that is not complete.
AHEAD = timedelta(seconds=5)
GRACE = timedelta(seconds=5)

# So many bars of a symbol wait at most while its history is loaded, which has all the others.
_MOST_WAITING = 3

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class BarEnd:
    """Bars that ended at `at`. If `is_old`, a whole period has passed since: they are history, nothing to trade on."""

    at: datetime
    bars: Mapping[str, Bar]
    is_old: bool


def newest_end(now: datetime, period: timedelta) -> datetime:
    """The newest moment at which a bar of `period` has ended; those of a day end at midnight UTC."""
    return now - (now - _EPOCH) % period


class BarEnds:
    """The bars of some symbols from one source, on their way to become moments."""

    def __init__(self, period: timedelta, symbols: Iterable[str], *, grace: timedelta = GRACE) -> None:
        self._period = period
        self._symbols = tuple(symbols)
        self._grace = grace
        self._known: dict[str, datetime] = {}  # the newest end that has been handed on, or is history
        self._begun: set[str] = set()  # of these the history of this source is known
        self._asked: dict[str, datetime] = {}  # what came of holes before this end is all that there is
        self._waiting: dict[datetime, dict[str, Bar]] = {}

    def begin(self, symbol: str, at: datetime) -> None:
        """History of this source is known until `at`: from there on its bars may be handed on."""
        self._begun.add(symbol)
        self._known[symbol] = max(at, self._known.get(symbol, at))
        for end in [end for end in self._waiting if end <= at]:
            self._drop(end, symbol)

    def known_until(self, symbol: str) -> datetime | None:
        """The newest end that has been handed on, or is history."""
        return self._known.get(symbol)

    def forget(self) -> None:
        """Another source counts: what has come of the one before, and waits, does not. Its history comes first."""
        self._begun.clear()
        self._waiting.clear()
        self._asked.clear()

    def take(self, bars: Iterable[Bar], now: datetime) -> None:
        """Bars as they come. What is known already, not complete, or not of this period is left out."""
        for bar in bars:
            known = self._known.get(bar.symbol)
            is_new = known is None or bar.at > known
            if bar.symbol in self._symbols and is_new and bar.at <= now + AHEAD and self._is_end(bar.at):
                self._waiting.setdefault(bar.at, {}).setdefault(bar.symbol, bar)
                self._bound(bar.symbol)

    def missing(self, now: datetime) -> dict[str, int]:
        """How many bars until the newest end each symbol lacks, as far as that is to be asked for."""
        newest = self._newest(now)
        lacking = {symbol: self._lacking(symbol, newest) for symbol in self._symbols}
        return {symbol: count for symbol, count in lacking.items() if count}

    def asked(self, symbols: Iterable[str], now: datetime) -> None:
        """The source was asked for what is missing, and has answered."""
        self._asked.update(dict.fromkeys(symbols, self._newest(now)))

    def ready(self, now: datetime) -> list[BarEnd]:
        """The moments that can be worked through now, in order of time."""
        newest = self._newest(now)
        is_due = now >= newest + self._grace or all(self._is_there(symbol, newest) for symbol in self._symbols)
        ready = [at for at in sorted(self._waiting) if is_due]
        return [self._hand_on(at, now) for at in ready if self._waiting[at].keys() & self._begun]

    # --- inside ------------------------------------------------------------------------------------

    def _bound(self, symbol: str) -> None:
        """Without a history only the newest bars wait."""
        ends = [] if symbol in self._begun else sorted(at for at, bars in self._waiting.items() if symbol in bars)
        for at in ends[:-_MOST_WAITING]:
            self._drop(at, symbol)

    def _drop(self, at: datetime, symbol: str) -> None:
        self._waiting[at].pop(symbol, None)
        if not self._waiting[at]:
            del self._waiting[at]

    def _newest(self, now: datetime) -> datetime:
        """By our clock, or by the venue's where it is ahead."""
        return max([newest_end(now, self._period), *self._waiting])

    def _is_end(self, at: datetime) -> bool:
        return (at - _EPOCH) % self._period == timedelta(0)

    def _is_there(self, symbol: str, newest: datetime) -> bool:
        """Whether there is nothing to wait for: it is known, or here without a hole before it that may be filled."""
        known = self._known.get(symbol)
        if known is not None and known >= newest:
            return True
        if symbol not in self._begun:
            return False
        is_whole = self._asked.get(symbol) == newest or self._holes(symbol, newest) == 0
        return symbol in self._waiting.get(newest, {}) and is_whole

    def _holes(self, symbol: str, newest: datetime) -> int:
        known = self._known.get(symbol)
        if known is None:
            return 0
        expected = (newest - known) // self._period - 1
        return expected - sum(symbol in bars for at, bars in self._waiting.items() if known < at < newest)

    def _lacking(self, symbol: str, newest: datetime) -> int:
        known = self._known.get(symbol)
        if known is None or symbol not in self._begun or self._is_there(symbol, newest):
            return 0
        return max((newest - known) // self._period, 0)

    def _hand_on(self, at: datetime, now: datetime) -> BarEnd:
        bars = {symbol: bar for symbol, bar in self._waiting[at].items() if symbol in self._begun}
        for symbol in bars:
            self._drop(at, symbol)
            self._known[symbol] = at
        return BarEnd(at, bars, is_old=now - at >= self._period)
