"""Roles and permissions. A command declares one permission; a role holds a fixed set, and may differ by account."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a person is trusted with. Not a ladder: a trader trades, a risk officer resumes and sets limits."""

    VIEWER = "viewer"
    TRADER = "trader"
    RISK = "risk"
    ADMIN = "admin"

    @property
    def label(self) -> str:
        """The word used in settings and in chat."""
        return self.value


class Permission(StrEnum):
    """What a command does, as far as trust is concerned."""

    VIEW = "view"  # look at anything
    HALT = "halt"  # stop everything
    REDUCE = "reduce"  # pause, stop, flatten, cancel: less risk afterwards
    OPERATE = "operate"  # start strategies, change their parameters
    TRADE = "trade"  # send orders by hand
    RESUME = "resume"  # trade again after a halt
    LIMITS = "limits"  # change limits
    AUDIT = "audit"  # read the audit trail
    ADMINISTER = "administer"  # people, jobs, what a person may never do to themselves


_HOLDS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.TRADER: frozenset(
        {Permission.VIEW, Permission.HALT, Permission.REDUCE, Permission.OPERATE, Permission.TRADE}
    ),
    Role.RISK: frozenset(
        {
            Permission.VIEW,
            Permission.HALT,
            Permission.REDUCE,
            Permission.RESUME,
            Permission.LIMITS,
            Permission.AUDIT,
        }
    ),
    Role.ADMIN: frozenset(Permission),
}  # fmt: skip

ELSEWHERE = "*"  # stands for every account that is not named, those that are added later included

_OF_THE_HOUSE = frozenset({Permission.VIEW, Permission.HALT, Permission.AUDIT, Permission.ADMINISTER})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person known by numeric Telegram id, the console, or the program itself.

    `role` counts in every account that `roles` does not name; None there: that account is not even seen.
    `ELSEWHERE` among `roles` is for all that are not named, in place of `role`.
    """

    id: str
    name: str
    role: Role
    roles: Mapping[str, Role | None] = field(default_factory=dict, hash=False)

    def role_in(self, account: str) -> Role | None:
        """The role in one account; None: it is not seen."""
        return self.roles.get(account, self.roles.get(ELSEWHERE, self.role))

    def may(self, permission: Permission, account: str = "") -> bool:
        """Whether this actor holds `permission` in an account; "" is the house as a whole: the base role counts."""
        role = self.role_in(account) if account else self.role
        return role is not None and permission in _HOLDS[role]

    def may_in(self, permission: Permission, accounts: Collection[str]) -> bool:
        """Whether it is held in each of `accounts`; without any, in the house.

        What changes the house reaches every account: then no account may have it taken away. Halting is no such thing.
        """
        if accounts:
            return all(self.may(permission, account) for account in accounts)
        everywhere = permission in _OF_THE_HOUSE or all(self.may(permission, account) for account in self.roles)
        return self.may(permission) and everywhere

    def may_somewhere(self, permission: Permission) -> bool:
        """Whether it is held in the house or in any account: then a command is worth showing."""
        return self.may(permission) or any(self.may(permission, account) for account in self.roles)

    def sees(self, account: str) -> bool:
        """Whether anything of an account is shown to this actor."""
        return self.may(Permission.VIEW, account)


CONSOLE = Actor("console", "console", Role.ADMIN)
SYSTEM = Actor("system", "Quarterdeck", Role.ADMIN)


def needed_roles(permission: Permission) -> tuple[Role, ...]:
    """The roles that hold `permission`."""
    return tuple(role for role in Role if permission in _HOLDS[role])


def told_roles(permission: Permission) -> str:
    """The same for people: `trader, risk or admin`; what every role holds needs just the first."""
    roles = [role.label for role in needed_roles(permission)]
    if len(roles) == len(Role):
        return roles[0]
    return " or ".join((", ".join(roles[:-1]), roles[-1])) if len(roles) > 1 else roles[0]
