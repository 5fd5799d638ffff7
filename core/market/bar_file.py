"""Reads a CSV file of bars, and trusts nothing in it.

Columns (any order and case): `date, open, high, low, close, volume` and perhaps `adj_close`. A `date` is a
day, whose bar then ends at the daily close, or a moment with its UTC offset, at which the bar ends.

Where there is an `adj_close`, open, high, low and close are multiplied by adj_close / close and the volume
is divided by it, so that splits and dividends are no jumps and price x volume is still the money that was
traded. Prices are then rounded to the instrument's tick and that volume to its lot.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import NoReturn, TextIO

from brokers.instrument import Instrument
from brokers.market import Bar
from brokers.money import exact, round_to
from core.market.series import BarSeries, MarketDataError

# New York closes at 16:00, which is 20:00 UTC in summer and 21:00 in winter. The later hour serves all
# year, so that no bar is ever known before it has ended.
US_DAILY_CLOSE = time(21, 0, tzinfo=UTC)

_PRICES = ("open", "high", "low", "close")
_NEEDED = ("date", *_PRICES, "volume")
_OPTIONAL = ("adj_close",)


def read_bars(path: Path, instrument: Instrument, daily_close: time = US_DAILY_CLOSE) -> BarSeries:
    """The bars in `path` (`.csv` or `.csv.gz`); `MarketDataError` names the line and the remedy."""
    bars: list[Bar] = []
    for line, row in _rows(path):
        try:
            bar = _bar(row, instrument, daily_close)
            if bars and bar.at <= bars[-1].at:
                _refuse(f"{row['date']} is not after the row before it", "sort by date, keep one row each")
        except ValueError as error:
            raise MarketDataError(f"{path}, line {line}: {error}") from error
        bars.append(bar)
    return BarSeries(instrument, tuple(bars))


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise ValueError(f"{problem}. {remedy[0].upper()}{remedy[1:]}.")


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with _open(path) as stream:
            reader = csv.reader(stream, strict=True)
            columns = _columns(path, next(reader, []))
            for cells in reader:
                if cells:
                    yield reader.line_num, _row(path, reader.line_num, columns, cells)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise MarketDataError(f"{path} cannot be read: {error}. Write it again as UTF-8 CSV.") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [name.strip().lower().replace(" ", "_") for name in header]
    missing = [name for name in _NEEDED if name not in columns]
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if missing or doubled:
        problem = f"no column {', '.join(missing)}" if missing else f"column {', '.join(doubled)} occurs twice"
        wanted = ",".join((*_NEEDED, f"[{_OPTIONAL[0]}]"))
        raise MarketDataError(f"{path}, line 1: {problem}. The first line must name the columns {wanted}.")
    return columns


def _row(path: Path, line: int, columns: list[str], cells: list[str]) -> Mapping[str, str]:
    if len(cells) != len(columns):
        raise MarketDataError(
            f"{path}, line {line}: {len(cells)} values for {len(columns)} columns. "
            "Give every row one value a column, or remove the row."
        )
    return dict(zip(columns, map(str.strip, cells), strict=True))


def _bar(row: Mapping[str, str], instrument: Instrument, daily_close: time) -> Bar:
    prices = {name: _price(row, name) for name in _PRICES}
    _check_range(prices)
    ratio = _price(row, "adj_close") / prices["close"] if row.get("adj_close") else None
    volume = _number(row, "volume")
    if volume < 0:
        _refuse(f"volume is {volume}, below zero", "correct the row or remove it")
    if ratio is not None:
        volume = round_to(volume / ratio, instrument.lot)
    scale = ratio or Decimal(1)
    rounded = {name: instrument.round_price(price * scale) for name, price in prices.items()}
    if rounded["low"] <= 0:
        _refuse(f"low is zero on the tick {instrument.tick}", "give the instrument a smaller tick")
    return Bar(symbol=instrument.symbol, at=_moment(row["date"], daily_close), volume=volume, **rounded)


def _number(row: Mapping[str, str], name: str) -> Decimal:
    try:
        return exact(row[name], name)
    except ValueError as error:
        _refuse(str(error), "correct the row or remove it")


def _price(row: Mapping[str, str], name: str) -> Decimal:
    price = _number(row, name)
    if price <= 0:
        _refuse(f"{name} is {price}, but a price is above zero", "correct the row or remove it")
    return price


def _check_range(prices: Mapping[str, Decimal]) -> None:
    first, high, low, close = (prices[name] for name in _PRICES)
    if not low <= min(first, close) <= max(first, close) <= high:
        _refuse(
            f"open {first} and close {close} must lie between low {low} and high {high}",
            "correct the row or remove it",
        )


def _moment(text: str, daily_close: time) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), daily_close).astimezone(UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _refuse(f"date {text!r} is no date", "write it as 2024-12-31 or 2024-12-31T21:00:00Z")
    if moment.tzinfo is None:
        _refuse(f"date {text!r} has no time zone", "add the UTC offset, as in 2024-12-31T21:00:00Z")
    return moment.astimezone(UTC)
