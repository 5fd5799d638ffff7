"""What can be set of an account at OKX."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import field_validator

from brokers.ccxt.offers import PassphraseSettings
from brokers.ccxt.settings import Mode

_LONGEST_TIMER = 120


class OkxMarket(StrEnum):
    """What an account trades."""

    SPOT = "spot"
    SWAP = "swap"


class OkxSettings(PassphraseSettings):
    """`market` is spot, or swap: linear perpetuals, with the whole account behind them (cross)."""

    modes: ClassVar[tuple[Mode, ...]] = (Mode.LIVE, Mode.DEMO)
    why_no_other: ClassVar[str] = "OKX calls its simulated trading demo, and has no testnet besides"

    market: OkxMarket = OkxMarket.SPOT

    @field_validator("dead_man_seconds")
    @classmethod
    def _is_a_timer(cls, seconds: int) -> int:
        if seconds > _LONGEST_TIMER:
            raise ValueError(f"OKX takes {_LONGEST_TIMER} at most, or 0 for none")
        return seconds
