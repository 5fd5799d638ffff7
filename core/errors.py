"""Errors that are a person's to mend; every message says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_MOST_NAMES = 20
_MOST_NEAR = 3
_WORD = re.compile(r"[^a-z0-9]+")


class UserError(Exception):
    """Something asked for cannot be done; the text is shown to the person as it is."""


class UnknownName(UserError):
    """No strategy, order, job or symbol has that name; near misses are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind = kind
        self.name = name
        self.suggestions: tuple[str, ...] = near(name, names)
        hint = (
            f"Did you mean {', '.join(self.suggestions)}?"
            if self.suggestions
            else f"There are: {_listed(names) or 'none yet'}."
        )
        super().__init__(f"There is no {kind} called “{name[:60]}”. {hint}")


def near(typed: str, names: Iterable[str]) -> tuple[str, ...]:
    """What `typed` may have been meant to be: a part of a name, a name that looks alike, or one of its words."""
    known = {name.casefold(): name for name in names}
    wanted = typed.strip().casefold()[:60]
    if not wanted:
        return ()
    words = {word: name for name in known for word in _WORD.split(name) if word}
    found = [
        *get_close_matches(wanted, known, n=1, cutoff=0.8),
        *(name for name in known if len(wanted) > 1 and wanted in name),
        *get_close_matches(wanted, known, n=_MOST_NEAR, cutoff=0.5),
        *(words[word] for word in get_close_matches(wanted, words, n=_MOST_NEAR, cutoff=0.7)),
    ]
    return tuple(known[name] for name in list(dict.fromkeys(found))[:_MOST_NEAR])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def in_words(error: Exception, name: str) -> str:
    """What a broker says of itself, without the place by which it calls its settings: `brokers.main.symbols: `."""
    return re.sub(rf"^brokers\.{re.escape(name)}(\.\w+)*: ", "", str(error))


class SettingsError(UserError):
    """The settings are wrong: every problem at once, each with its place and remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Postponed(Exception):
    """What was to be done by the clock cannot be done now, for a reason that people are told of anyway."""
