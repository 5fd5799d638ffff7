"""Who holds what: written out once more, by hand."""

from __future__ import annotations

import pytest

from core.access.roles import Actor, Permission, Role, needed_roles, told_roles

P, R = Permission, Role
HELD = {
    P.VIEW: {R.VIEWER, R.TRADER, R.RISK, R.ADMIN},
    P.HALT: {R.TRADER, R.RISK, R.ADMIN},
    P.REDUCE: {R.TRADER, R.RISK, R.ADMIN},
    P.OPERATE: {R.TRADER, R.ADMIN},
    P.TRADE: {R.TRADER, R.ADMIN},
    P.RESUME: {R.RISK, R.ADMIN},
    P.LIMITS: {R.RISK, R.ADMIN},
    P.AUDIT: {R.RISK, R.ADMIN},
    P.ADMINISTER: {R.ADMIN},
}


@pytest.mark.parametrize("permission", list(Permission))
def test_who_holds_a_permission(permission: Permission) -> None:
    """By the table above, and `needed_roles` says the same."""
    assert {role for role in Role if Actor("1", "x", role).may(permission)} == HELD[permission]
    assert set(needed_roles(permission)) == HELD[permission]


def test_a_role_of_an_account_counts_there_alone() -> None:
    """More there, less there, or nothing at all; elsewhere the base role."""
    tess = Actor("1", "Tess", R.TRADER, {"fund": R.VIEWER, "lab": R.ADMIN, "secret": None})
    assert [tess.may(P.REDUCE, account) for account in ("", "paper", "fund", "lab", "secret")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert [tess.sees(account) for account in ("paper", "fund", "lab", "secret")] == [True, True, True, False]
    assert tess.may(P.RESUME, "lab")
    assert not tess.may(P.RESUME)
    assert tess.may_somewhere(P.RESUME)
    assert not Actor("2", "Vi", R.VIEWER, {"lab": R.TRADER}).may_somewhere(P.RESUME)


def test_what_changes_the_house_needs_every_account() -> None:
    """A base role must not reach into an account where it was taken away; halting may."""
    ada = Actor("1", "Ada", R.ADMIN, {"fund": R.VIEWER})
    assert not ada.may_in(P.RESUME, ())
    assert not ada.may_in(P.REDUCE, ())
    assert ada.may_in(P.HALT, ())
    assert ada.may_in(P.ADMINISTER, ())
    assert ada.may_in(P.RESUME, ("paper",))
    assert not ada.may_in(P.RESUME, ("paper", "fund"))
    assert not Actor("2", "Vi", R.VIEWER, {"paper": R.ADMIN}).may_in(P.RESUME, ())


def test_what_is_needed_is_told_in_words() -> None:
    """For the help and for refusals."""
    assert told_roles(P.VIEW) == "viewer"
    assert told_roles(P.REDUCE) == "trader, risk or admin"
    assert told_roles(P.RESUME) == "risk or admin"
    assert told_roles(P.ADMINISTER) == "admin"


def test_an_account_that_is_added_later_is_not_seen_by_somebody_of_one_account() -> None:
    """`*` stands for all that are not named; without it the role does."""
    guest = Actor("9", "Gus", Role.VIEWER, {"main": Role.TRADER, "*": None})
    assert guest.sees("main")
    assert guest.may(Permission.TRADE, "main")
    assert not guest.sees("opened tomorrow")
    assert not guest.may_in(Permission.REDUCE, ["main", "opened tomorrow"])
    assert Actor("9", "Gus", Role.VIEWER, {"main": Role.TRADER}).sees("opened tomorrow")
