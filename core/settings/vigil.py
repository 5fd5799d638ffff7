"""Who notices when the program itself stops: a service outside, and a watchdog inside."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from core.settings.channels import checked_url
from core.settings.section import Section


class HeartbeatSettings(Section):
    """A service outside that raises an alarm when it hears nothing more."""

    url: SecretStr = Field(description="What is fetched as a sign of life; https.")
    every_seconds: float = Field(30.0, ge=1, le=3600, description="How often, while every part gets on.")
    seconds: float = Field(10.0, gt=0, le=60, description="How long one sign of life may take.")

    @field_validator("url")
    @classmethod
    def _safe(cls, url: SecretStr) -> SecretStr:
        return checked_url(url)


class WatchdogSettings(Section):
    """What happens when the program's loop no longer turns."""

    dump_seconds: float = Field(
        10.0, ge=0.1, le=3600, description="After this long, where each thread stands is logged."
    )
    exit_seconds: float | None = Field(
        30.0, ge=0.2, le=3600, description="After this long the program ends, to be started again; none: never."
    )

    @model_validator(mode="after")
    def _first_told_then_ended(self) -> Self:
        if self.exit_seconds is not None and self.exit_seconds <= self.dump_seconds:
            raise ValueError("exit_seconds must be more than dump_seconds")
        return self
