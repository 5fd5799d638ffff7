"""A person's own time zone counts over what the settings say, and survives a restart."""

from __future__ import annotations

import pytest

from core.access.roles import Role
from core.access.users import Users
from core.errors import UserError
from core.settings import UserSettings
from core.store.database import Database

ADA = UserSettings(id=1, name="Ada", role=Role.ADMIN, time_zone="UTC")


async def test_a_chosen_zone_counts_at_once_and_after_a_restart(database: Database) -> None:
    """For this person alone; whoever follows the list is told."""
    bob = UserSettings(id=2, name="Bob", role=Role.VIEWER, time_zone="UTC")
    users, told = Users([ADA, bob]), []
    await users.load()
    users.follow(lambda people: told.append({user.id: user.time_zone for user in people}))
    await users.move_to(1, "Europe/Berlin")
    assert told[-1] == {1: "Europe/Berlin", 2: "UTC"}
    again = Users([ADA, bob])
    await again.load()
    assert {user.id: user.time_zone for user in again.people} == {1: "Europe/Berlin", 2: "UTC"}
    assert again.find(1).role is Role.ADMIN  # type: ignore[union-attr]


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "Mars", "", "../etc/passwd"])
async def test_an_unknown_zone_is_refused_and_changes_nothing(database: Database, zone: str) -> None:
    """With a suggestion where there is one."""
    users = Users([ADA])
    await users.load()
    with pytest.raises(UserError, match=r"Europe/Berlin|Did you mean"):
        await users.move_to(1, zone)
    assert users.find(1).time_zone == "UTC"  # type: ignore[union-attr]
