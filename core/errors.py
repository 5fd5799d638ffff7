"""Errors that are a person's to mend; every message says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_NAMES = 20


class UserError(Exception):
    """Something asked for cannot be done; the text is shown to the person as it is."""


class UnknownName(UserError):
    """No strategy, order, job or symbol has that name; near misses are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind = kind
        self.name = name
        self.suggestions: tuple[str, ...] = tuple(get_close_matches(name, names, n=3, cutoff=0.5))
        hint = (
            f"Did you mean {', '.join(self.suggestions)}?"
            if self.suggestions
            else f"There are: {_listed(names) or 'none yet'}."
        )
        super().__init__(f"There is no {kind} called “{name[:60]}”. {hint}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


class SettingsError(UserError):
    """The settings are wrong: every problem at once, each with its place and remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
