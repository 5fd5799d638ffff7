"""What hundreds of programs read in one test run is read once a process: bars of files, and the list of CAs.

A replay reads twelve thousand bars at each start, and each HTTP client two hundred certificates: together most of a
start. Both are values that nobody changes, so whoever asks again gets the same. A file is known by its path, time and
size; tests of the reading itself call `core.market.bar_file` and are not concerned.
"""

from __future__ import annotations

import functools
import os
import ssl
from datetime import time
from pathlib import Path
from typing import Any

import httpx._transports.default as transports

from brokers.instrument import Instrument
from core.market import archive
from core.market.bar_file import US_DAILY_CLOSE, read_bars
from core.market.series import BarSeries

_made_context = transports.create_ssl_context


@functools.cache
def _bars(path: Path, instrument: Instrument, daily_close: time, _stamp: tuple[int, int]) -> BarSeries:
    return read_bars(path, instrument, daily_close)


def _read(path: Path, instrument: Instrument, daily_close: time = US_DAILY_CLOSE) -> BarSeries:
    if not path.exists():
        return read_bars(path, instrument, daily_close)
    found = path.stat()
    return _bars(path, instrument, daily_close, (found.st_mtime_ns, found.st_size))


@functools.cache
def _usual_context(_file: str, _folder: str) -> ssl.SSLContext:
    return _made_context()


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is not True or cert is not None or not trust_env:
        return _made_context(verify=verify, cert=cert, trust_env=trust_env)
    return _usual_context(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


def remember() -> None:
    """From now on, in this process and its forks."""
    archive.read_bars = _read
    transports.create_ssl_context = _context


def look_ahead() -> None:
    """Read now what every program of a nursery will want."""
    bundled = archive.bundled_archive()
    for symbol in bundled.symbols():
        bundled.load(symbol)
    _context()
