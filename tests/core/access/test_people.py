"""People in the database: who counts, who wins, who may be changed by whom, and how a stranger gets in."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.audit import Audit
from core.access.pairing import Attempts, Invitations, new_code, read_code
from core.access.roles import CONSOLE, Actor, Role
from core.access.users import Users, actor_of
from core.clock import ManualClock
from core.errors import UserError
from core.events import Events, PeopleChanged
from core.service import Quarterdeck
from core.settings import UserSettings
from core.store.database import Database
from core.store.models import AuditLine, InvitationRow, PersonRow
from core.store.retention import purge

ADA = UserSettings(id=1, name="Ada", role=Role.ADMIN, email="ada@example.org")
TOM = UserSettings(id=2, name="Tom", role=Role.TRADER, accounts={"fund": None})
BO = UserSettings(id=3, name="Bo", role=Role.ADMIN)
STRANGER = 99


class House:
    """The real rooms on a real database, without a market."""

    def __init__(self, clock: ManualClock, people: Sequence[UserSettings] = (ADA, TOM)) -> None:
        self.clock = clock
        self.alerts: list[str] = []
        self.changes: list[PeopleChanged] = []
        self.noted: list[dict[int, str]] = []
        events = Events()
        events.subscribe(PeopleChanged, self._changed)
        self.users = Users(people, self._note)
        self.engine = SimpleNamespace(
            clock=clock, trading_clock=clock, audit=Audit(clock), users=self.users, invitations=Invitations(clock),
            events=events, alerts=self, settings=SimpleNamespace(accounts={"paper": None, "fund": None}),
        )  # fmt: skip
        self.service = Quarterdeck(self.engine)

    async def add(self, alert: object) -> None:
        self.alerts.append(alert.title)

    async def _changed(self, change: PeopleChanged) -> None:
        self.changes.append(change)

    async def _note(self, people: dict[int, str]) -> None:
        self.noted.append(dict(people))

    def actor(self, user_id: int) -> Actor:
        user = self.users.find(user_id)
        assert user
        return actor_of(user)

    def roles(self) -> dict[str, str]:
        return {user.name: user.role.label for user in self.users.people}


@pytest.fixture
async def house(database: Database, clock: ManualClock) -> House:
    made = House(clock)
    await made.users.load()
    return made


async def again(house: House, *people: UserSettings) -> tuple[House, tuple[str, ...]]:
    """The program started anew, perhaps with other settings."""
    made = House(house.clock, people or (ADA, TOM))
    return made, await made.users.load()


async def trail() -> list[str]:
    return [
        f"{line.actor}: {line.action}: {line.detail} {line.outcome}" for line in await AuditLine.all().order_by("seq")
    ]


# --- invitations ---------------------------------------------------------------------------------------


async def test_an_invited_stranger_is_a_user_at_once_and_after_a_restart(house: House) -> None:
    """The code works once; everyone hears of it, and the trail names both."""
    made = await house.service.invite("Bob", "trader", house.actor(1))
    assert await house.service.admit(made.code, STRANGER)
    assert house.roles() == {"Ada": "admin", "Tom": "trader", "Bob": "trader"}
    assert house.alerts == ["Bob has joined as trader"]
    assert [change.user_id for change in house.changes] == [STRANGER]
    assert house.noted[-1][STRANGER].startswith("trader")
    assert not await house.service.admit(made.code, 100)
    new, lost = await again(house)
    assert (new.roles(), lost) == (house.roles(), ())
    lines = await trail()
    assert any("Ada (1): invited: Bob as trader" in line for line in lines)
    assert any("Bob (99): joined: as trader, invited by Ada (1)" in line for line in lines)
    assert not any(made.code in line for line in lines)


async def test_of_a_hundred_who_send_a_code_at_once_one_gets_in(house: House) -> None:
    """A link that was passed on, or a client that sends twice."""
    made = await house.service.invite("Bob", "viewer", CONSOLE)
    house.engine.invitations._attempts.OF_ALL = 1000
    results = await asyncio.gather(*(house.service.admit(made.code, 100 + number) for number in range(100)))
    assert sum(results) == 1
    assert len(house.users.people) == 3


async def test_a_code_is_good_for_ten_minutes(house: House, clock: ManualClock) -> None:
    """To the second; and only its digest is stored."""
    made = await house.service.invite("Bob", "viewer", CONSOLE)
    (row,) = await InvitationRow.all()
    assert made.code not in repr({name: getattr(row, name) for name in row._meta.fields_map})
    clock.advance(timedelta(minutes=10).total_seconds())
    assert not await house.service.admit(made.code, STRANGER)
    other = await house.service.invite("Bob", "viewer", CONSOLE)
    clock.advance(timedelta(minutes=10).total_seconds() - 1)
    assert await house.service.admit(other.code, STRANGER)


async def test_a_second_invitation_voids_the_first_and_distrust_voids_them_all(house: House) -> None:
    """Whoever is no longer trusted has not invited anybody."""
    first = await house.service.invite("Bob", "viewer", house.actor(1))
    second = await house.service.invite("Bob", "viewer", house.actor(1))
    assert not await house.service.admit(first.code, STRANGER)
    await house.service.set_role("Tom", "admin", house.actor(1))
    await house.service.set_role("Ada", "viewer", house.actor(2))
    assert not await house.service.admit(second.code, STRANGER)
    assert STRANGER not in {user.id for user in house.users.people}


async def test_wrong_codes_are_soon_not_even_looked_at(house: House, clock: ManualClock) -> None:
    """Five by one stranger, sixty a minute by all; then the right one does not help either, until time has passed."""
    made = await house.service.invite("Bob", "viewer", CONSOLE)
    for _ in range(Attempts.OF_ONE):
        assert not await house.service.admit(new_code(), STRANGER)
    assert not await house.service.admit(made.code, STRANGER)
    for number in range(200):
        assert not await house.service.admit(new_code(), 1000 + number)
    assert not await house.service.admit(made.code, 5000)
    clock.advance(Attempts.ALL_SECONDS)
    assert await house.service.admit(made.code, 5000)
    assert len(house.engine.invitations._attempts._tried) <= Attempts.OF_ALL * 10


@given(st.binary(min_size=16, max_size=16))
def test_a_code_is_read_however_it_is_typed(seed: bytes) -> None:
    """As a link sends it, in small letters, in groups, with look-alikes; and nothing that lacks a letter is a code."""
    code = new_code(lambda _: seed)
    letters = code.removeprefix("join-")
    grouped = "-".join((letters[:5], letters[5:13], letters[13:]))
    for text in (f"/start {code}", code, f" {code.lower()} ", f"/start@some_bot {code}", f"join-{grouped}",
                 "join-" + letters.replace("0", "O").replace("1", "l")):  # fmt: skip
        assert read_code(text) == code, text
    for text in ("/start", letters, code[:-1], code + "x", f"/halt {code}", f"/start {code} now", "join-" + "U" * 26):
        assert read_code(text) == "", text


def test_a_code_holds_128_bits() -> None:
    """No bit is lost on the way, and it fits into a link."""
    assert new_code(lambda _: b"\xff" * 16) == "join-7" + "Z" * 25
    assert new_code(lambda _: bytes(16)) == "join-" + "0" * 26
    assert len({new_code() for _ in range(1000)}) == 1000
    assert len(new_code()) <= 64


async def test_an_invitation_to_one_account_shows_nothing_else(house: House) -> None:
    """The others are hidden, and the house is only looked at."""
    made = await house.service.invite("Bob", "trader", CONSOLE, "fund")
    assert await house.service.admit(made.code, STRANGER)
    bob = house.actor(STRANGER)
    assert (bob.role, bob.role_in("fund"), bob.sees("paper")) == (Role.VIEWER, Role.TRADER, False)


async def test_old_invitations_are_deleted(house: House, clock: ManualClock) -> None:
    """A week after they were good; a used one, too."""
    await house.service.invite("Bob", "viewer", CONSOLE)
    await purge(clock.now() + timedelta(days=7))
    assert await InvitationRow.all().count() == 1
    await purge(clock.now() + timedelta(days=7, minutes=11))
    assert await InvitationRow.all().count() == 0


@pytest.mark.parametrize(
    ("name", "role", "account", "words"),
    [
        ("ada", "viewer", "", "There is a ada already"),
        ("7", "viewer", "", "is no number"),
        ("x" * 61, "viewer", "", "1 to 60"),
        ("a\u202eb", "viewer", "", "1 to 60"),
        ("Bob", "boss", "", "viewer, trader, risk, admin"),
        ("Bob", "none", "", "Nobody is invited to see nothing"),
        ("Bob", "viewer", "found", "Did you mean fund?"),
    ],
)
async def test_an_invitation_that_makes_no_sense(house: House, name: str, role: str, account: str, words: str) -> None:
    """Is refused before a code exists."""
    with pytest.raises(UserError, match=words):
        await house.service.invite(name, role, CONSOLE, account)
    assert await InvitationRow.all().count() == 0


# --- roles and removal ---------------------------------------------------------------------------------


async def test_a_changed_role_counts_at_once_and_stays(house: House) -> None:
    """Everyone is told; the settings keep the e-mail address; hidden accounts stay hidden."""
    result = await house.service.set_role("tom", "risk", house.actor(1))
    assert result.ok
    tom = house.users.find(2)
    assert tom
    assert (tom.role, tom.accounts) == (Role.RISK, {"fund": None})
    assert house.alerts == ["Tom is now risk, nothing in fund"]
    assert "by Ada" in house.changes[-1].told
    new, _ = await again(house, ADA, TOM.model_copy(update={"email": "tom@example.org", "time_zone": "Europe/Berlin"}))
    tom = new.users.find(2)
    assert tom
    assert (tom.role, tom.email, tom.time_zone) == (Role.RISK, "tom@example.org", "Europe/Berlin")


async def test_a_role_in_one_account_leaves_the_others(house: House) -> None:
    """And a role everywhere ends the exceptions, but for what is hidden."""
    await house.service.set_role("Tom", "viewer", CONSOLE, "paper")
    tom = house.users.find(2)
    assert tom
    assert (tom.role, tom.accounts) == (Role.TRADER, {"fund": None, "paper": Role.VIEWER})
    await house.service.set_role("Tom", "none", CONSOLE, "paper")
    assert not house.actor(2).sees("paper")
    await house.service.set_role("Tom", "trader", CONSOLE, "paper")
    await house.service.set_role("Tom", "viewer", CONSOLE)
    assert house.users.find(2).accounts == {"fund": None}


async def test_the_last_admin_stays(house: House) -> None:
    """Not even the console removes them; refused, and on the trail."""
    for result in (
        await house.service.set_role("Ada", "viewer", CONSOLE),
        await house.service.remove_person("1", CONSOLE),
    ):
        assert not result.ok
        assert "last admin" in result.message
    assert house.roles()["Ada"] == "admin"
    assert [line for line in await trail() if "refused" in line]
    assert house.alerts == []


async def test_nobody_takes_their_own_trust_away(house: House) -> None:
    """With two admins each may remove the other, never themselves."""
    await house.service.set_role("Tom", "admin", house.actor(1))
    for call in (
        house.service.set_role("Ada", "trader", house.actor(1)),
        house.service.remove_person("Ada", house.actor(1)),
    ):
        assert "cannot" in (await call).message
    assert (await house.service.remove_person("Ada", house.actor(2))).ok
    assert house.roles() == {"Tom": "admin"}


async def test_two_admins_who_remove_each_other_at_once_leave_one(house: House) -> None:
    """Both were allowed when they asked."""
    await house.service.set_role("Tom", "admin", house.actor(1))
    ada, tom = house.actor(1), house.actor(2)
    results = await asyncio.gather(
        house.service.remove_person("Tom", ada), house.service.remove_person("Ada", tom), return_exceptions=True
    )
    assert len(house.users.admins) == 1
    assert sum(getattr(each, "ok", False) for each in results) == 1


async def test_a_removed_person_is_gone_for_good_but_may_be_invited_anew(house: House) -> None:
    """Also one whom the settings name."""
    await house.service.remove_person("Tom", house.actor(1))
    assert house.users.find(2) is None
    new, lost = await again(house)
    assert (new.users.find(2), lost) == (None, ())
    made = await new.service.invite("Tommy", "viewer", new.actor(1))
    assert await new.service.admit(made.code, 2)
    assert new.users.find(2).role is Role.VIEWER


async def test_a_name_that_two_have_needs_a_number(database: Database, clock: ManualClock) -> None:
    """Nothing is guessed."""
    house = House(clock, (ADA, TOM, TOM.model_copy(update={"id": 4})))
    await house.users.load()
    with pytest.raises(UserError, match="say one of the numbers 2, 4"):
        await house.service.set_role("Tom", "viewer", CONSOLE)
    assert (await house.service.set_role("4", "viewer", CONSOLE)).ok
    made = await house.service.invite("Bob Trader", "viewer", CONSOLE)
    await house.service.admit(made.code, STRANGER)
    assert house.users.named("bob").id == STRANGER
    with pytest.raises(UserError, match="Did you mean Tom"):
        await house.service.remove_person("Tim", CONSOLE)


async def test_a_change_that_cannot_be_stored_changes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row, the audit line and the alert are one commit; memory follows the commit."""

    async def full(_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(house, "add", full)
    with pytest.raises(OSError, match="full"):
        await house.service.set_role("Tom", "admin", house.actor(1))
    assert house.roles()["Tom"] == "trader"
    assert await PersonRow.all().count() == 0
    assert await trail() == []


# --- settings and chat ---------------------------------------------------------------------------------


async def test_settings_that_have_changed_since_win(house: House) -> None:
    """A role that was changed in the file counts more than one from chat before; who was taken out is out."""
    await house.service.set_role("Tom", "admin", house.actor(1))
    made = await house.service.invite("Bob", "trader", house.actor(1))
    await house.service.admit(made.code, STRANGER)
    promoted = TOM.model_copy(update={"role": Role.RISK})
    bob = UserSettings(id=STRANGER, name="Robert", role=Role.VIEWER)
    new, lost = await again(house, ADA, promoted, bob)
    assert new.roles() == {"Ada": "admin", "Tom": "risk", "Robert": "viewer"}
    assert [line.split(":")[0] for line in sorted(lost)] == ["Bob (99)", "Tom (2)"]
    assert await PersonRow.all().count() == 0
    newer, lost = await again(house, ADA)
    assert (newer.roles(), lost) == ({"Ada": "admin"}, ())


async def test_somebody_taken_out_of_the_settings_is_out_whatever_chat_said(house: House) -> None:
    """A changed role from chat does not keep them in."""
    await house.service.set_role("Tom", "admin", house.actor(1))
    new, _ = await again(house, ADA)
    assert new.roles() == {"Ada": "admin"}


async def test_there_is_always_an_admin(database: Database, clock: ManualClock) -> None:
    """Ada was demoted from chat by Bo, and then Bo left the settings: the settings' admin is admin again."""
    house = House(clock, (ADA, BO))
    await house.users.load()
    await house.service.set_role("Ada", "viewer", house.actor(3))
    new, lost = await again(house, ADA)
    assert new.roles() == {"Ada": "admin"}
    assert len(lost) == 1


async def test_followers_hear_of_everybody_now_and_after_each_change(house: House) -> None:
    """So no copy of the list is ever older than the list."""
    seen: list[set[str]] = []
    house.users.follow(lambda people: seen.append({user.name for user in people}))
    await house.service.remove_person("Tom", house.actor(1))
    assert seen == [{"Ada", "Tom"}, {"Ada"}]
