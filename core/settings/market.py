"""Where prices come from: history that is replayed, or venues as they trade now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.settings.section import Section

_OF_REPLAY = ("folder", "start", "speed", "spread_bps")
_OF_LIVE = ("feeds", "period", "failover_seconds")


class Period(StrEnum):
    """How long a bar is."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def length(self) -> timedelta:
        """The same, to compute with."""
        unit = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[self.value[-1]]
        return int(self.value[:-1]) * unit


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """One source of live prices: a broker of its own (`broker`), or the connection of an account."""

    name: str
    account: str
    broker: Mapping[str, Any] = field(repr=False)
    symbols: tuple[str, ...]


class MarketSettings(Section):
    """Where prices come from."""

    source: Literal["bundled", "folder", "live"] = Field(
        "bundled", description="bundled history, a folder of CSV files, or live: venues as they trade now."
    )
    folder: Path | None = Field(None, description="The folder with SYMBOL.csv files, if source is folder.")
    symbols: tuple[str, ...] = Field(min_length=1, description="What is traded, as in AAPL or BTC/USDT.")
    start: datetime | None = Field(None, description="Begin with the first bar at or after this time. Replay only.")
    speed: float = Field(
        1.0,
        ge=0,
        le=10_000,
        allow_inf_nan=False,
        description="Bars per second; 0 is as fast as possible. Replay only.",
    )
    spread_bps: Decimal = Field(
        Decimal(2), ge=0, le=1000, description="Bid to ask that is put around replayed prices. Replay only."
    )
    feeds: tuple[dict[str, Any], ...] = Field(
        (), repr=False, description="Where live prices come from, the preferred first: see [Feeds](#feeds)."
    )
    period: Period = Field(Period.M1, description="How long a live bar is: 1m, 5m, 15m, 1h, 4h or 1d.")
    failover_seconds: float = Field(
        15.0, ge=1, le=600, description="After so much silence of a feed the next one counts."
    )

    @field_validator("symbols")
    @classmethod
    def _once(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({each for each in symbols if symbols.count(each) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return symbols

    @field_validator("start")
    @classmethod
    def _aware(cls, start: datetime | None) -> datetime | None:
        return start.replace(tzinfo=UTC) if start is not None and start.tzinfo is None else start

    @model_validator(mode="after")
    def _folder_when_needed(self) -> Self:
        if (self.source == "folder") != (self.folder is not None):
            raise ValueError("folder is needed exactly when source is folder")
        return self

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        others = _OF_REPLAY if self.is_live else _OF_LIVE
        foreign = [name for name in others if getattr(self, name) != type(self).model_fields[name].default]
        if foreign:
            raise ValueError(f"{foreign[0]} belongs to a {'replay' if self.is_live else 'live market'}; leave it out")
        if self.is_live and not self.feeds:
            raise ValueError("a live market needs feeds: [{adapter: binance, market: spot, mode: live}], for example")
        return self

    @model_validator(mode="after")
    def _every_symbol_has_a_feed(self) -> Self:
        named = {symbol for each in self.sources for symbol in each.symbols}
        if lonely := [symbol for symbol in self.symbols if self.is_live and symbol not in named]:
            raise ValueError(f"no feed has {', '.join(lonely)}; name it among the symbols of one")
        return self

    @property
    def is_live(self) -> bool:
        """Whether prices are those of now."""
        return self.source == "live"

    @property
    def sources(self) -> tuple[FeedSettings, ...]:
        """The feeds, the preferred first, each with a name of its own. Raises `ValueError`."""
        found: list[FeedSettings] = []
        for number, raw in enumerate(self.feeds, 1):
            one = _feed(number, raw, self.symbols)
            name = one.name if one.name not in {each.name for each in found} else f"{one.name}-{number}"
            found.append(FeedSettings(name, one.account, one.broker, one.symbols))
        return tuple(found)


def _feed(number: int, raw: Mapping[str, Any], symbols: tuple[str, ...]) -> FeedSettings:
    """What one entry of `feeds` says."""
    broker = {key: value for key, value in raw.items() if key != "symbols"}
    account = str(broker.pop("account", ""))
    if bool(account) == ("adapter" in broker) or (account and broker):
        raise ValueError(f"feed {number}: write either `account: NAME` or `adapter: NAME` with that adapter's settings")
    given = raw.get("symbols", symbols)
    if not isinstance(given, (list, tuple)) or not given or not set(given) <= set(symbols):
        raise ValueError(f"feed {number}: symbols: write a list of some of: {', '.join(symbols)}")
    return FeedSettings(account or str(broker["adapter"]), account, broker, tuple(given))
