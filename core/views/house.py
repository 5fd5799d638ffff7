"""Behind the scenes: jobs, audit trail, health, people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class JobRow:
    """One scheduled job: what it does, when it ran and runs next, how the last run ended.

    `usual` is the program's own schedule where somebody (`changed_by`) has given it another. `added_by` names who
    added it. `guards`: safety depends on it. `interval`: it runs so many seconds apart, not at a time of day.
    """

    name: str
    title: str
    schedule: str
    enabled: bool
    next_at: datetime | None
    last_at: datetime | None
    last_outcome: str
    usual: str = ""
    changed_by: str = ""
    added_by: str = ""
    guards: bool = False
    interval: bool = False


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit trail."""

    seq: int
    at: datetime
    actor: str
    action: str
    detail: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One part of the program: is it well, and a figure or sentence to show why."""

    part: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody who may use the bot; `changed_by` is empty if all comes from the settings."""

    id: int
    name: str
    role: str
    trust: str
    time_zone: str
    changed_by: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class InvitationView:
    """A one-time code for somebody: show it to nobody else."""

    name: str
    trust: str
    code: str = field(repr=False)
    until: datetime
