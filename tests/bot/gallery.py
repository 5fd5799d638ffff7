"""A picture that is drawn once a process: of the same view it is the same, and drawing it takes longer than its test.

`test_charts.py` calls the functions themselves, and draws each time.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable

import pytest

from bot import charts

_DRAWN = {name: getattr(charts, name) for name in ("candle_chart", "equity_chart", "exposure_chart", "report_chart")}


@functools.lru_cache(maxsize=200)
def _picture(name: str, view: bytes) -> bytes:
    arguments, named = pickle.loads(view)
    return bytes(_DRAWN[name](*arguments, **named))


def _remembering(name: str) -> Callable[..., bytes]:
    return lambda *arguments, **named: _picture(name, pickle.dumps((arguments, named)))


@pytest.fixture(autouse=True)
def gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every test of a folder whose conftest.py imports it."""
    for name in _DRAWN:
        monkeypatch.setattr(charts, name, _remembering(name))
