"""Buttons for what somebody may have meant: the same command with another word, or another command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.command import Command, Unclear
from bot.figures import clip
from bot.framing import grid
from bot.screen import Act, Button, Nav, Rows
from core.errors import UnknownName, UserError

_MOST = 12
_LONGEST = 30


def meant(error: UserError, command: Command, args: Sequence[str]) -> Rows:
    """What answers an error with one press; nothing, if nobody can know."""
    if command.urgent:
        return ()
    options = error.options if isinstance(error, Unclear) else _near(error, args)
    return grid([button(command, words, label) for label, words in list(options.items())[:_MOST]])


def button(command: Command, args: Sequence[str], label: str) -> Button:
    """A button that runs a command, as dangerous as the command is."""
    shown = clip(label, _LONGEST)
    if command.changes:
        return Act(shown, command.name, tuple(args), urgent=command.urgent)
    return Nav(shown, command.name, tuple(args))


def _near(error: UserError, args: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The same words with a name that exists in the place of the one that does not."""
    if not isinstance(error, UnknownName):
        return {}
    place = next((at for at, word in enumerate(args) if word.casefold() == error.name.casefold()), None)
    if place is None:
        return {}
    return {each: (*args[:place], each, *args[place + 1 :]) for each in error.suggestions}
