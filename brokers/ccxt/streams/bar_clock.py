"""When a bar has ended: exactly once for each, in order, whatever a stream skips or repeats. Pure.

Of each period the newest candle is kept. It is the bar once a candle of a later period has come behind it on an
unbroken stream. Otherwise, when time is up or the stream was broken, the bar must be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from brokers.market import Bar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class BarClock:
    """The bars of one symbol and period, from a moment on. Times are ends of periods.

    `told` is the end of the last bar that was told, or of the one before the first that will be. With
    `trusts_last_candle`, the last word of the stream on a period is its bar; else every bar is asked for.
    """

    def __init__(self, period: timedelta, now: datetime, *, trusts_last_candle: bool) -> None:
        self._period = period
        self._trusts = trusts_last_candle
        self._candles: dict[datetime, Bar] = {}
        self._newest: datetime | None = None  # the end of the newest period that the stream has spoken of
        self.told = floor(now, period)

    def hold(self, candle: Bar) -> None:
        """A candle of the stream, ended or not, while an answer is waited for."""
        if candle.at > self.told:
            self._candles[candle.at] = candle
            self._newest = max(candle.at, self._newest or candle.at)

    def hear(self, candle: Bar) -> list[Bar]:
        """A candle of the stream, ended or not. The bars that have ended by it, oldest first."""
        self.hold(candle)
        return self.release()

    def release(self) -> list[Bar]:
        """The bars that follow without a gap and have a later candle behind them."""
        told = []
        while self._trusts and (bar := self._candles.get(self.told + self._period)) is not None:
            if self._newest is None or bar.at >= self._newest:
                break
            told.append(bar)
            self._tell(bar.at)
        return told

    def broken(self) -> None:
        """The stream was lost: its candles may have changed since, unnoticed."""
        self._candles.clear()
        self._newest = None

    def due(self, now: datetime, late: timedelta) -> datetime | None:
        """Until when bars must be asked for: those whose time is up and whom the stream has not told to the end."""
        until = floor(now - late, self._period)
        if not self._trusts and self._newest is not None:  # a later candle says that the venue has closed it
            until = max(until, self._newest - self._period)
        return until if until > self.told else None

    def wants(self, until: datetime) -> set[datetime]:
        """The periods up to `until` of which the stream has told something, so the venue must have their bars."""
        return {at for at in self._candles if at <= until}

    def filled(self, bars: Iterable[Bar], until: datetime) -> list[Bar]:
        """What the venue has answered about the bars up to `until`; one that it does not have was without a trade."""
        ended = {bar.at: bar for bar in bars if self.told < bar.at <= until}
        self._tell(until)
        return [ended[at] for at in sorted(ended)]

    def _tell(self, until: datetime) -> None:
        self.told = max(self.told, until)
        self._candles = {at: bar for at, bar in self._candles.items() if at > self.told}


def floor(at: datetime, period: timedelta) -> datetime:
    """The last end of a period at or before `at`, counted from the start of 1970 (weeks from a Monday)."""
    origin = _MONDAY if period % timedelta(weeks=1) == timedelta(0) else _EPOCH
    return at - (at - origin) % period
