"""Stand in for ccxt's caches: tell what is put in, at once and one by one.

ccxt's own way, a future for each `watch` call, merges what comes between two calls, and forgets to wake a caller
who comes a moment too late. To whoever reads them, these are empty.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


class Tape(list[Any]):
    """For orders, trades or candles. `remembers` as many rows, for a venue whose events tell only what has changed."""

    def __init__(self, tell: Callable[[Any], None], *, remembers: int = 0) -> None:
        super().__init__()
        self._tell = tell
        self._remembers = remembers
        self._rows: OrderedDict[tuple[Any, Any], Row] = OrderedDict()
        self.hashmap: dict[Any, dict[Any, Row]] = {}

    def append(self, row: Any) -> None:
        """Take in one row."""
        if self._remembers:
            self._remember(row)
        self._tell(row)

    def getLimit(self, _symbol: str | None, limit: int | None) -> int | None:  # noqa: N802 (ccxt calls it so)
        """How many rows a caller wants; there are none."""
        return limit

    get_limit = getLimit

    def _remember(self, row: Row) -> None:
        key = (row.get("symbol"), row.get("id"))
        self._rows[key] = row
        self._rows.move_to_end(key)
        self.hashmap.setdefault(key[0], {})[key[1]] = row
        while len(self._rows) > self._remembers:
            (symbol, ident), _ = self._rows.popitem(last=False)
            self.hashmap[symbol].pop(ident, None)


class Latest(dict[Any, Any]):
    """For tickers: a map that holds the newest of each symbol, which some venues send the changes of."""

    def __init__(self, tell: Callable[[Any, Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self._tell(key, value)


class Candles(dict[Any, Any]):
    """For candles: a map of symbols, each with a map of timeframes, each a tape that is there when it is asked for."""

    def __init__(self, tell: Callable[[str, str, Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def __missing__(self, symbol: str) -> _Frames:
        frames = _Frames(symbol, self._tell)
        super().__setitem__(symbol, frames)
        return frames

    def __setitem__(self, symbol: str, value: Any) -> None:
        """A map of ccxt's own, where it thinks that there is none: it is not needed."""


class _Frames(dict[Any, Any]):
    def __init__(self, symbol: str, tell: Callable[[str, str, Any], None]) -> None:
        super().__init__()
        self._symbol = symbol
        self._tell = tell

    def __missing__(self, timeframe: str) -> Tape:
        tape = Tape(lambda row: self._tell(self._symbol, timeframe, row))
        self[timeframe] = tape
        return tape
