"""What was written before a halt, and would be run after it only because the halt was let through first.

`/run` and then `/halt` must not end with the strategy running, in whatever order they are worked off.
"""

from __future__ import annotations

from bot import notices
from bot.command import Command, Registry
from bot.dispatch import Answer, Outcome
from bot.keyboard import Spend, read_data
from bot.people import Caller
from core.access.audit import Audit
from core.access.roles import Permission
from core.access.tickets import Tickets
from core.access.totp import is_code

_SAFER = frozenset({Permission.HALT, Permission.REDUCE})


def makes_safer(command: Command) -> bool:
    """Whether a command can only lower the risk."""
    return command.urgent or command.permission in _SAFER


class Overtaken:
    """Refuses them, with a way to run them all the same. A ticket is not used up: its button still works."""

    def __init__(self, registry: Registry, tickets: Tickets, audit: Audit) -> None:
        self._registry = registry
        self._tickets = tickets
        self._audit = audit

    async def line(self, caller: Caller, text: str) -> Answer | None:
        """The answer to a typed command that was overtaken; None if it may run all the same."""
        if is_code(text):  # it would run what waits for it, after the halt
            await self._note(caller, "code")
            return Answer.of(notices.overtaken_code(), Outcome.REFUSED)
        words = text.split()
        command = self._registry.find(words[0].removeprefix("/").partition("@")[0].lower()) if words else None
        if command is None or not command.changes or makes_safer(command):
            return None
        await self._note(caller, f"/{command.name}")
        return Answer.of(notices.overtaken(command, tuple(words[1:])), Outcome.REFUSED)

    async def press(self, caller: Caller, data: str) -> Answer | None:
        """The same for a press."""
        meant = read_data(data)
        if not isinstance(meant, Spend) or meant.urgent:
            return None
        found = await self._tickets.look(meant.nonce)
        command = self._registry.find(found[0].action) if found else None
        if command is None or not command.changes or makes_safer(command):
            return None
        await self._note(caller, "press")
        return Answer.of(notices.overtaken_press(), Outcome.REFUSED)

    async def _note(self, caller: Caller, action: str) -> None:
        await self._audit.record(caller.actor, action, "overtaken by a halt or a reduction", Outcome.REFUSED)
