"""What hundreds of programs make in one test run is made once a process: bars of files, the list of CAs, the ORM's maps.

A replay reads twelve thousand bars at each start, and each HTTP client two hundred certificates: together most of a
start. Both are values that nobody changes, so whoever asks again gets the same. A file is known by its path, time and
size; tests of the reading itself call `core.market.bar_file` and are not concerned. The ORM makes its maps of all tables
anew whenever a database is opened, which takes longer than all the rest of it; they differ by the kind of database only.
"""

from __future__ import annotations

import functools
import importlib
import os
import ssl
from collections.abc import Callable
from datetime import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import httpx._transports.default as transports
from tortoise.apps import Apps
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_generator.state_apps import StateApps
from tortoise.models import Model

from brokers.instrument import Instrument
from core.market import archive
from core.market.bar_file import US_DAILY_CLOSE, read_bars
from core.market.series import BarSeries

_made_context = transports.create_ssl_context
_made_record = MigrationRecorder._make_model
_mapped: WeakKeyDictionary[type[Model], Any] = WeakKeyDictionary()  # for which kind of database


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


def _once(make: Callable[[Any], None]) -> Callable[[Apps], None]:
    """Maps only of tables that have none yet for this kind of database; a relation more makes another table of it."""

    def maps(apps: Apps) -> None:
        if apps._connections._db_config is None:  # states of migrations that are only looked at
            return
        models = [model for app in apps.apps.values() for model in app.values()]
        ready = [model for model in models if model._meta.default_connection and model._meta._inited]
        kinds = {model: (type(model._meta.db), len(model._meta.fields_map)) for model in ready}
        new = {str(number): model for number, model in enumerate(ready) if _mapped.get(model) != kinds[model]}
        make(SimpleNamespace(apps={"": new}, _connections=apps._connections))
        _mapped.update(kinds)

    return maps


@functools.cache
def _record_of_migrations(table: str) -> type[Model]:
    return _made_record(None, table)  # type: ignore[arg-type]


def remember() -> None:
    """From now on, in this process and its forks."""
    MigrationRecorder._make_model = lambda _, table: _record_of_migrations(table)  # type: ignore[method-assign]
    for apps in (Apps, StateApps):
        apps._build_initial_querysets = _once(apps._build_initial_querysets)  # type: ignore[method-assign]
    archive.read_bars = _read
    transports.create_ssl_context = _context


def look_ahead() -> None:
    """Read now what every program of a nursery will want."""
    bundled = archive.bundled_archive()
    for symbol in bundled.symbols():
        bundled.load(symbol)
    _context()


def look_far_ahead() -> None:
    """And what all tests together will want: before one process becomes several."""
    from brokers.ccxt.loading import load_exchange_class

    look_ahead()
    load_exchange_class("binance")
    for each in ("backends.backend_agg", "dates", "figure", "font_manager", "ticker"):
        importlib.import_module(f"matplotlib.{each}")
