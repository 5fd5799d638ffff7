"""Which market a sandbox trades: history, or what a venue says now. A data directory keeps to what it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brokers.registry import adapter_names, load_adapter
from core.errors import SettingsError, near
from core.settings import read_yaml

_CONFIG = Path(__file__).with_name("sandbox.yaml")
_LIVE = Path(__file__).with_name("live.yaml")
_VENUE = "live-venue"
_JOURNAL = "paper-paper.sqlite3"


def remembered(data_dir: Path) -> str:
    """The venue whose prices a sandbox trades on; "" for history."""
    file = data_dir / _VENUE
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def chosen(data_dir: Path, venue: str) -> str:
    """The venue that a start is for: the one asked for, or the one that the directory began with.

    Raises `SettingsError` if it began with another, or if there is no such venue.
    """
    check_venue(venue)
    before = remembered(data_dir)
    has_begun = bool(before) or (data_dir / _JOURNAL).exists()
    if venue and has_begun and venue != before:
        problem = f"{data_dir} holds a sandbox on {before or 'history'}; give --data-dir another directory"
        raise SettingsError([f"--live {venue}: {problem}"])
    return venue or before


def check_venue(venue: str) -> None:
    """Raise `SettingsError` unless it is "" or has prices of its own."""
    if not venue:  # a sandbox on history loads no venue
        return
    known = [each for each in adapter_names() if not load_adapter(each).settings.on_any_market]
    if venue not in known:
        close = near(venue, known)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
        raise SettingsError([f"--live {venue}: there is no such venue; {hint}"])


def remember(data_dir: Path, venue: str) -> None:
    """This directory is of that venue's prices from now on."""
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / _VENUE).write_text(venue + "\n", encoding="utf-8")


def raw_settings(venue: str) -> dict[str, Any]:
    """The sandbox's own settings; on live prices of `venue`, if it is named."""
    raw = read_yaml(_CONFIG)
    if venue:
        raw = {**raw, **read_yaml(_LIVE)}
        raw["market"] = {**raw["market"], "feeds": [{"adapter": venue, "mode": "live"}]}
    return raw
