"""A folder of CSV files is read exactly, or refused with line and remedy."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.instrument import Instrument
from core.market.archive import FolderArchive
from core.market.series import BarSeries, MarketDataError

HEADER = "date,open,high,low,close,volume\n"
GOOD = "2024-01-02,10,12,9,11,100\n"


def load(folder: Path, text: str) -> BarSeries:
    (folder / "X.csv").write_text(text, encoding="utf-8")
    return FolderArchive(folder).load("X")


def test_days_end_at_the_daily_close(tmp_path: Path) -> None:
    """A day's bar ends at 21:00 UTC and its numbers are exact."""
    (bar,) = load(tmp_path, HEADER + "2024-01-02,10.1,12,9,11.3,100\n")
    assert bar.at == datetime(2024, 1, 2, 21, tzinfo=UTC)
    assert (bar.open, bar.close, bar.volume) == (Decimal("10.1"), Decimal("11.3"), Decimal(100))


def test_moments_keep_their_time(tmp_path: Path) -> None:
    """A moment with an offset is the end of its bar."""
    (bar,) = load(tmp_path, HEADER + "2024-01-02T10:00:00+02:00,10,12,9,11,0\n")
    assert bar.at == datetime(2024, 1, 2, 8, tzinfo=UTC)


def test_columns_in_any_order_and_case(tmp_path: Path) -> None:
    """What spreadsheets write is read: a byte-order mark, capitals, spaces, more columns, empty lines."""
    text = "\ufeffDate,Note,Close,Adj Close,Open,High,Low,Volume\n2024-01-02,hi,10,5,8,12,6,100\n\n"
    (bar,) = load(tmp_path, text)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (4, 6, 3, 5, 200)


def test_gzip_and_own_instruments(tmp_path: Path) -> None:
    """Compressed files are read too, and prices rounded to the tick of the instrument given."""
    btc = Instrument("BTC", "USDT", tick=Decimal("0.5"), lot=Decimal("0.001"))
    with gzip.open(tmp_path / "BTC.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write(HEADER + "2024-01-02,10,12,9,11.3,1.2345\n")
    archive = FolderArchive(tmp_path, {"BTC": btc})
    assert archive.symbols() == ("BTC",)
    assert archive.instruments() == {"BTC": btc}
    assert archive.load("BTC").bars[0].close == Decimal("11.5")
    assert archive.load("BTC") is archive.load("BTC")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2024-01-03,nan,12,9,11,1", "line 3: open must be finite"),
        ("2024-01-03,10,12,9,abc,1", "line 3: close must be a number"),
        ("2024-01-03,10,12,9,,1", "line 3: close must be a number"),
        ("2024-01-03,-1,12,9,11,1", "line 3: open is -1"),
        ("2024-01-03,10,12,0,11,1", "line 3: low is 0"),
        ("2024-01-03,10,12,9,11,-5", "line 3: volume is -5"),
        ("2024-01-03,10,10.5,9,11,1", "line 3: open 10 and close 11 must lie between low 9 and high 10.5"),
        ("2024-01-03,10,12,10.5,11,1", "line 3: open 10 and close 11 must lie between low 10.5 and high 12"),
        ("2024-01-03,10,12,9,11", "line 3: 5 values for 6 columns"),
        ("2024-01-02,10,12,9,11,1", "line 3: 2024-01-02 is not after"),
        ("2024-01-01,10,12,9,11,1", "line 3: 2024-01-01 is not after"),
        ("3 January,10,12,9,11,1", "line 3: date '3 January' is no date"),
        ("2024-01-03 10:00,10,12,9,11,1", "line 3: date '2024-01-03 10:00' has no time zone"),
        ("2024-01-03,0.00001,12,0.00001,11,1", "line 3: low is zero on the tick"),
        ('2024-01-03,"10,12,9,11,1', "cannot be read"),
    ],
)
def test_bad_rows_are_refused_by_line(tmp_path: Path, row: str, problem: str) -> None:
    """Each bad row is named by its line, and what to do follows."""
    with pytest.raises(MarketDataError) as caught:
        load(tmp_path, HEADER + GOOD + row + "\n")
    assert problem in str(caught.value)
    assert str(caught.value).endswith(".")
    assert str(caught.value).count(". ") >= 1


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("date,open,high,low,close", "no column volume"),
        ("", "no column date"),
        (HEADER.strip() + ",open", "twice"),
    ],
)
def test_bad_headers_are_refused(tmp_path: Path, header: str, problem: str) -> None:
    """A missing or doubled column is named."""
    with pytest.raises(MarketDataError, match=problem):
        load(tmp_path, header + "\n")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """A file that is no gzip or no UTF-8 is an error of ours, not of a library."""
    (tmp_path / "A.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "B.csv").write_bytes(b"\xff\xfe\x00")
    archive = FolderArchive(tmp_path)
    for symbol in ("A", "B"):
        with pytest.raises(MarketDataError, match="cannot be read"):
            archive.load(symbol)


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    """Half a file is not taken for the whole."""
    whole = gzip.compress((HEADER + GOOD * 50).encode())
    (tmp_path / "A.csv.gz").write_bytes(whole[:-12])
    with pytest.raises(MarketDataError, match=r"cannot be read|line"):
        FolderArchive(tmp_path).load("A")


def test_unknown_symbol_and_folder(tmp_path: Path) -> None:
    """The choices are named; a path in place of a symbol reads nothing."""
    (tmp_path / "A.csv").write_text(HEADER + GOOD, encoding="utf-8")
    with pytest.raises(MarketDataError, match="Choose one of: A"):
        FolderArchive(tmp_path).load("../A")
    with pytest.raises(MarketDataError, match="is no folder"):
        FolderArchive(tmp_path / "none")


def test_one_symbol_in_two_files(tmp_path: Path) -> None:
    """Two files for a symbol are refused, not chosen between."""
    (tmp_path / "A.csv").write_text(HEADER + GOOD, encoding="utf-8")
    (tmp_path / "A.csv.gz").write_bytes(gzip.compress((HEADER + GOOD).encode()))
    with pytest.raises(MarketDataError, match="twice"):
        FolderArchive(tmp_path)
