"""Alerts: lists of them, one with its deliveries, and what is muted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.alerts.channel import Message, Standing


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert and how far it has got; `severity` is INFO, WARNING or CRITICAL."""

    id: int
    severity: str
    title: str
    body: str
    at: datetime
    delivered: int
    waiting: int
    account: str = ""
    strategy: str = ""
    standing: Standing | None = None  # how a CRITICAL one stands
    repeats: int = 0
    muted: int | None = None  # the mute or maintenance window that kept it back


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery of an alert: to whom, over what, and how it went. `told` are its status and note in words."""

    person: str
    channel: str
    step: int
    told: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertCard:
    """One alert in full. `message` is what was sent; `next_at` is when it is repeated or comes back, if it is."""

    row: AlertRow
    message: Message
    body: str
    deliveries: tuple[DeliveryLine, ...]
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Muting:
    """What keeps alerts back: `what` in words, `kept` how many so far by kind."""

    id: int
    is_window: bool
    what: str
    reason: str
    owner: str
    begun_at: datetime
    ends_at: datetime
    kept: Mapping[str, int]
