"""Commands: each declares its permission and registers itself; nothing else can be run from chat."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, get_args
from zoneinfo import ZoneInfo

from bot.html import Html
from bot.screen import Screen
from core.access.roles import Actor, Permission
from core.errors import UserError, near
from core.service import Quarterdeck
from core.settings.security import TwoPerson

if TYPE_CHECKING:
    from bot.approving import Approving

FRESH_SECONDS = 30
_NAME = re.compile(r"[a-z0-9_]{1,32}\Z")


class Origin(StrEnum):
    """How a command came in."""

    MESSAGE = "message"
    PRESS = "press"


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a command by someone who may use it."""

    actor: Actor
    chat_id: int
    message_id: int
    args: tuple[str, ...]
    text: str
    service: Quarterdeck
    now: datetime
    time_zone: ZoneInfo
    origin: Origin
    command: Command
    approving: Approving | None = None

    @property
    def registry(self) -> Registry:
        """All commands, for the help text."""
        return REGISTRY

    def wrong(self, problem: str) -> UserError:
        """An answer to arguments that make no sense: the problem, and how the command is used."""
        return UserError(f"{problem}\nUse it like this: {self.command.form}")


class Unclear(UserError):
    """Words that make no sense, and what could be meant: all the words that a button would send instead."""

    def __init__(self, problem: str, options: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(problem)
        self.options = dict(options)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before a dangerous command runs: the exact effect, and the label of the yes button.

    `fingerprint` is what must not have changed when a second person approves it; without one the text must not.
    `args` is what the yes carries in place of the words that were typed: what exactly it is bound to.
    """

    text: Html
    yes: str
    fingerprint: str = ""
    args: tuple[str, ...] | None = None


Handler = Callable[[Call], Awaitable[Screen]]
Asker = Callable[[Call], Awaitable[Question | None]]
Scope = Callable[[Call], Awaitable[Collection[str] | None]]
Wants = Callable[[Call], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as registered.

    `stale_after` seconds after it was written a message is no longer run. `changes` says that it does more
    than look. `urgent` ones overtake everything. `takes` is the largest number of words after the name
    (None: free text). `ask` puts a question first; without its confirmation the handler is not reached.
    `trace` names the actions that it leaves in the audit trail.

    `accounts` finds the accounts that a call touches, in each of which the permission is needed: none of them is the
    house as a whole, and None means that nothing is touched yet (a list to choose from). `step_up` asks for a code
    after the question, always or where it says so. `approval` names what a second person may have to approve.
    `details` is what /help says besides. `draws` says that a picture is (mostly) its answer.
    """

    name: str
    title: str
    permission: Permission
    handler: Handler
    aliases: tuple[str, ...] = ()
    usage: str = ""
    stale_after: int = FRESH_SECONDS
    changes: bool = False
    urgent: bool = False
    takes: int | None = 0
    hidden: bool = False
    ask: Asker | None = field(default=None)
    trace: tuple[str, ...] = ()
    accounts: Scope | None = field(default=None)
    step_up: bool | Wants = False
    approval: TwoPerson | None = None
    details: str = ""
    draws: bool = False

    @property
    def form(self) -> str:
        """How it is typed."""
        return f"/{self.name} {self.usage}".strip()


class Registry:
    """Commands by name and alias."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self._names: dict[str, str] = {}

    def __iter__(self) -> Iterator[Command]:
        return iter(sorted(self._commands.values(), key=lambda command: command.name))

    def add(self, command: Command) -> None:
        """Register; a missing permission or a name used twice is a programming error and raises."""
        if not isinstance(command.permission, Permission):
            raise TypeError(f"/{command.name} needs a permission, not {command.permission!r}")
        if command.urgent and (command.ask or command.step_up or command.approval):
            raise ValueError(f"/{command.name} is urgent: it must not wait for a question, a code or a person")
        if command.approval not in (None, *get_args(TwoPerson)):
            raise ValueError(f"/{command.name}: nobody can be asked to approve {command.approval!r}")
        for name in (command.name, *command.aliases):
            if not _NAME.match(name):
                raise ValueError(f"/{name} is no command name: 1 to 32 of a-z 0-9 _")
            if name in self._names:
                raise ValueError(f"/{name} is already a command")
            self._names[name] = command.name
        self._commands[command.name] = command

    def find(self, name: str) -> Command | None:
        """The command of that name or alias."""
        return self._commands.get(self._names.get(name, ""))

    @property
    def urgent(self) -> Command:
        """The command behind every urgent button: the halt."""
        return next(command for command in self if command.urgent)

    def allowed(self, actor: Actor) -> list[Command]:
        """What `actor` may use, without the commands that only buttons need."""
        return [command for command in self if actor.may_somewhere(command.permission) and not command.hidden]

    def near(self, name: str, actor: Actor) -> list[str]:
        """Names that `name` may have been meant to be, among those that `actor` may use."""
        names = [name for command in self.allowed(actor) for name in (command.name, *command.aliases)]
        return list(near(name[:32], names))


REGISTRY = Registry()


def command(
    name: str,
    title: str,
    *,
    permission: Permission,
    aliases: tuple[str, ...] = (),
    usage: str = "",
    stale_after: int = FRESH_SECONDS,
    changes: bool | None = None,
    urgent: bool = False,
    takes: int | None = 0,
    hidden: bool = False,
    ask: Asker | None = None,
    trace: tuple[str, ...] = (),
    accounts: Scope | None = None,
    step_up: bool | Wants = False,
    approval: TwoPerson | None = None,
    details: str = "",
    draws: bool = False,
) -> Callable[[Handler], Handler]:
    """Register the decorated handler; see `Command`. VIEW commands only look, all others change."""

    def register(handler: Handler) -> Handler:
        changing = permission is not Permission.VIEW if changes is None else changes
        REGISTRY.add(
            Command(
                name=name,
                title=title,
                permission=permission,
                handler=handler,
                aliases=aliases,
                usage=usage,
                stale_after=stale_after,
                changes=changing,
                urgent=urgent,
                takes=takes,
                hidden=hidden,
                ask=ask,
                trace=trace,
                accounts=accounts,
                step_up=step_up,
                approval=approval,
                details=details,
                draws=draws,
            )
        )
        return handler

    return register


def discover() -> Registry:
    """Import every file of `bot.commands` so that its commands register; safe to call again."""
    import bot.commands

    for module in pkgutil.iter_modules(bot.commands.__path__, "bot.commands."):
        importlib.import_module(module.name)
    return REGISTRY
