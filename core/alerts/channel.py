"""The port of alert channels: the outbox delivers through it; `bot.channels` implements it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Severity(StrEnum):
    """How grave an alert is; graver ones are delivered first."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """2 for the gravest."""
        return list(Severity).index(self)


class Status(StrEnum):
    """How a CRITICAL alert stands. Only OPEN ones are repeated; a snoozed one comes back as OPEN."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a CRITICAL alert stands.

    Who answered it and when, until when it is snoozed, since when and why its cause is over.
    """

    status: Status
    by: str = ""
    at: datetime | None = None
    until: datetime | None = None
    ended: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery: one alert, or several grouped into one message.

    `lines` holds each alert's body; `ids` their numbers, shown so that a duplicate can be recognised.
    `attachment` names a report to attach ("day", "week"), empty for none. `plain` asks for bare text: as it was,
    the channel could not show it. `step` is 0 the first time and n for the n-th repeat of an alert that nobody has
    answered. `digest`: these alerts are told later, all in one. `standing` is that of a CRITICAL alert, else None.
    """

    ids: tuple[int, ...]
    kind: str
    severity: Severity
    title: str
    lines: tuple[str, ...]
    at: datetime
    attachment: str = ""
    plain: bool = False
    account: str = ""
    strategy: str = ""
    step: int = 0
    digest: bool = False
    standing: Standing | None = None


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

    async def deliver(self, recipient: str, message: Message) -> str:
        """Return once accepted, with a reference of the copy ("" if it can never be changed).

        Raises `ChannelDown` or `ChannelRefused`; any other error is about this one message.
        """
        ...


@runtime_checkable
class Revisable(Protocol):
    """A channel that can change what it has delivered: every copy then shows who has answered."""

    async def revise(self, recipient: str, copy: str, message: Message) -> None:
        """Put `message` in the place of `copy`, as `deliver` named it; one that is gone is no error.

        Raises `ChannelDown` or `ChannelRefused`.
        """
        ...
