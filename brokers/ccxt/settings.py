"""The settings that every ccxt account has."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from brokers.registry import AdapterSettings

_EMPTY = SecretStr("")


class Mode(StrEnum):
    """Whether real money is at stake. `testnet` and `demo` are the venue's own places without any."""

    LIVE = "live"
    TESTNET = "testnet"
    DEMO = "demo"


class CcxtSettings(AdapterSettings):
    """What an account at a venue needs. Without keys it serves market data only.

    `mode` has no default: it must be written. `currency`: what the account is kept in. `silence_seconds`: a stream that
    says nothing for so long is opened anew; `poll_seconds`: how often is asked where nothing is streamed;
    `dead_man_seconds`: the venue cancels our orders when it has not heard from us for so long (0: off; only where
    offered, see docs/brokers.md); `reserve_percent`: the part of the rate limit that is kept for cancels and exits.
    """

    shortest_timer: ClassVar[int] = 10
    timer_of_each: ClassVar[int] = 0
    """Seconds for each instrument that the timer must have at least, where each of them is told of it on its own."""

    mode: Mode
    currency: str = Field(default="USDT", pattern=r"^[A-Z0-9]{2,12}$")
    api_key: SecretStr = _EMPTY
    secret: SecretStr = _EMPTY
    password: SecretStr = _EMPTY
    timeout_seconds: int = Field(default=10, ge=1, le=60)
    recv_window_ms: int = Field(default=5000, ge=100, le=60000)
    silence_seconds: int = Field(default=60, ge=5, le=3600)
    poll_seconds: float = Field(default=2, ge=0.1, le=60)
    dead_man_seconds: int = Field(default=0, ge=0, le=3600)
    reserve_percent: int = Field(default=20, ge=0, le=90)

    @property
    def has_keys(self) -> bool:
        """Whether it is an account; otherwise there is only market data."""
        return bool(self.api_key.get_secret_value())

    @field_validator("dead_man_seconds")
    @classmethod
    def _is_patient(cls, seconds: int) -> int:
        if 0 < seconds < cls.shortest_timer:
            raise ValueError(
                f"{cls.shortest_timer} or more, or 0 for none: the venue must hear from us three times in it"
            )
        return seconds

    @model_validator(mode="after")
    def _keys_are_whole(self) -> Self:
        if bool(self.api_key.get_secret_value()) != bool(self.secret.get_secret_value()):
            raise ValueError("api_key and secret belong together; set both, or none for market data only")
        return self
