"""Who may use the bot: inviting, changing and removing people while the program runs.

What protects the house here: the last admin stays, nobody takes their own trust away, an invitation dies with the trust
of the one who gave it, and every change is told to everyone. Each change is one commit with its audit line and alert.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.access.audit import printable, who
from core.access.pairing import Invited
from core.access.roles import ELSEWHERE, Actor, Role
from core.access.users import Users, actor_of, roles_as_words, shown
from core.actions.acting import Acting
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.errors import UnknownName, UserError
from core.events import PeopleChanged
from core.settings import UserSettings
from core.store.models import PersonRow
from core.views import ActionResult, InvitationView, PersonView

_LONGEST_NAME = 60


class PeopleActions(Acting):
    """What may be done about people."""

    async def people(self) -> tuple[PersonView, ...]:
        """Everyone who may use the bot, admins first."""
        users = self._engine.users
        order = list(reversed(Role))
        found = sorted(users.people, key=lambda user: (order.index(user.role), user.name.casefold()))
        return tuple(_view(user, users.row(user.id)) for user in found)

    def trust_after(self, name: str, role: str, account: str = "") -> tuple[UserSettings, str, str]:
        """Somebody, what they are trusted with, and what it would be. Raises `UserError` for what makes no sense."""
        user = self._engine.users.named(name)
        after = self._trust_given(user.accounts, user.role, role, account)
        return user, shown(user.role, user.accounts), shown(*after)

    def check_invitation(self, name: str, role: str, account: str = "") -> str:
        """What an invited person would be trusted with. Raises `UserError` for what makes no sense."""
        self._check_new_name(name)
        return shown(*self._new_trust(role, account))

    async def invite(self, name: str, role: str, actor: Actor, account: str = "") -> InvitationView:
        """A one-time code that makes the first who sends it a user. Raises `UserError`."""
        engine = self._engine
        self._check_new_name(name)
        base, accounts = self._new_trust(role, account)
        async with engine.users.changing():
            code, until = await engine.invitations.add(name, base, accounts, who(actor))
            await engine.audit.record(actor, "invited", f"{name} as {shown(base, accounts)}, until {until:%H:%M} UTC")
        return InvitationView(name, shown(base, accounts), code, until)

    async def admit(self, code: str, user_id: int) -> bool:
        """Let a stranger in who has sent a code. False, and silence, unless it is a good one."""
        engine = self._engine
        async with engine.users.changing():
            invited = await engine.invitations.take(code, user_id)
            if invited is not None:
                await self._store_person(self._newcomer(invited, user_id), invited.by)
                newcomer, trust = f"{invited.name} ({user_id})", shown(invited.role, invited.accounts)
                await engine.audit.record(newcomer, "joined", f"as {trust}, invited by {invited.by}")
                await self._tell_of_person(f"{invited.name} has joined as {trust}", f"Invited by {invited.by}.")
        if invited is None:
            return False
        await self._people_changed(user_id)
        return True

    async def set_role(self, name: str, role: str, actor: Actor, account: str = "") -> ActionResult:
        """Trust somebody with more or less; in one account only, if one is named. Raises `UserError`."""
        engine, refusal = self._engine, ""
        async with engine.users.changing():
            user = engine.users.named(name)
            base, accounts = self._trust_given(user.accounts, user.role, role, account)
            before, after = shown(user.role, user.accounts), shown(base, accounts)
            refusal = _refusal(engine.users, user, actor, stays_admin=base is Role.ADMIN)
            if not refusal and before != after:
                changed = user.model_copy(update={"role": base, "accounts": accounts})
                await self._store_person(changed, who(actor))
                await self._distrust(user)
                await engine.audit.record(actor, "set role", f"{_named(user)}: {before} -> {after}")
                await self._tell_of_person(f"{user.name} is now {after}", f"Was {before}. Changed by {actor.name}.")
        if refusal:
            return await self._failed(actor, "set role", refusal)
        if before == after:
            return await self._done(actor, "set role", _named(user), False, "", f"{user.name} is {after} already.")
        await self._people_changed(user.id, f"You are now {after} here (was {before}), by {actor.name}. See /help.")
        return ActionResult(True, f"{user.name} is now {after}. It counts from this moment.")

    async def remove_person(self, name: str, actor: Actor) -> ActionResult:
        """Let somebody use the bot no more. Raises `UserError`."""
        engine = self._engine
        async with engine.users.changing():
            user = engine.users.named(name)
            refusal = _refusal(engine.users, user, actor, stays_admin=False, verb="remove")
            if not refusal:
                await self._store_person(user, who(actor), removed=True)
                await self._distrust(user)
                await engine.audit.record(actor, "removed", f"{_named(user)}, was {shown(user.role, user.accounts)}")
                await self._tell_of_person(f"{user.name} has been removed", f"By {actor.name}.")
        if refusal:
            return await self._failed(actor, "removed", refusal)
        await self._people_changed(user.id, f"{actor.name} has removed you: I do not answer you any more.")
        return ActionResult(True, f"{user.name} is removed: the bot does not answer them any more.")

    async def set_time_zone(self, name: str, user_id: int, actor: Actor) -> ActionResult:
        """Show times in another zone to this person from now on. Raises `UserError`."""
        await self._engine.users.move_to(user_id, name)
        return await self._done(actor, "time zone", name, True, f"Times are shown in {name} from now on.", "")

    # --- how ---------------------------------------------------------------------------------------

    async def _store_person(self, user: UserSettings, by: str, *, removed: bool = False) -> None:
        """Put a person into the table as they are from now on."""
        now, row = self._engine.clock.now(), self._engine.users.row(user.id)
        values = {
            "name": user.name,
            "role": user.role.label,
            "accounts": roles_as_words(user.accounts),
            "time_zone": user.time_zone,
            "removed": removed,
            "settings_said": self._engine.users.said(user.id),
            "added_by": row.added_by if row else by,
            "added_at": row.added_at if row else now,
            "changed_by": by,
            "changed_at": now,
        }
        await PersonRow.update_or_create(user_id=user.id, defaults=values)

    async def _distrust(self, user: UserSettings) -> None:
        """Whom somebody has invited under the trust that they had before stays out. Their buttons die by `Rights`."""
        await self._engine.invitations.withdraw(who(actor_of(user)))

    async def _tell_of_person(self, title: str, body: str) -> None:
        remedy = "If you do not know of this, /halt, and look at /users and /audit."
        await self._engine.alerts.add(Alert("people", Severity.WARNING, title, f"{body}\n{remedy}"))

    async def _people_changed(self, user_id: int, told: str = "") -> None:
        await self._engine.events.publish(PeopleChanged(self._engine.trading_clock.now(), user_id, told))

    def _newcomer(self, invited: Invited, user_id: int) -> UserSettings:
        return UserSettings(id=user_id, name=invited.name, role=invited.role, accounts=dict(invited.accounts))

    def _check_new_name(self, name: str) -> None:
        if not 0 < len(name) <= _LONGEST_NAME or printable(name) != name or name.isdigit():
            raise UserError(f"A name has 1 to {_LONGEST_NAME} letters and is no number.")
        if any(user.name.casefold() == name.casefold() for user in self._engine.users.people):
            raise UserError(f"There is a {name} already. /role changes what they may do.")

    def _new_trust(self, role: str, account: str) -> tuple[Role, dict[str, Role | None]]:
        """A new person's role; with an account they see nothing but that, whatever accounts are added later."""
        given = _role(role)
        if given is None:
            raise UserError("Nobody is invited to see nothing. Name a role.")
        if not account:
            return given, {}
        return Role.VIEWER, {self._known_account(account): given, ELSEWHERE: None}

    def _trust_given(
        self, accounts: Mapping[str, Role | None], base: Role, role: str, account: str
    ) -> tuple[Role, dict[str, Role | None]]:
        """A role everywhere, but for accounts that are hidden; or in one account, all else as it is."""
        given = _role(role)
        if account:
            return base, {**accounts, self._known_account(account): given}
        if given is None:
            raise UserError("Name an account with none, or /remove the person.")
        return given, {each: role for each, role in accounts.items() if role is None}

    def _known_account(self, name: str) -> str:
        if name not in self._engine.settings.accounts:
            raise UnknownName("account", name, self._engine.settings.accounts)
        return name


def _refusal(users: Users, user: UserSettings, actor: Actor, *, stays_admin: bool, verb: str = "demote") -> str:
    """Why this person may not lose their trust; empty if they may."""
    if user.role is not Role.ADMIN or stays_admin:
        return ""
    if actor.id == str(user.id):
        return f"You cannot {verb} yourself: ask another admin."
    if len(users.admins) == 1:
        return f"{user.name} is the last admin: make somebody else admin first."
    return ""


def _role(word: str) -> Role | None:
    """A role by name; None for `none`. Raises `UserError`."""
    if word.lower() == "none":
        return None
    try:
        return Role(word.lower())
    except ValueError:
        raise UserError(f"A role is one of {', '.join(role.label for role in Role)}, not “{word[:30]}”.") from None


def _named(user: UserSettings) -> str:
    return f"{user.name} ({user.id})"


def _view(user: UserSettings, row: PersonRow | None) -> PersonView:
    return PersonView(
        id=user.id,
        name=user.name,
        role=user.role.label,
        trust=shown(user.role, user.accounts),
        time_zone=user.time_zone,
        changed_by=row.changed_by if row else "",
        changed_at=row.changed_at if row else None,
    )
