"""Roles and permissions. A command declares one permission; a role holds a fixed set of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Role(IntEnum):
    """What a person is trusted with; each role may do all that the one before may."""

    VIEWER = 1
    TRADER = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The word used in settings and in chat."""
        return self.name.lower()


class Permission(StrEnum):
    """What a command does, as far as trust is concerned."""

    VIEW = "view"  # look at anything
    HALT = "halt"  # stop everything
    OPERATE = "operate"  # start, pause, stop and flatten strategies
    ADMINISTER = "administer"  # resume after a halt, change schedules, read the audit trail


_NEEDS = {
    Permission.VIEW: Role.VIEWER,
    Permission.HALT: Role.TRADER,
    Permission.OPERATE: Role.TRADER,
    Permission.ADMINISTER: Role.ADMIN,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person known by numeric Telegram id, the console, or the program itself."""

    id: str
    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether this actor's role holds `permission`."""
        return self.role >= _NEEDS[permission]


CONSOLE = Actor("console", "console", Role.ADMIN)
SYSTEM = Actor("system", "Quarterdeck", Role.ADMIN)


def needed_role(permission: Permission) -> Role:
    """The lowest role that holds `permission`."""
    return _NEEDS[permission]
