"""Where historical bars are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from brokers.instrument import Instrument
from core.market.bar_file import US_DAILY_CLOSE, read_bars
from core.market.series import BarSeries, MarketDataError

_BUNDLED = Path(__file__).with_name("bundled")
_SUFFIXES = (".csv.gz", ".csv")

# Prices adjusted for fourteen years of splits are a few dollars: a cent would be too coarse a step for them.
ADJUSTED_TICK = Decimal("0.0001")


class BarArchive(Protocol):
    """A store of bar series, one a symbol."""

    def symbols(self) -> tuple[str, ...]:
        """The symbols that can be loaded, in alphabetical order."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """The instrument of each symbol."""
        ...

    def load(self, symbol: str) -> BarSeries:
        """All bars of `symbol`; `MarketDataError` where there are none or they cannot be trusted."""
        ...


class FolderArchive:
    """A folder of files `SYMBOL.csv` or `SYMBOL.csv.gz`; `core.market.bar_file` documents their columns.

    `instruments` gives the venue's rules by symbol; a symbol without any is a stock in US dollars with a tick
    of 0.0001 and a lot of 1. Daily bars end at `daily_close`. A series is read once and kept.
    """

    def __init__(
        self,
        folder: Path,
        instruments: Mapping[str, Instrument] | None = None,
        daily_close: time = US_DAILY_CLOSE,
    ) -> None:
        if not folder.is_dir():
            raise MarketDataError(f"{folder} is no folder. Create it and put SYMBOL.csv files in it.")
        self._files = _files(folder)
        known = instruments or {}
        self._instruments = {symbol: known.get(symbol) or stock(symbol) for symbol in self._files}
        self._daily_close = daily_close
        self._loaded: dict[str, BarSeries] = {}

    def symbols(self) -> tuple[str, ...]:
        """The symbols that have a file, in alphabetical order."""
        return tuple(self._files)

    def instruments(self) -> Mapping[str, Instrument]:
        """The instrument of each symbol."""
        return self._instruments

    def load(self, symbol: str) -> BarSeries:
        """All bars of `symbol`, read and checked on the first call."""
        if symbol not in self._files:
            known = ", ".join(self._files) or "none"
            raise MarketDataError(f"there are no bars of {symbol!r}. Choose one of: {known}.")
        if symbol not in self._loaded:
            self._loaded[symbol] = read_bars(self._files[symbol], self._instruments[symbol], self._daily_close)
        return self._loaded[symbol]


def stock(symbol: str) -> Instrument:
    """A stock in US dollars, traded in whole shares, with prices on a tick fine enough when adjusted."""
    return Instrument(symbol=symbol, currency="USD", tick=ADJUSTED_TICK, lot=Decimal(1))


def bundled_archive() -> FolderArchive:
    """The history that ships with the program: daily US stocks, 2000 to 2013 (`bundled/PROVENANCE.md`)."""
    return FolderArchive(_BUNDLED)


def _files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((end for end in _SUFFIXES if path.name.endswith(end)), None)
        if suffix is None:
            continue
        symbol = path.name.removesuffix(suffix)
        if symbol in files:
            raise MarketDataError(f"{folder} holds {symbol} twice: remove {path.name} or {files[symbol].name}.")
        files[symbol] = path
    return dict(sorted(files.items()))
