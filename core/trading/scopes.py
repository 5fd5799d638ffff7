"""What a halt or a resume is about: everything, an account, every account on a broker, or a strategy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.errors import UnknownName


class ScopeKind(StrEnum):
    """How far it reaches; the words that are typed."""

    HOUSE = "everything"
    ACCOUNT = "account"
    BROKER = "broker"
    STRATEGY = "strategy"


_NAMED = (ScopeKind.ACCOUNT, ScopeKind.BROKER, ScopeKind.STRATEGY)


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, or what is named."""

    kind: ScopeKind = ScopeKind.HOUSE
    name: str = ""

    @property
    def is_house(self) -> bool:
        """Whether it is everything."""
        return self.kind is ScopeKind.HOUSE

    @property
    def words(self) -> tuple[str, ...]:
        """How it is typed after the command."""
        return () if self.is_house else (self.kind.value, self.name)

    def __str__(self) -> str:
        return " ".join(self.words) or "everything"


HOUSE = Scope()
Known = Mapping[ScopeKind, Collection[str]]


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody typed after /halt: a scope and a reason; `doubt` says why what looked like a scope is none."""

    scope: Scope
    reason: str
    doubt: str = ""


def halt_said(text: str, known: Known) -> Said:
    """What a halt is about. What is no known name halts everything: that is the safe direction.

    `account main too hot` is a scope and a reason, `account books look wrong` is only a reason.
    """
    words = text.split()
    kind = _kind(words)
    if kind is None:
        return Said(HOUSE, text)
    name = _known(words[1], known[kind]) if len(words) > 1 else ""
    if name:
        return Said(Scope(kind, name), " ".join(words[2:]))
    what = f"There is no {kind} called “{words[1][:60]}”" if len(words) > 1 else f"No {kind} was named"
    return Said(HOUSE, text, f"{what}: EVERYTHING is halted, to be safe. Resume what should trade.")


def scope_said(words: Sequence[str], known: Known) -> Scope:
    """What a resume or a flatten is about. Raises `UnknownName`: nothing is done by guessing."""
    if not words:
        return HOUSE
    kind = _kind(words)
    if kind is None:
        raise UnknownName("kind of scope", words[0], [each.value for each in _NAMED])
    wanted = words[1] if len(words) > 1 else ""
    name = _known(wanted, known[kind])
    if not name:
        raise UnknownName(kind.value, wanted, known[kind])
    return Scope(kind, name)


def _kind(words: Sequence[str]) -> ScopeKind | None:
    first = words[0].lower() if words else ""
    return next((each for each in _NAMED if each.value == first), None)


def _known(word: str, names: Collection[str]) -> str:
    """The name that is meant: as it is, or but for capitals if that is clear."""
    if word in names:
        return word
    alike = [name for name in names if name.casefold() == word.casefold()]
    return alike[0] if len(alike) == 1 else ""
