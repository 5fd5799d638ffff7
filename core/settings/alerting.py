"""Who hears of which alert, and what happens when nobody answers."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from core.settings.section import Section

Channels = Literal["telegram", "email", "webhook", "apprise"]
_QUIET = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d\Z")


def as_text(value: object) -> object:
    """Names and ids alike as text."""
    return [str(each) for each in value] if isinstance(value, list | tuple) else value


class RouteSettings(Section):
    """Alerts from a severity on go to some people over some channels."""

    severity: Literal["INFO", "WARNING", "CRITICAL"] = Field("INFO", description="From this severity on.")
    to: tuple[str, ...] = Field(
        ("everyone",),
        min_length=1,
        description="everyone, house (what belongs to nobody), topics (of groups), a role, a name or an id.",
    )
    over: tuple[Channels, ...] = Field((), description="telegram, email, webhook, apprise; none: all that they have.")

    @field_validator("to", mode="before")
    @classmethod
    def _ids_as_text(cls, value: object) -> object:
        return as_text(value)


class EscalationSettings(Section):
    """How a CRITICAL alert goes on until somebody acknowledges it."""

    repeat_seconds: float = Field(60.0, ge=5, le=3600, description="After this long it is repeated over every channel.")
    next_person_seconds: float = Field(180.0, ge=10, le=7200, description="After this long the next person is called.")
    every_seconds: float = Field(300.0, ge=10, le=7200, description="The pause between all later repeats.")
    order: tuple[str, ...] = Field((), description="Who is called first, second …: names or ids; the others follow.")

    @field_validator("order", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return as_text(value)

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        if self.next_person_seconds <= self.repeat_seconds:
            raise ValueError("next_person_seconds must be more than repeat_seconds")
        return self


def checked_quiet_hours(value: str) -> str:
    """HH:MM-HH:MM, not empty. Raises `ValueError`."""
    if not _QUIET.match(value) or value[:5] == value[6:]:
        raise ValueError("quiet hours are written like 22:00-07:00")
    return value
