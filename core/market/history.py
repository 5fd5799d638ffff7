"""The recent bars of one instrument as numbers, for indicators.

Strategies compute on floats; money never does (see `brokers.money`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from brokers.market import Bar

Floats = NDArray[np.float64]
_ROWS = 5


class Window:
    """An immutable stretch of bars, oldest first: read-only arrays of one length.

    `open`, `high`, `low`, `close` are prices and `volume` units, as float64; `at` is the end of each bar in
    UTC, as datetime64[us].
    """

    __slots__ = ("_at", "_data", "symbol")

    def __init__(self, symbol: str, at: NDArray[np.datetime64], data: Floats) -> None:
        self.symbol = symbol
        self._at = at
        self._data = data

    @property
    def at(self) -> NDArray[np.datetime64]:
        """When each bar ended (UTC)."""
        return self._at

    @property
    def open(self) -> Floats:
        """First price of each bar."""
        return self._row(0)

    @property
    def high(self) -> Floats:
        """Highest price of each bar."""
        return self._row(1)

    @property
    def low(self) -> Floats:
        """Lowest price of each bar."""
        return self._row(2)

    @property
    def close(self) -> Floats:
        """Last price of each bar."""
        return self._row(3)

    @property
    def volume(self) -> Floats:
        """Units traded in each bar."""
        return self._row(4)

    def __len__(self) -> int:
        return int(self._at.shape[0])

    def _row(self, number: int) -> Floats:
        row: Floats = self._data[number]
        return row

    def last(self, count: int) -> Window:
        """The newest `count` bars, or all where there are fewer."""
        start = max(0, len(self) - max(0, count))
        return Window(self.symbol, self._at[start:], self._data[:, start:])


class History(Window):
    """A window that grows at its newest end and forgets all but its last `bound` bars.

    Appending is O(1) amortised and copies nothing; when the buffer is full a new one is taken, so arrays
    that were handed out earlier never change under their reader.
    """

    __slots__ = ("_buffer", "_end", "_times", "bound")

    def __init__(self, symbol: str, bound: int = 512, bars: Iterable[Bar] = ()) -> None:
        if bound < 1:
            raise ValueError(f"a history keeps at least one bar, not {bound}")
        self.bound = bound
        self._end = 0
        self._new_buffers()
        super().__init__(symbol, self._times[:0], self._buffer[:, :0])
        self.extend(bars)

    def append(self, bar: Bar) -> None:
        """Add the next bar; one of another symbol, or not later than the last, is a `ValueError`."""
        moment = utc(bar.at)
        self._check(bar, moment)
        if self._end == self._times.shape[0]:
            self._move_to_new_buffers()
        prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        self._buffer[:, self._end] = tuple(map(float, prices))
        self._times[self._end] = moment
        self._end += 1
        self._show()

    def extend(self, bars: Iterable[Bar]) -> None:
        """Append each of `bars`."""
        for bar in bars:
            self.append(bar)

    def _check(self, bar: Bar, moment: np.datetime64) -> None:
        if bar.symbol != self.symbol:
            raise ValueError(f"a bar of {bar.symbol} does not belong in the history of {self.symbol}")
        if self._end and moment <= self._times[self._end - 1]:
            raise ValueError(f"{self.symbol}: the bar at {bar.at} is not after {self._times[self._end - 1]}")

    def _new_buffers(self) -> None:
        self._buffer: Floats = np.empty((_ROWS, 2 * self.bound))
        self._times: NDArray[np.datetime64] = np.empty(2 * self.bound, dtype="datetime64[us]")

    def _move_to_new_buffers(self) -> None:
        keep = self.bound - 1
        data, times = self._buffer[:, self._end - keep : self._end], self._times[self._end - keep : self._end]
        self._new_buffers()
        self._buffer[:, :keep], self._times[:keep] = data, times
        self._end = keep

    def _show(self) -> None:
        start = max(0, self._end - self.bound)
        self._data, self._at = self._buffer[:, start : self._end], self._times[start : self._end]
        self._data.flags.writeable = False
        self._at.flags.writeable = False


def utc(at: datetime) -> np.datetime64:
    """A moment as a window's `at` has it. Raises `ValueError` without a zone."""
    offset = at.utcoffset()
    if offset is None:
        raise ValueError(f"a bar's time must be aware (UTC), not {at}")
    return np.datetime64((at - offset).replace(tzinfo=None), "us")
