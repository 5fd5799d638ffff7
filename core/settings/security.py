"""What is asked of people beyond their role: codes, a second person, patience."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator

from core.settings.section import Section

TwoPerson = Literal["resume", "limits", "users", "live", "flatten", "adjust"]


class Totp(StrEnum):
    """Of whom a code is asked."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OFF = "off"


class SecuritySettings(Section):
    """Codes, second persons and rates. Halting is exempt from all of it."""

    totp: Totp = Field(
        Totp.REQUIRED,
        description="A 6-digit code for what is dangerous: required, optional (of those who have one) or off.",
    )
    two_person: tuple[TwoPerson, ...] = Field(
        (), description="What a second person must approve: resume, limits, users, live, flatten, adjust."
    )
    commands_per_minute: int = Field(20, ge=1, le=600, description="Commands that change something, for each person.")
    looks_per_minute: int = Field(60, ge=1, le=600, description="Screens and unknown commands, for each person.")
    orders_per_10_seconds: int = Field(3, ge=1, le=100, description="Orders by hand, for each person.")

    @field_validator("two_person")
    @classmethod
    def _once(cls, actions: tuple[TwoPerson, ...]) -> tuple[TwoPerson, ...]:
        if twice := sorted({each for each in actions if actions.count(each) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return actions
