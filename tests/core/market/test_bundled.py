"""The bundled history is what its provenance says."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import core.market
from brokers.market import Bar
from core.market.archive import bundled_archive

FOLDER = Path(core.market.__path__[0]) / "bundled"
ARCHIVE = bundled_archive()


def close_to_close(symbol: str, day: str) -> float:
    series = ARCHIVE.load(symbol)
    index = series.times.index(datetime.fromisoformat(day).replace(hour=21, tzinfo=UTC))
    return float(series.bars[index].close / series.bars[index - 1].close) - 1


@pytest.mark.parametrize(
    ("symbol", "rows", "first"),
    [
        ("AAPL", 3270, "2000-03-01"),
        ("FB", 196, "2012-05-18"),
        ("GOOG", 2148, "2004-08-19"),
        ("IBM", 3270, "2000-03-01"),
        ("MSFT", 3270, "2000-03-01"),
    ],
)
def test_rows_and_dates(symbol: str, rows: int, first: str) -> None:
    """Each symbol has all its days."""
    series = ARCHIVE.load(symbol)
    assert len(series) == rows
    assert series.times[0].date().isoformat() == first
    assert series.times[-1] == datetime(2013, 3, 1, 21, tzinfo=UTC)


def test_the_crash_of_apple() -> None:
    """AAPL fell by 51.9 % on 2000-09-29, which the sandbox shows."""
    assert close_to_close("AAPL", "2000-09-29") == pytest.approx(-0.519, abs=0.0005)


@pytest.mark.parametrize(
    ("symbol", "day"),
    [("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("MSFT", "2003-02-18"), ("MSFT", "2004-11-15")],
)
def test_splits_and_special_dividends_are_no_jumps(symbol: str, day: str) -> None:
    """A split halves the raw price, not the adjusted one; nor does a large dividend show."""
    assert abs(close_to_close(symbol, day)) < 0.1


def test_adjusted_first_bar() -> None:
    """The first bar of AAPL: 130.31 raw is 4.1867 adjusted, and the money traded stays the same."""
    bar = ARCHIVE.load("AAPL").bars[0]
    assert bar == Bar(
        symbol="AAPL",
        at=datetime(2000, 3, 1, 21, tzinfo=UTC),
        open=Decimal("3.8092"),
        high=Decimal("4.2429"),
        low=Decimal("3.8072"),
        close=Decimal("4.1867"),
        volume=bar.volume,
    )
    assert float(bar.volume * bar.close) == pytest.approx(9616100 * 130.31, rel=1e-4)


def test_every_bar_is_sound() -> None:
    """Prices are on the tick and inside the bar's range, volumes whole."""
    for symbol in ARCHIVE.symbols():
        series = ARCHIVE.load(symbol)
        for bar in series:
            assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert series.instrument.is_on_tick(bar.close)
            assert series.instrument.is_whole_lots(bar.volume)


def test_files_are_those_of_the_provenance() -> None:
    """Every file and its hash stand in PROVENANCE.md, and no other file is there."""
    text = (FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"\| (\w+\.csv\.gz) \|.*\| ([0-9a-f]{64}) \|", text))
    actual = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.gz")}
    assert stated == actual
    assert {path.suffix for path in FOLDER.iterdir()} == {".gz", ".md"}
