"""The port of alert channels: the outbox delivers through it; `bot.channels` implements it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How grave an alert is; graver ones are delivered first."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """2 for the gravest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery: one alert, or several of the same kind grouped into one message.

    `lines` holds each alert's body; `ids` their numbers, shown so that a duplicate can be recognised.
    `attachment` names a report to attach ("day", "week"), empty for none. `plain` asks for bare text: as it was,
    the channel could not show it.
    """

    ids: tuple[int, ...]
    kind: str
    severity: Severity
    title: str
    lines: tuple[str, ...]
    at: datetime
    attachment: str = ""
    plain: bool = False


class ChannelDown(Exception):
    """Not delivered for now (network, 5xx, 429): the alert stays. `retry_after` in seconds if told."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class ChannelRefused(Exception):
    """This recipient can never be reached this way (blocked, unknown chat)."""


class Channel(Protocol):
    """Delivers a message to one recipient."""

    name: str

    async def deliver(self, recipient: str, message: Message) -> None:
        """Return once accepted. Raises `ChannelDown` or `ChannelRefused`."""
        ...
