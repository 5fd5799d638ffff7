"""What a person must pass before a command runs: still here, not too fast, allowed in every account that it touches.

Any fault in here denies. A halt alone is let through where nothing but the role speaks against it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from bot import notices
from bot.command import Call, Command
from bot.people import CONSOLE_ID, Caller, Directory
from bot.screen import Screen
from core.access.audit import Audit
from core.access.rates import Kind, Rates
from core.access.roles import Permission
from core.errors import UserError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not run: for the person (None: they were told a moment ago) and for the trail."""

    screen: Screen | None
    why: str = ""


class Checks:
    """Looks, and says no. Nothing here changes anything but the count of what was asked."""

    def __init__(self, people: Directory, rates: Rates, audit: Audit) -> None:
        self._people = people
        self._rates = rates
        self._audit = audit

    def too_fast(self, caller: Caller, command: Command | None) -> Refusal | None:
        """Whether this person asks more than they may; a halt never counts for who may halt, nor does the console."""
        if caller.user_id == CONSOLE_ID or _overtakes(caller, command):
            return None
        wait = self._rates.ask(caller.user_id, _kind(command))
        if wait is None:
            return None
        screen = notices.slow_down(wait.seconds) if wait.tell else None
        return Refusal(screen, "too fast" if wait.first else "")

    def still_here(self, caller: Caller) -> Caller | None:
        """The same person with what they may now; None once they are nobody any more."""
        return caller if caller.user_id == CONSOLE_ID else self._people.find(caller.user_id, caller.chat_id)

    async def not_allowed(self, call: Call) -> Refusal | None:
        """Whether the role is not enough, in the house or in an account that would be touched."""
        actor, command = call.actor, call.command
        if not actor.may_somewhere(command.permission):
            return Refusal(notices.denied(actor, command), "role is not enough")
        accounts = await self._touched(call)
        if accounts is None or actor.may_in(command.permission, accounts):
            return None
        if not accounts:
            return Refusal(_in_the_house(call), "role is not enough")
        account = next(each for each in sorted(accounts) if not actor.may(command.permission, account=each))
        if not actor.sees(account):  # they must not even learn that there is such a thing
            raise UserError(f"There is no {call.args[0][:60] if call.args else account} here.")
        return Refusal(notices.denied_in(account, command), f"role is not enough in {account}")

    async def _touched(self, call: Call) -> Collection[str] | None:
        """The accounts that a call touches; a halt whose accounts cannot be told is one of the house."""
        if call.command.accounts is None:
            return ()
        try:
            return await call.command.accounts(call)
        except Exception:
            if not call.command.urgent:
                raise
            _log.exception("the accounts of a halt cannot be told: it counts as one of the house")
            return ()


def _overtakes(caller: Caller, command: Command | None) -> bool:
    """Whether it is a halt by somebody who may: only theirs is worth more than a limit."""
    return command is not None and command.urgent and caller.actor.may_somewhere(command.permission)


def _kind(command: Command | None) -> Kind:
    if command is None or not command.changes:
        return Kind.LOOK
    return Kind.ORDER if command.permission is Permission.TRADE else Kind.COMMAND


def _in_the_house(call: Call) -> Screen:
    if call.actor.may(call.command.permission):
        return notices.denied_in_the_house(call.command)
    return notices.denied(call.actor, call.command)
